internal import Reactor

/// A world and everything that happens in it, in order. Equal scripts make equal transcripts.
package struct Script: Equatable, Sendable {
    package var facts: WorldFacts
    package var actions: [Action]

    package init(facts: WorldFacts, actions: [Action]) {
        self.facts = facts
        self.actions = actions
    }

    /// The script of a seed.
    package init(seed: UInt64, plantedFault: PlantedFault? = nil) {
        var random = Jitter(seed: seed)
        facts = WorldFacts(seed: seed, &random)
        facts.plantedFault = plantedFault
        var generator = Generator(facts, random)
        actions = generator.makeActions()
    }
}

extension Script: CustomStringConvertible {
    /// One action a line, turns that follow each other in one line.
    package var description: String {
        var text = "\(facts)\n"
        for (position, action) in actions.enumerated() {
            text += "\(position + 1). \(action)\n"
        }
        return text
    }
}
