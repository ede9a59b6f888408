import Gateway
import Simulation
import Testing

@Suite struct SimulationBehaviour {
    /// Seeds that every run of the tests plays; `scripts/simulate` plays more.
    static let seedCount: UInt64 = 200

    @Test func `everything holds in 200 worlds`() throws {
        for seed in 1...Self.seedCount {
            let script = Script(seed: seed)
            let violation = try Simulation.play(script).violation
            if let violation, let shrunk = try Shrinker.shrink(script) {
                Issue.record("seed \(seed): \(violation)\n\(shrunk.shortest)")
                return
            }
        }
    }

    @Test func `a seed makes the same bytes again`() throws {
        for seed: UInt64 in 1...20 {
            let first = try Simulation.play(seed: seed)
            let second = try Simulation.play(seed: seed)
            #expect(first == second)
            #expect(first.transcript.byteCount > 0)
        }
    }

    @Test func `different seeds make different worlds`() throws {
        let digests = try (1...20).map { try Simulation.play(seed: $0).transcript.digest }
        #expect(Set(digests).count == digests.count)
    }

    @Test(arguments: PlantedFault.allCases)
    func `a planted mistake is found, and shrunk to a small script`(fault: PlantedFault) throws {
        for seed in 1...Self.seedCount {
            let script = Script(seed: seed, plantedFault: fault)
            guard let shrunk = try Shrinker.shrink(script) else { continue }
            #expect(shrunk.shortest.actions.count <= 20, "\(shrunk.shortest)")
            #expect(shrunk.shortest.actions.count < script.actions.count)
            // Without the mistake the same script shows nothing.
            var sound = shrunk.shortest
            sound.facts.plantedFault = nil
            let violation = try Simulation.play(sound).violation
            #expect(violation == nil)
            return
        }
        Issue.record("\(fault) wasn't found in \(Self.seedCount) seeds")
    }
}
