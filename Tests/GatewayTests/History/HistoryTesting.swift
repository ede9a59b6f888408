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
