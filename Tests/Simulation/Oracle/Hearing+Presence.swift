internal import Gateway
internal import GatewayHarness

// Who is present, as the client is told: each change must fit to what it was told before.
extension Hearing {
    mutating func hearPresence(_ text: String, _ object: FlatObject) throws(Violation) {
        let project = try presenceProject(of: object)
        guard !isLawless else { return }
        guard facts.presence != .off else { throw Violation(.presence, "told of it at all") }
        present[project, default: PresenceView()].hear(text)
        if facts.nodes > 1, object["type"] == "presence_state" {
            partials.append(object["partial"] == "true")
        }
        if let fault = present[project]?.faults.first { throw Violation(.presence, fault) }
    }

    func hearTyping(_ object: FlatObject) throws(Violation) {
        _ = try presenceProject(of: object)
        guard !isLawless else { return }
        guard facts.presence == .on, let user else {
            throw Violation(.presence, "told who types")
        }
        if object["user_ids"]?.contains("\(Names.user(user))") ?? true {
            throw Violation(.presence, "told that it types itself: \(object.members)")
        }
    }

    private func presenceProject(of object: FlatObject) throws(Violation) -> Int {
        guard let project = Names.number(object["project_id"]) else {
            throw Violation(.message, "\(object.members)")
        }
        let isResuming = resumes.contains { $0.project == project }
        guard subscriptions[project] != nil || isResuming || isLawless else {
            throw Violation(.subscription, "presence of project \(project)")
        }
        return project
    }

    /// The gateway has confirmed how the client takes part.
    mutating func takePart(in project: Int, _ wish: PresenceWish) throws(Violation) {
        guard subscriptions[project] != nil else {
            throw Violation(.subscription, "presence in project \(project) was accepted")
        }
        wishes[project] = wish.mode == .off ? nil : wish
        forgetPresence()
    }

    /// Of projects in which it takes no part any more.
    mutating func forgetPresence() {
        for project in wishes.keys where subscriptions[project] == nil { wishes[project] = nil }
        for project in present.keys where wishes[project] == nil { present[project] = nil }
    }

    /// Holds what it was told against who takes part.
    ///
    /// - Parameter doubtful: users of whom that isn't known.
    func checkPresence(
        in project: Int, seen: [Int: String], doubtful: Set<Int>
    ) throws(Violation) {
        guard let wish = wishes[project] else { return }
        guard let view = present[project] else {
            throw Violation(.presence, "nothing was told of project \(project)")
        }
        var told: [Int: String] = [:]
        for (user, state) in view.users { told[Names.number(user) ?? -1] = state }
        let isListed = wish.mode == .users && facts.presence == .on
        let expected = isListed ? seen : [:]
        let isRight = Set(told.keys).union(expected.keys).allSatisfy {
            doubtful.contains($0) || told[$0] == expected[$0]
        }
        guard isRight, doubtful.isEmpty ? view.count == seen.count : true else {
            throw Violation(
                .presence, "\(view.count) \(told) in project \(project), and there are \(seen)")
        }
    }
}
