package import Reactor

/// Which clients' memberships are looked at again although nothing was announced: all of them within a
/// period, a few in each second, so that a removal that nobody heard of doesn't last.
package struct Rechecks: Sendable {
    private static let stepNanoseconds: UInt64 = 1_000_000_000
    /// `nil`: never.
    private let periodNanoseconds: UInt64?
    /// The next client to be looked at, and the first place behind this step's share.
    private var next = 0
    private var end = 0
    private var stepAt: Instant?

    package init(periodNanoseconds: UInt64?) {
        self.periodNanoseconds = periodNanoseconds
    }

    /// When some are due; `nil` for never.
    package var deadline: Instant? { stepAt }

    /// Begins the next step when it is due. What is left of the last one goes first: with too much to
    /// ask at once the period gets longer.
    package mutating func begin(places: Int, _ now: Instant) {
        guard let periodNanoseconds else { return }
        guard let due = stepAt else {
            stepAt = now.advanced(byNanoseconds: Self.stepNanoseconds)
            return
        }
        guard due <= now else { return }
        stepAt = now.advanced(byNanoseconds: Self.stepNanoseconds)
        guard next >= end else { return }
        if next >= places { next = 0 }
        let steps = Int(max(1, periodNanoseconds / Self.stepNanoseconds))
        end = min(places, next + (places + steps - 1) / steps)
    }

    /// All are to be looked at now, whatever the period.
    package mutating func hurry(places: Int) {
        next = 0
        end = places
    }

    /// The place of the client to be looked at now; `nil` when the step is done.
    package var current: Int? { next < end ? next : nil }

    /// It was looked at.
    package mutating func advance() { next += 1 }
}
