import Gateway
import Reactor
import Testing

@Suite struct HistoryBehaviour {
    private typealias Given = HistoryTesting

    private static let second: UInt64 = 1_000_000_000
    private static let start = Instant(nanoseconds: 1_000 * second)

    private static func resume(
        _ waiter: ReadWaiter, in project: Int = 1, of user: Int = 1,
        _ history: inout History, at now: Instant = start
    ) -> (outcome: History.Resume, replaced: ReadWaiter?) {
        var replaced: ReadWaiter?
        let outcome = history.resume(
            waiter, in: Given.project(project), of: Given.user(user), replaced: &replaced, now)
        return (outcome, replaced)
    }

    /// The answer to the project's read.
    private static func finish(in history: inout History) throws -> Given.Finished {
        let answered = Given.finish(1, in: &history.reads)
        return try #require(answered)
    }

    // MARK: Resuming

    @Test func `a user may resume so often at once, and then as often as the rate says`() {
        var history = History(seed: 1)
        for client in 0..<Limits.resumesAtOnce {
            let (outcome, _) = Self.resume(Given.waiter(client), &history)
            #expect(outcome == .waits)
        }
        let (refused, _) = Self.resume(Given.waiter(5_000), &history)
        #expect(refused == .refused)
        let (other, _) = Self.resume(Given.waiter(5_001), of: 2, &history)
        #expect(other == .waits, "another user has a bucket of its own")
        let later = Self.start.advanced(byNanoseconds: Self.second)
        for client in 0..<Limits.resumesPerSecond {
            let (outcome, _) = Self.resume(
                Given.waiter(6_000 + client), &history, at: later)
            #expect(outcome == .waits)
        }
        let (again, _) = Self.resume(Given.waiter(7_000), &history, at: later)
        #expect(again == .refused)
    }

    @Test(arguments: [false, true], [false, true])
    func `who asks twice waits once, and stays unverified`(wasUnverified: Bool, isUnverified: Bool)
        throws
    {
        var history = History(seed: 1)
        let (first, none) = Self.resume(
            Given.waiter(1, from: 20, isUnverified: wasUnverified), &history)
        #expect(first == .waits && none == nil)
        let (second, replaced) = Self.resume(
            Given.waiter(1, from: 10, isUnverified: isUnverified), &history)
        #expect(second == .waits)
        #expect(replaced?.since == Cursor(transaction: 20))
        #expect(history.reads.waiterCount == 1)
        _ = history.reads.ask()
        let answered = try Self.finish(in: &history)
        #expect(answered.waiters.map(\.isUnverified) == [wasUnverified || isUnverified])
        #expect(answered.waiters.map(\.from) == [Cursor(transaction: 10)])
    }

    @Test func `who is refused waits no longer for what it had asked before`() {
        var history = History(seed: 1)
        for _ in 0..<Limits.resumesAtOnce {
            let (outcome, _) = Self.resume(Given.waiter(1), &history)
            #expect(outcome == .waits)
        }
        let (outcome, replaced) = Self.resume(Given.waiter(1), &history)
        #expect(outcome == .refused)
        #expect(replaced != nil)
        let isEmpty = history.reads.isEmpty
        #expect(isEmpty)
    }

    @Test func `who waits for several projects waits for each`() {
        var history = History(seed: 1)
        for project in 1...3 {
            let (_, replaced) = Self.resume(Given.waiter(1), in: project, &history)
            #expect(replaced == nil)
        }
        #expect(history.reads.waiterCount == 3)
        history.reads.removeAll(of: Given.client(1))
        let isEmpty = history.reads.isEmpty
        #expect(isEmpty)
    }

    @Test func `who has waited for too long is taken out at the next look`() {
        var history = History(seed: 1)
        #expect(history.deadline == nil)
        let deadlines = [0, 1, Limits.resumeCheckNanoseconds + 1].map {
            Self.start.nanoseconds + $0
        }
        for (client, deadline) in deadlines.enumerated() {
            _ = Self.resume(Given.waiter(client, deadline: deadline), &history)
        }
        #expect(history.deadline == Self.start)
        let early = history.removeExpired(Instant(nanoseconds: Self.start.nanoseconds - 1))
        #expect(early.isEmpty)
        let first = history.removeExpired(Self.start)
        #expect(first.map(\.waiter.client) == [Given.client(0)])
        let next = Self.start.advanced(byNanoseconds: Limits.resumeCheckNanoseconds)
        #expect(history.deadline == next)
        let second = history.removeExpired(next)
        #expect(second.map(\.waiter.client) == [Given.client(1)])
        let last = history.removeExpired(
            next.advanced(byNanoseconds: Limits.resumeCheckNanoseconds))
        #expect(last.map(\.waiter.client) == [Given.client(2)])
        #expect(history.deadline == nil, "nobody waits")
    }

    // MARK: The gateway's own cursor

    @Test func `the cursor goes forwards only`() {
        var history = History(seed: 1)
        #expect(history.cursor == nil)
        for (transaction, expected) in [(5, 5), (7, 7), (6, 7), (8, 8)] as [(UInt64, UInt64)] {
            history.advance(to: Cursor(transaction: transaction))
            #expect(history.cursor == Cursor(transaction: expected))
        }
    }

    @Test func `catching up ends when its time is up`() {
        var history = History(seed: 1)
        history.reads.addAudience(of: Given.project(1), since: Cursor(transaction: 3))
        history.beginCatchUp(Self.start)
        let isCatchingUp = history.isCatchingUp
        #expect(isCatchingUp)
        let end = Self.start.advanced(byNanoseconds: Limits.catchUpNanosecondsMax)
        #expect(history.deadline == end)
        let isCatchUpLate = history.isCatchUpLate(Instant(nanoseconds: end.nanoseconds - 1))
        #expect(!isCatchUpLate)
        let isCatchUpLateThen = history.isCatchUpLate(end)
        #expect(isCatchUpLateThen)
        let wasCatchingUp = history.endCatchUp()
        let wasCatchingUpThen = history.endCatchUp()
        #expect(wasCatchingUp && !wasCatchingUpThen)
        #expect(!history.isCatchingUp && !history.isCatchUpLate(end))
        #expect(history.deadline == nil && history.reads.isEmpty)
    }

    @Test func `those who resume go on waiting when the audiences are given up`() throws {
        var history = History(seed: 1)
        history.reads.addAudience(of: Given.project(1), since: Cursor(transaction: 3))
        history.beginCatchUp(Self.start)
        _ = Self.resume(Given.waiter(1), &history)
        _ = history.endCatchUp()
        #expect(history.reads.waiterCount == 1)
        _ = history.reads.ask()
        let answered = try Self.finish(in: &history)
        #expect(!answered.read.isForAudience)
        #expect(answered.waiters.count == 1)
    }
}
