/// Durations as the command line has them: a whole number and one unit, `54s`, `500ms`, `1m`, `1h`.
extension Duration {
    /// `nil` for anything else: no sign, no fraction, no space, no combination, no missing unit
    /// (a bare `5` would be guessed at), and nothing over a year.
    package init?(text: String) {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let unit: Int64? =
            switch text.dropFirst(digits.count) {
            case "ms": 1
            case "s": 1_000
            case "m": 60_000
            case "h": 3_600_000
            default: nil
            }
        guard let unit, let count = Int64(Substring(digits)) else { return nil }
        let (milliseconds, overflow) = count.multipliedReportingOverflow(by: unit)
        guard !overflow, milliseconds <= 366 * 24 * 3_600_000 else { return nil }
        self = .milliseconds(milliseconds)
    }

    /// A form that `init(text:)` reads back; for durations that it gave.
    package var text: String {
        let milliseconds = self.milliseconds
        if milliseconds % 1_000 != 0 || milliseconds == 0 { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1_000
        // Up to two minutes people think in seconds.
        if seconds <= 120 || seconds % 60 != 0 { return "\(seconds)s" }
        return seconds % 3_600 == 0 ? "\(seconds / 3_600)h" : "\(seconds / 60)m"
    }

    /// Whole milliseconds; 0 for negative durations.
    package var milliseconds: UInt64 { nanoseconds / 1_000_000 }

    /// Whole nanoseconds, as `Instant` counts them; 0 for negative durations, and at most the
    /// 584 years that fit.
    package var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
        return overflow || carry ? .max : sum
    }
}
