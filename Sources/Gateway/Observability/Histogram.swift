/// Durations counted in fixed buckets, as Prometheus' text format wants them.
///
/// A value of fixed size: observing is a short scan over the bounds and three additions.
package struct Histogram<let bucketCount: Int>: Sendable {
    /// The buckets' inclusive upper bounds in nanoseconds, ascending.
    package let boundsNanoseconds: InlineArray<bucketCount, UInt64>
    /// What fell into each bucket alone; the writer adds them up.
    package private(set) var counts: InlineArray<bucketCount, UInt64>
    /// What exceeded the last bound.
    package private(set) var overflowCount: UInt64 = 0
    /// The sum of everything observed, in two parts so that it stays exact: one word of
    /// nanoseconds overflows within days when the connections' durations are summed up.
    package private(set) var sumSeconds: UInt64 = 0
    package private(set) var sumNanoseconds: UInt64 = 0

    package init(boundsNanoseconds: InlineArray<bucketCount, UInt64>) {
        for index in 1..<bucketCount {
            precondition(boundsNanoseconds[index - 1] < boundsNanoseconds[index])
        }
        self.boundsNanoseconds = boundsNanoseconds
        self.counts = InlineArray(repeating: 0)
    }

    /// Hot path.
    package mutating func observe(nanoseconds: UInt64) {
        var rest = nanoseconds
        if rest >= 1_000_000_000 {
            sumSeconds &+= rest / 1_000_000_000
            rest %= 1_000_000_000
        }
        sumNanoseconds &+= rest  // Both parts are below 10⁹.
        if sumNanoseconds >= 1_000_000_000 {
            sumNanoseconds &-= 1_000_000_000
            sumSeconds &+= 1
        }
        for index in 0..<bucketCount where nanoseconds <= boundsNanoseconds[index] {
            counts[index] &+= 1  // 2⁶⁴ observations take 584 years at one a nanosecond.
            return
        }
        overflowCount &+= 1
    }

    /// How many durations were observed.
    package var count: UInt64 {
        var sum = overflowCount
        for index in 0..<bucketCount { sum &+= counts[index] }
        return sum
    }
}

/// The bounds of this program's histograms, in nanoseconds.
package enum HistogramBounds {
    private static let microsecond: UInt64 = 1_000
    private static let millisecond: UInt64 = 1_000_000
    private static let second: UInt64 = 1_000_000_000

    /// 100 µs to 10 s: from an idle loop's best to a recovery after lost contact.
    package static var commitToSocket: InlineArray<16, UInt64> {
        [
            100 * microsecond, 250 * microsecond, 500 * microsecond,
            1 * millisecond, 2 * millisecond, 5 * millisecond,
            10 * millisecond, 25 * millisecond, 50 * millisecond,
            100 * millisecond, 250 * millisecond, 500 * millisecond,
            1 * second, 2 * second, 5 * second, 10 * second,
        ]
    }

    /// 10 µs to 1 s: a turn over 20 ms is what others would feel.
    package static var loopTurn: InlineArray<16, UInt64> {
        [
            10 * microsecond, 25 * microsecond, 50 * microsecond,
            100 * microsecond, 250 * microsecond, 500 * microsecond,
            1 * millisecond, 2 * millisecond, 5 * millisecond,
            10 * millisecond, 20 * millisecond, 50 * millisecond,
            100 * millisecond, 250 * millisecond, 500 * millisecond, 1 * second,
        ]
    }

    /// 1 s to 1 day: a page that was opened by mistake to a board that hangs on a wall.
    package static var connectionDuration: InlineArray<12, UInt64> {
        [
            1 * second, 5 * second, 15 * second, 60 * second,
            300 * second, 900 * second, 1_800 * second, 3_600 * second,
            7_200 * second, 14_400 * second, 28_800 * second, 86_400 * second,
        ]
    }
}
