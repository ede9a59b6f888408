import Gateway
import Reactor
import Testing

@Suite struct LinkLifecycleBehaviour {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test func `the first attempt is due at once`() {
        let lifecycle = LinkLifecycle()
        #expect(lifecycle.due(Instant(nanoseconds: 0)) == .attempt)
    }

    @Test func `each phase is due at its deadline and not a nanosecond before`() throws {
        var lifecycle = LinkLifecycle()
        lifecycle.beginAttempt(resolving: true, start)
        try expectTimeout(lifecycle, seconds: 10)
        let wanted = lifecycle.resolved(start)
        #expect(wanted)
        try expectTimeout(lifecycle, seconds: 10)
        lifecycle.connected(start)
        try expectTimeout(lifecycle, seconds: 5)
        lifecycle.prepared(start)
        #expect(lifecycle.deadline == nil)
        #expect(lifecycle.due(start.advanced(byMilliseconds: 1_000_000_000)) == .nothing)
    }

    private func expectTimeout(_ lifecycle: LinkLifecycle, seconds: UInt64) throws {
        let deadline = try #require(lifecycle.deadline)
        #expect(deadline == start.advanced(byMilliseconds: seconds * 1_000))
        #expect(lifecycle.due(Instant(nanoseconds: deadline.nanoseconds - 1)) == .nothing)
        #expect(lifecycle.due(deadline) == .timeout)
    }

    @Test func `resolving is skipped where nothing needs it`() {
        var lifecycle = LinkLifecycle()
        lifecycle.beginAttempt(resolving: false, start)
        #expect(lifecycle.phase == .connecting(deadline: start.advanced(byMilliseconds: 10_000)))
    }

    @Test func `the next place of an attempt has a deadline of its own`() {
        var lifecycle = LinkLifecycle()
        lifecycle.beginAttempt(resolving: false, start)
        let later = start.advanced(byMilliseconds: 9_000)
        lifecycle.goOn(resolving: true, within: 2_000_000_000, later)
        #expect(lifecycle.phase == .resolving(deadline: start.advanced(byMilliseconds: 11_000)))
        lifecycle.goOn(resolving: false, within: 3_000_000_000, later)
        #expect(lifecycle.phase == .connecting(deadline: start.advanced(byMilliseconds: 12_000)))
        #expect(lifecycle.failures == 0)
        lifecycle.connected(later)
        lifecycle.prepared(later)
        #expect(lifecycle.phase == .live(since: later))
    }

    @Test func `an address that comes too late is ignored`() {
        var lifecycle = LinkLifecycle()
        lifecycle.beginAttempt(resolving: true, start)
        lifecycle.lose(start, randomness: 0)
        let before = lifecycle
        let wanted = lifecycle.resolved(start)
        #expect(!wanted)
        #expect(lifecycle == before)
    }

    @Test func `a loss waits for the backoff and then asks for an attempt`() throws {
        var lifecycle = LinkLifecycle()
        lifecycle.beginAttempt(resolving: false, start)
        lifecycle.lose(start, randomness: 0)
        let until = start.advanced(byMilliseconds: 100)
        #expect(lifecycle.phase == .disconnected(until: until))
        #expect(lifecycle.due(Instant(nanoseconds: until.nanoseconds - 1)) == .nothing)
        #expect(lifecycle.due(until) == .attempt)
    }

    @Test(arguments: [(4_999, 2), (5_000, 1), (5_001, 1)] as [(UInt64, Int)])
    func `only a connection that held for 5 s forgets earlier failures`(
        _ milliseconds: UInt64, _ failures: Int
    ) {
        var lifecycle = LinkLifecycle()
        lifecycle.beginAttempt(resolving: false, start)
        lifecycle.lose(start, randomness: 0)
        lifecycle.beginAttempt(resolving: false, start)
        lifecycle.connected(start)
        lifecycle.prepared(start)
        lifecycle.lose(start.advanced(byMilliseconds: milliseconds), randomness: 0)
        #expect(lifecycle.failures == failures)
    }
}
