/// Plays scripts.
package enum Simulation {
    /// What became of one.
    package struct Outcome: Equatable, Sendable {
        /// `nil` when everything held.
        package let violation: Violation?
        package let transcript: Transcript
    }

    /// - Parameter isTraced: whether what happens is printed.
    package static func play(_ script: Script, isTraced: Bool = false) throws -> Outcome {
        guard script.facts.nodes == 1 else { return try playSeveral(script, isTraced: isTraced) }
        var world = try World(script.facts)
        world.isTraced = isTraced
        do throws(Violation) {
            try world.play(script.actions)
            return Outcome(violation: nil, transcript: world.transcript)
        } catch {
            return Outcome(violation: error, transcript: world.transcript)
        }
    }

    private static func playSeveral(_ script: Script, isTraced: Bool) throws -> Outcome {
        var cluster = try Cluster(script.facts, isTraced: isTraced)
        do throws(Violation) {
            try cluster.play(script.actions)
            return Outcome(violation: nil, transcript: cluster.transcript)
        } catch {
            return Outcome(violation: error, transcript: cluster.transcript)
        }
    }

    package static func play(
        seed: UInt64, plantedFault: PlantedFault? = nil
    ) throws -> Outcome {
        try play(Script(seed: seed, plantedFault: plantedFault))
    }
}
