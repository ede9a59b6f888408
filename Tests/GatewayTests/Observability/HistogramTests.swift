import Gateway
import Testing

@Suite struct HistogramBehaviour {
    @Test func `a value equal to a bound falls into that bound's bucket`() {
        var histogram = Histogram<3>(boundsNanoseconds: [10, 100, 1_000])
        for value: UInt64 in [0, 9, 10, 11, 99, 100, 101, 999, 1_000, 1_001, .max] {
            histogram.observe(nanoseconds: value)
        }
        #expect(histogram.counts[0] == 3)
        #expect(histogram.counts[1] == 3)
        #expect(histogram.counts[2] == 3)
        #expect(histogram.overflowCount == 2)
        #expect(histogram.count == 11)
    }

    @Test func `the sum is exact across the carry from nanoseconds to seconds`() {
        var histogram = Histogram<1>(boundsNanoseconds: [1])
        histogram.observe(nanoseconds: 999_999_999)
        #expect(histogram.sumSeconds == 0)
        #expect(histogram.sumNanoseconds == 999_999_999)
        histogram.observe(nanoseconds: 1)
        #expect(histogram.sumSeconds == 1)
        #expect(histogram.sumNanoseconds == 0)
        histogram.observe(nanoseconds: 2_999_999_999)
        histogram.observe(nanoseconds: 2)
        #expect(histogram.sumSeconds == 4)
        #expect(histogram.sumNanoseconds == 1)
    }

    @Test func `a sum beyond one word of nanoseconds stays right`() {
        var histogram = Histogram<1>(boundsNanoseconds: [1])
        for _ in 0..<4 { histogram.observe(nanoseconds: .max) }
        #expect(histogram.sumSeconds == 18_446_744_073 * 4 + 2)
        #expect(histogram.sumNanoseconds == 838_206_460)
    }

    @Test func `the program's bounds reach as far as their metrics are meant to`() {
        let commit = Histogram(boundsNanoseconds: HistogramBounds.commitToSocket)
        #expect(commit.boundsNanoseconds[0] == 100_000)
        #expect(commit.boundsNanoseconds[15] == 10_000_000_000)
        let turn = Histogram(boundsNanoseconds: HistogramBounds.loopTurn)
        #expect(turn.boundsNanoseconds[0] == 10_000)
        #expect(turn.boundsNanoseconds[15] == 1_000_000_000)
        let duration = Histogram(boundsNanoseconds: HistogramBounds.connectionDuration)
        #expect(duration.boundsNanoseconds[0] == 1_000_000_000)
        #expect(duration.boundsNanoseconds[11] == 86_400_000_000_000)
    }
}
