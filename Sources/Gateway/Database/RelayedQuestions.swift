package import Reactor

/// A follower's stand-in for a query session: it asks the leader, by frames in `outgoing`, which whoever has the
/// link sends. It is live while the leader's session is.
package struct RelayedQuestions: ~Copyable {
    private struct Question {
        let query: DatabaseQuery
        let tag: UInt64
    }

    package var isLive = false
    /// What the leader found in the catalogue last.
    package var tables = RelayedTables()
    /// Frames for the leader.
    package var outgoing = ByteBuffer()
    private var pending: [Question] = []
    private var lost: [Question] = []
    private var answer: QueryAnswer?

    package init() {}

    package func pendingCount(of query: DatabaseQuery) -> Int {
        pending.count { $0.query == query }
    }

    package func hasRoom(for query: DatabaseQuery) -> Bool {
        pendingCount(of: query) < query.pendingMax
    }

    package mutating func ask(
        _ query: DatabaseQuery, _ parameters: borrowing QueryParameters, tag: UInt64
    ) -> AskOutcome {
        guard isLive, query.isRelayed else { return .notLive }
        guard hasRoom(for: query) else { return .full }
        SessionFrame.writeQuestion(query, parameters, tag: tag, into: &outgoing)
        pending.append(Question(query: query, tag: tag))
        return .asked
    }

    /// Whether an answer may come now: the last one was dequeued.
    package var hasRoomForAnswer: Bool {
        switch answer {
        case .some: false
        case .none: true
        }
    }

    /// The leader has answered. False when nobody has asked.
    package mutating func receive(_ answer: consuming QueryAnswer) -> Bool {
        let query = answer.query
        let tag = answer.tag
        guard hasRoomForAnswer,
            let index = pending.firstIndex(where: { $0.query == query && $0.tag == tag })
        else { return false }
        pending.remove(at: index)
        self.answer = consume answer
        return true
    }

    package mutating func dequeueAnswer() -> QueryAnswer? {
        if let answer = answer.take() { return answer }
        guard !lost.isEmpty else { return nil }
        let question = lost.removeFirst()
        return QueryAnswer(query: question.query, tag: question.tag, outcome: .failed(.lost))
    }

    /// The link is gone: nothing that is pending will be answered any more.
    package mutating func fail() {
        isLive = false
        outgoing.removeAll()
        lost += pending
        pending.removeAll(keepingCapacity: true)
    }
}
