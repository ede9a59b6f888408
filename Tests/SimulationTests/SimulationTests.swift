import Gateway
import Simulation
import Testing

@Suite struct SimulationBehaviour {
    /// A few, since code that isn't optimized is slow: `scripts/simulate` plays the many.
    @Test func `everything holds in 20 worlds`() throws {
        for seed: UInt64 in 1...20 {
            let script = Script(seed: seed)
            guard try Simulation.play(script).violation != nil else { continue }
            let shrunk = try #require(try Shrinker.shrink(script))
            Issue.record("seed \(seed): \(shrunk.violation)\n\(shrunk.shortest)")
            return
        }
    }

    @Test func `a seed makes the same bytes again`() throws {
        for seed: UInt64 in 1...5 {
            let first = try Simulation.play(seed: seed)
            let second = try Simulation.play(seed: seed)
            #expect(first == second)
            #expect(first.transcript.byteCount > 0)
        }
    }

    @Test func `different seeds make different worlds`() throws {
        let digests = try (1...5).map { try Simulation.play(seed: $0).transcript.digest }
        #expect(Set(digests).count == digests.count)
    }

    @Test(arguments: PlantedFault.allCases)
    func `a planted mistake is found, and shrunk to a small script`(fault: PlantedFault) throws {
        let alarm = try #require(try Alarm.check(fault, seeds: 1..<400))
        #expect(alarm.shortest.actions.count <= Alarm.actionsMax)
        #expect(alarm.shortest.actions.count < Script(seed: alarm.seed).actions.count)
    }
}
