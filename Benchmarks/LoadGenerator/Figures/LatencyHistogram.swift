/// Counts durations in buckets whose width grows with the value, as HdrHistogram does: each power
/// of two is divided in 64, so that a quantile is at most 1.6 % too high.
struct LatencyHistogram {
    private static let subBucketBits = 6
    private static let subBuckets = 1 << subBucketBits
    /// Durations are cut off at 2^41 nanoseconds, 36 minutes: longer than any run.
    private static let topBit = 40
    static let bucketCount = (topBit - subBucketBits + 2) * subBuckets

    private(set) var counts = ContiguousArray<UInt64>(repeating: 0, count: bucketCount)
    private(set) var total: UInt64 = 0
    /// The longest duration, exactly.
    private(set) var maximum: UInt64 = 0
    private var sum: UInt64 = 0

    // Hot path.
    mutating func record(_ nanoseconds: UInt64) {
        counts[Self.bucket(of: nanoseconds)] += 1
        total += 1
        sum += nanoseconds
        maximum = max(maximum, nanoseconds)
    }

    /// Adds what another process counted.
    mutating func add(_ count: UInt64, inBucket bucket: Int) {
        guard bucket >= 0 && bucket < Self.bucketCount else { return }
        counts[bucket] += count
        total += count
        sum += count * Self.upperBound(of: bucket)
        maximum = max(maximum, Self.upperBound(of: bucket))
    }

    /// The duration that `share` of all counted ones don't exceed, in nanoseconds; zero when
    /// nothing was counted.
    func quantile(_ share: Double) -> UInt64 {
        guard total > 0 else { return 0 }
        let rank = max(1, UInt64((Double(total) * share).rounded(.up)))
        var seen: UInt64 = 0
        for bucket in 0..<Self.bucketCount {
            seen += counts[bucket]
            if seen >= rank { return min(Self.upperBound(of: bucket), maximum) }
        }
        return maximum
    }

    mutating func removeAll() {
        self = LatencyHistogram()
    }

    static func bucket(of nanoseconds: UInt64) -> Int {
        let value = min(nanoseconds, (1 << (topBit + 1)) - 1)
        guard value >= subBuckets else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let shift = exponent - subBucketBits
        return (shift + 1) * subBuckets + Int(value >> UInt64(shift)) - subBuckets
    }

    /// The largest duration that falls into `bucket`.
    static func upperBound(of bucket: Int) -> UInt64 {
        guard bucket >= subBuckets else { return UInt64(bucket) }
        let shift = bucket / subBuckets - 1
        let base = UInt64(bucket % subBuckets + subBuckets)
        return ((base + 1) << UInt64(shift)) - 1
    }
}
