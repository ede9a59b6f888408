import Gateway
import Reactor
import Testing

@Suite struct RateRuleBehaviour {
    private static func perSecond(_ count: Int, burst: Int) -> RateRule {
        RateRule(
            count, perNanoseconds: 1_000_000_000, tick: TimerWheel.tickNanoseconds, burst: burst)
    }

    @Test func `a bucket never holds more than its burst`() {
        let rule = Self.perSecond(50, burst: 200)
        #expect(rule.tokens(left: 0, since: 1_000, at: 1_000_000) == 200)
        #expect(rule.tokens(left: 200, since: 1_000, at: 1_001) == 200)
    }

    @Test func `no time brings no tokens, and neither does a clock that stands still`() {
        let rule = Self.perSecond(50, burst: 200)
        #expect(rule.tokens(left: 7, since: 1_000, at: 1_000) == 7)
        #expect(rule.tokens(left: 7, since: 1_001, at: 1_000) == 7)
    }

    @Test(arguments: [1, 3, 50, 1_000, 10_000])
    private func `the rate is exact however often one looks`(rate: Int) {
        // 1,000 seconds are 7,812 ticks and a half.
        let rule = Self.perSecond(rate, burst: 60_000)
        for step in [1, 2, 7, 30] {
            var granted = 0
            var tick: UInt32 = 123_456
            for _ in 0..<7_812 / step {
                granted += Int(rule.tokens(left: 0, since: tick, at: tick + UInt32(step)))
                tick += UInt32(step)
            }
            let expected = rate * 1_000 * (7_812 / step * step) / 7_812
            #expect(abs(granted - expected) <= 1, "in steps of \(step)")
        }
    }

    @Test func `at the end of the clock nothing overflows`() {
        let rule = Self.perSecond(10_000, burst: 65_535)
        #expect(rule.tokens(left: 65_535, since: 0, at: .max) == 65_535)
    }
}
