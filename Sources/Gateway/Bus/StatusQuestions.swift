package import Reactor

/// A request for a project's status that waits for the user ids of other nodes.
package struct StatusWaiter: BitwiseCopyable, Sendable {
    package let client: Handle
    package let form: ResponseForm

    package init(client: Handle, form: ResponseForm) {
        self.client = client
        self.form = form
    }
}

/// What a waiter has waited for.
package struct StatusAnswer: Sendable {
    package let waiter: StatusWaiter
    package let project: ProjectID
    /// Users of the other nodes, each once and in order, one more than are told if there are more.
    package let users: [UserID]
    /// Whether some node didn't answer in time.
    package let isPartial: Bool
}

/// Questions to other nodes, who looks at a project, and who waits for the answers.
///
/// Each node is asked for one part after the other, so that no more is on its way than a socket holds.
package struct StatusQuestions: Sendable {
    private struct Question: Sendable {
        let number: UInt32
        let project: ProjectID
        let deadline: Instant
        /// Nodes whose last part hasn't come.
        var awaited: Set<UInt64>
        var users: [UserID] = []
        var waiters: [StatusWaiter]
        var isPartial = false
    }

    private var questions: [Question] = []
    /// Those of `questions` that are over come first here.
    private var answered: [Question] = []
    private var number: UInt32 = 0
    private var waiterCount = 0

    package init() {}

    package enum Asked: Equatable, Sendable {
        /// These have to be sent.
        case new([UsersWanted])
        /// The same is being asked already.
        case shared
        /// Too many wait.
        case full
    }

    /// - Parameter nodes: who is asked; at least one.
    package mutating func ask(
        about project: ProjectID, _ nodes: [UInt64], for waiter: StatusWaiter, _ now: Instant
    ) -> Asked {
        precondition(!nodes.isEmpty)
        guard waiterCount < Limits.busWaitersMax else { return .full }
        if let position = questions.firstIndex(where: { $0.project == project }) {
            questions[position].waiters.append(waiter)
            waiterCount += 1
            return .shared
        }
        guard questions.count + answered.count < Limits.busQuestionsMax else { return .full }
        waiterCount += 1
        number &+= 1  // A number comes back when nobody waits for its first answer any more.
        questions.append(
            Question(
                number: number, project: project,
                deadline: now.advanced(byNanoseconds: Limits.busUsersNanoseconds),
                awaited: Set(nodes), waiters: [waiter]))
        return .new(
            nodes.map { UsersWanted(target: $0, question: number, project: project) })
    }

    /// A part has come. Returns what to ask next.
    package mutating func receive(_ part: UsersFrame, from node: UInt64) -> UsersWanted? {
        guard
            let position = questions.firstIndex(where: {
                $0.number == part.question && $0.awaited.contains(node)
            })
        else { return nil }
        questions[position].users = Self.union(questions[position].users, part.users)
        guard part.isLast || questions[position].users.count > Limits.statusUserIDsMax else {
            return UsersWanted(
                target: node, question: part.question, project: questions[position].project,
                after: part.users.last)
        }
        finish(node, at: position)
        return nil
    }

    /// The node is gone, and its clients with it.
    package mutating func forget(_ node: UInt64) {
        for position in questions.indices.reversed()
        where questions[position].awaited.contains(node) {
            finish(node, at: position)
        }
    }

    private mutating func finish(_ node: UInt64, at position: Int) {
        questions[position].awaited.remove(node)
        if questions[position].awaited.isEmpty {
            answered.append(questions.remove(at: position))
        }
    }

    // MARK: Answers

    /// When the oldest question isn't waited for any longer.
    package var deadline: Instant? { questions.first?.deadline }

    package mutating func expire(_ now: Instant) {
        while let first = questions.first, first.deadline <= now {
            questions.removeFirst()
            answered.append(first)
            answered[answered.count - 1].isPartial = true
        }
    }

    package var hasAnswers: Bool { !answered.isEmpty }

    package mutating func dequeueAnswer() -> StatusAnswer? {
        guard let first = answered.first else { return nil }
        guard let waiter = answered[0].waiters.popLast() else {
            preconditionFailure("a question that nobody has asked")
        }
        waiterCount -= 1
        if answered[0].waiters.isEmpty { answered.removeFirst() }
        return StatusAnswer(
            waiter: waiter, project: first.project, users: first.users,
            isPartial: first.isPartial)
    }

    /// Both are in order and have each once; of what comes out no more is kept than is told, and one.
    package static func union(_ one: [UserID], _ other: [UserID]) -> [UserID] {
        var union: [UserID] = []
        union.reserveCapacity(min(one.count + other.count, Limits.statusUserIDsMax + 1))
        var (left, right) = (0, 0)
        while union.count <= Limits.statusUserIDsMax, left < one.count || right < other.count {
            if right == other.count || left < one.count && one[left] < other[right] {
                union.append(one[left])
                left += 1
            } else {
                if left < one.count, one[left] == other[right] { left += 1 }
                union.append(other[right])
                right += 1
            }
        }
        return union
    }
}
