/// How long to wait before the next attempt to reach the database: full jitter between 0.1 s and a
/// ceiling that doubles from 0.2 s to 5 s.
///
/// Full jitter, because all gateways lose a restarting database in the same moment, and a common
/// rhythm would bring them all back in the same moment too. A floor, so that a database that
/// accepts and drops connections isn't called in a tight loop.
///
/// A value: randomness comes in as a number.
package struct Backoff: Equatable, Sendable {
    package static let floorNanoseconds: UInt64 = 100_000_000
    package static let ceilingNanoseconds: UInt64 = 5_000_000_000

    /// Attempts that failed since the last success.
    package private(set) var failures = 0

    package init() {}

    /// Counts a failure and returns the time to wait, in nanoseconds. `randomness` is uniform.
    package mutating func delayAfterFailure(randomness: UInt64) -> UInt64 {
        failures = min(failures + 1, 62)
        let span = ceiling - Self.floorNanoseconds
        // The high word of the product is uniform in 0..<span, up to one part in 2^32.
        return Self.floorNanoseconds + span.multipliedFullWidth(by: randomness).high
    }

    /// The longest time that the failures so far ask for, in nanoseconds.
    package var ceiling: UInt64 {
        // 0.1 s doubled six times is past the ceiling, so the shift can't overflow.
        let doubled = Self.floorNanoseconds << UInt64(min(failures, 6))
        return min(doubled, Self.ceilingNanoseconds)
    }

    package mutating func reset() {
        failures = 0
    }
}
