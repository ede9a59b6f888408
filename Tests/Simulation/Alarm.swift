/// Whether a mistake would be found: it is planted, looked for, and shrunk.
package struct Alarm: Sendable {
    /// More than that a reader doesn't take in.
    package static let actionsMax = 20

    package let seed: UInt64
    package let violation: Violation
    package let shortest: Script

    /// `nil` when none of the seeds finds it, or when what is left of the script is too long, or shows
    /// something without the mistake too.
    package static func check(_ fault: PlantedFault, seeds: Range<UInt64>) throws -> Alarm? {
        for seed in seeds {
            let script = Script(seed: seed, plantedFault: fault)
            guard let shrunk = try Shrinker.shrink(script) else { continue }
            var sound = shrunk.shortest
            sound.facts.plantedFault = nil
            guard shrunk.shortest.actions.count <= actionsMax,
                try Simulation.play(sound).violation == nil
            else { return nil }
            return Alarm(seed: seed, violation: shrunk.violation, shortest: shrunk.shortest)
        }
        return nil
    }
}

extension Alarm: CustomStringConvertible {
    package var description: String {
        "found by seed \(seed), \(shortest.actions.count) actions are enough: \(violation)"
    }
}
