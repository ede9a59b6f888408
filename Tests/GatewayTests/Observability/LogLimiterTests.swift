import Gateway
import Reactor
import Testing

@Suite struct LogLimiterBehaviour {
    private static let second: UInt64 = 1_000_000_000

    private static func allowed(
        _ limiter: inout LogLimiter, _ kind: LogEventKind, attempts: Int, at now: Instant
    ) -> Int {
        var allowed = 0
        for _ in 0..<attempts where limiter.admit(kind, at: now) != .suppressed { allowed += 1 }
        return allowed
    }

    @Test func `a burst passes, the rest is counted and reported by the next line`() {
        var limiter = LogLimiter(linesPerSecond: 20, burst: 50)
        let start = Instant(nanoseconds: 5)
        #expect(Self.allowed(&limiter, .clientOpened, attempts: 173, at: start) == 50)
        #expect(limiter.suppressedCount == 123)
        let justBefore = start.advanced(byNanoseconds: Self.second / 20 - 1)
        #expect(limiter.admit(.clientOpened, at: justBefore) == .suppressed)
        let refilled = start.advanced(byNanoseconds: Self.second / 20)
        #expect(limiter.admit(.clientOpened, at: refilled) == .allowed(suppressed: 124))
        #expect(limiter.admit(.clientOpened, at: refilled) == .suppressed)
    }

    @Test func `the steady rate holds over a minute of flood`() {
        var limiter = LogLimiter(linesPerSecond: 20, burst: 50)
        var allowed = 0
        for millisecond: UInt64 in 0..<60_000 {
            let now = Instant(nanoseconds: millisecond * 1_000_000)
            allowed += Self.allowed(&limiter, .badMessage, attempts: 1, at: now)
        }
        #expect(allowed >= 50 + 20 * 59 && allowed <= 50 + 20 * 60)
    }

    @Test func `after silence the whole burst is there again, and no more`() {
        var limiter = LogLimiter(linesPerSecond: 20, burst: 50)
        let start = Instant(nanoseconds: 0)
        #expect(Self.allowed(&limiter, .clientLeft, attempts: 60, at: start) == 50)
        let later = start.advanced(byNanoseconds: 3_600 * Self.second)
        #expect(Self.allowed(&limiter, .clientLeft, attempts: 60, at: later) == 50)
    }

    @Test func `a storm of one kind leaves the others their lines`() {
        var limiter = LogLimiter(linesPerSecond: 1, burst: 1)
        let now = Instant(nanoseconds: 0)
        for kind in LogEventKind.allCases {
            #expect(Self.allowed(&limiter, kind, attempts: 10, at: now) == 1)
        }
    }

    @Test func `pending counts are taken once`() {
        var limiter = LogLimiter(linesPerSecond: 1, burst: 1)
        _ = Self.allowed(&limiter, .broadcast, attempts: 4, at: Instant(nanoseconds: 0))
        #expect(limiter.removePending(.broadcast) == 3)
        #expect(limiter.removePending(.broadcast) == 0)
    }

    @Test func `instants at the clock's end don't overflow`() {
        var limiter = LogLimiter(linesPerSecond: 1, burst: 2)
        let end = Instant(nanoseconds: .max)
        #expect(Self.allowed(&limiter, .clientOpened, attempts: 3, at: end) >= 2)
    }
}
