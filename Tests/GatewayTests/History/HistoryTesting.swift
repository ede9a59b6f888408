import Gateway
import Reactor

/// What the tests of the history share.
enum HistoryTesting {
    static func project(_ number: Int) -> ProjectID { ProjectID(high: 7, low: UInt64(number)) }
    static func client(_ number: Int) -> Handle { Handle(raw: UInt64(number)) }
    static func user(_ number: Int) -> UserID { UserID(high: 9, low: UInt64(number)) }

    static func waiter(
        _ client: Int, from cursor: UInt64 = 10, deadline: UInt64 = .max, isUnverified: Bool = false
    ) -> ReadWaiter {
        ReadWaiter(
            client: self.client(client), since: Cursor(transaction: cursor),
            from: Cursor(transaction: cursor), answer: .silence,
            deadline: Instant(nanoseconds: deadline), isSubscribed: false,
            isUnverified: isUnverified)
    }
}

// Reads that are answered all at once.
extension HistoryTesting {
    struct Finished {
        let read: ProjectRead
        let waiters: [ReadWaiter]
    }

    /// Answers a project's read, and gives it to all who wait.
    static func finish(_ project: Int, in table: inout ReadTable) -> Finished? {
        guard let read = table.take(self.project(project)) else { return nil }
        if table.dropUnlessAwaited(read) { return Finished(read: read, waiters: []) }
        table.give(ReadAnswer(resync: .cursorExpired), of: read)
        var waiters: [ReadWaiter] = []
        while let waiter = table.removeFirstWaiter(of: read) { waiters.append(waiter) }
        _ = table.finishFirstAnswered()
        return Finished(read: read, waiters: waiters)
    }
}
