package import Reactor

/// What a follower has asked and the leader hasn't sent yet, in order for each session.
package struct WaitingQuestions: Sendable {
    private struct Question: Sendable {
        let query: DatabaseQuery
        let tag: UInt64
        /// The frame's body.
        let body: [UInt8]
    }

    private var questions: [Question] = []

    /// As many as one follower may have under way.
    package static let countMax = DatabaseQuery.allCases.reduce(0) {
        $0 + ($1.isRelayed ? $1.pendingMax : 0)
    }

    package init() {}

    package var isEmpty: Bool { questions.isEmpty }

    /// False when it isn't well-formed, or more than a follower asks.
    package mutating func append(
        _ body: borrowing Span<UInt8>, checkedIn parameters: inout QueryParameters
    ) -> Bool {
        guard questions.count < Self.countMax,
            let asked = SessionFrame.question(body, into: &parameters)
        else { return false }
        let bytes = (0..<body.count).map { body[$0] }
        questions.append(Question(query: asked.query, tag: asked.tag, body: bytes))
        return true
    }

    /// Takes the first question for which the session has room, with what it has in `parameters`. Of those that
    /// can't be asked without a live session, the first.
    package mutating func dequeue(
        for session: borrowing QuerySession, isAboutMembers: Bool,
        into parameters: inout QueryParameters
    ) -> (query: DatabaseQuery, tag: UInt64)? {
        for index in questions.indices {
            let query = questions[index].query
            guard (query == .members) == isAboutMembers,
                !session.isLive || session.hasRoom(for: query)
            else { continue }
            let question = questions.remove(at: index)
            return SessionFrame.question(question.body.span, into: &parameters)
        }
        return nil
    }
}
