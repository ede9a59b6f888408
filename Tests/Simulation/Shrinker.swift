/// Makes a failing script as short as it can, so that a reader sees what it takes.
package struct Shrinker {
    /// Scripts that are tried at most: the last few actions aren't worth a minute.
    private static var triesMax: Int { 4_000 }

    private let rule: Violation.Rule
    private var tries = 0
    private(set) package var shortest: Script
    private(set) package var violation: Violation

    /// The shortest script found that breaks the same rule; `nil` when this one breaks none.
    package static func shrink(_ script: Script) throws -> Shrinker? {
        guard let violation = try Simulation.play(script).violation else { return nil }
        var shrinker = Shrinker(script, violation)
        var length: Int
        repeat {
            length = shrinker.shortest.actions.count
            try shrinker.removeActions()
            try shrinker.removeNodes()
            try shrinker.simplifyActions()
        } while shrinker.shortest.actions.count < length
        return shrinker
    }

    private init(_ script: Script, _ violation: Violation) {
        shortest = script
        self.violation = violation
        rule = violation.rule
    }

    /// Takes out runs of actions: half of them first, then shorter runs, single ones at last (delta
    /// debugging; Zeller and Hildebrandt 2002).
    private mutating func removeActions() throws {
        var size = max(shortest.actions.count / 2, 1)
        while size > 0 {
            // From the end: what comes late depends on what comes early.
            var end = shortest.actions.count
            while end > 0 {
                let start = max(end - size, 0)
                var candidate = shortest
                candidate.actions.removeSubrange(start..<end)
                _ = try keepIfFailing(candidate)
                end = start
            }
            size /= 2
        }
    }

    /// Whoever is at a gateway that isn't there any more is at another one.
    private mutating func removeNodes() throws {
        var candidate = shortest
        while candidate.facts.nodes > 1 {
            candidate.facts.nodes -= 1
            guard try keepIfFailing(candidate) else { return }
        }
    }

    private mutating func simplifyActions() throws {
        for position in shortest.actions.indices {
            for simpler in shortest.actions[position].simplerForms {
                var candidate = shortest
                candidate.actions[position] = simpler
                if try keepIfFailing(candidate) { break }
            }
        }
    }

    private mutating func keepIfFailing(_ candidate: Script) throws -> Bool {
        guard tries < Self.triesMax else { return false }
        tries += 1
        guard let violation = try Simulation.play(candidate).violation, violation.rule == rule
        else { return false }
        shortest = candidate
        self.violation = violation
        return true
    }
}

extension Action {
    /// The same with less in it, the simplest first.
    fileprivate var simplerForms: [Action] {
        switch self {
        case .burst(let project, let count):
            [.commit(.event(project: project))]
                + [4, 16, 64, 128, 256, 300].filter { $0 < count }.map {
                    .burst(project: project, count: $0)
                }
        case .turn(let milliseconds) where milliseconds > 1:
            [.turn(milliseconds: 1)]
        case .pass(let seconds) where seconds > 1:
            [1, seconds / 2].map { .pass(seconds: $0) }
        case .say(let seat, let utterance, let frames) where frames > 1:
            [.say(seat: seat, utterance)]
        case .at(_, let action): [action] + action.simplerForms
        case .carry(let weather) where weather != Weather(): [.carry(Weather())]
        case .connect(let seat, var greeting) where greeting.address > 0:
            {
                greeting.address = 0
                return [.connect(seat: seat, greeting)]
            }()
        default: []
        }
    }
}
