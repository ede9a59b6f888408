/// How often something may happen: a token bucket, of which the one who is limited keeps the tokens
/// that are left.
///
/// Tokens are handed out at fixed points of the clock rather than by the time since the last look,
/// so nothing is lost by rounding however often one looks, and no fraction has to be kept.
package struct RateRule: BitwiseCopyable, Equatable, Sendable {
    /// Tokens that are handed out in `ticks`.
    package let count: UInt32
    /// Wheel ticks.
    package let ticks: UInt32
    /// Tokens that a full bucket holds.
    package let burst: UInt16

    /// - Parameters:
    ///   - count: at least one, within so many `nanoseconds`.
    ///   - burst: at least one.
    package init(_ count: Int, perNanoseconds nanoseconds: UInt64, tick: UInt64, burst: Int) {
        precondition(count > 0 && burst > 0 && tick > 0 && nanoseconds >= tick)
        // Ticks don't divide a second, so the rule is kept for 1,000 of its periods.
        self.count = UInt32(clamping: count * 1_000)
        ticks = UInt32(clamping: nanoseconds / 1_000 * 1_000_000 / tick)
        self.burst = UInt16(clamping: burst)
    }

    // Hot path.
    /// Tokens in a bucket at `now` that held `left` of them at `earlier`.
    package func tokens(left: UInt16, since earlier: UInt32, at now: UInt32) -> UInt16 {
        guard now > earlier else { return left }
        let granted = grants(until: now) - grants(until: earlier)
        return UInt16(clamping: min(UInt64(burst), UInt64(left) + granted))
    }

    /// Tokens handed out from the clock's start to `tick`: under 2⁶⁴, being a product of two numbers
    /// of 32 bits.
    private func grants(until tick: UInt32) -> UInt64 {
        UInt64(tick) * UInt64(count) / UInt64(ticks)
    }
}
