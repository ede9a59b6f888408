import Reactor
import Testing

@Suite struct JitterBehaviour {
    @Test func `the numbers are those of SplitMix64 for the seed`() {
        // The first numbers for the seed 1234567 of the reference implementation.
        var jitter = Jitter(seed: 1_234_567)
        let numbers = (0..<5).map { _ in jitter.next() }
        #expect(
            numbers == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test func `the kernel's numbers differ`() {
        #expect(Random.word() != Random.word())
    }
}

@Suite struct InstantBehaviour {
    @Test func `an instant stops at the end of time instead of going round`() {
        let late = Instant(nanoseconds: .max - 5)
        #expect(late.advanced(byNanoseconds: 6).nanoseconds == .max)
        #expect(late.advanced(byNanoseconds: 5).nanoseconds == .max)
        #expect(late.advanced(byNanoseconds: 4).nanoseconds == UInt64.max - 1)
        #expect(late.advanced(byMilliseconds: .max).nanoseconds == .max)
        #expect(late.advanced(byMilliseconds: 1).nanoseconds == .max)
        let early = Instant(nanoseconds: 7)
        #expect(early.advanced(byMilliseconds: 2).nanoseconds == 2_000_007)
        // The product went round: this many milliseconds were half a millisecond.
        #expect(early.advanced(byMilliseconds: 1 << 58).nanoseconds == .max)
    }

    @Test func `the time since a later instant is none`() {
        let early = Instant(nanoseconds: 10)
        let late = Instant(nanoseconds: 25)
        #expect(late.nanoseconds(since: early) == 15)
        #expect(early.nanoseconds(since: late) == 0)
    }
}
