package import Reactor

/// A line that says the same again and again, such as why the database can't be reached: what is new is
/// said at once, the same only now and then.
package struct RepeatedLine: Sendable {
    /// How often the same is said: an outage of an hour is a few hundred lines.
    package static let intervalNanoseconds: UInt64 = 10_000_000_000

    private var text = ""
    private var silentUntil = Instant(nanoseconds: 0)
    private var suppressed: UInt64 = 0

    package init() {}

    /// How many equal ones before it were not written, or `nil` when this one isn't to be written.
    package mutating func admit(_ text: String, at now: Instant) -> UInt64? {
        guard text != self.text || now >= silentUntil else {
            suppressed &+= 1
            return nil
        }
        let left = suppressed
        self.text = text
        suppressed = 0
        silentUntil = now.advanced(byNanoseconds: Self.intervalNanoseconds)
        return left
    }
}
