package import Reactor

/// Who may look at what: what clients ask and wait for, and what is looked up again because a removal
/// was announced.
///
/// It knows neither clients, nor the hub, nor the database: what has to be asked it hands out as a
/// batch, and what was answered as decisions.
package struct Membership: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    /// What is being asked.
    package var checks = MembershipChecks()
    /// What has to be asked again.
    package var verifications = Verifications()
    /// Deleted projects whose audiences have still to be notified.
    var closings: [ProjectClosing] = []
    /// Members that were looked at for removals in this turn.
    var scannedCount = 0

    package init() {}

    /// Whether something is left to do that no event will tell of.
    var hasWorkLeft: Bool { checks.hasAnswers || !closings.isEmpty }

    /// Whether more members may be looked at for removals in this turn.
    var mayScan: Bool { scannedCount < Limits.membersScannedPerTurn }

    /// When questions have to be sent, or verifications tried again; `nil` when none wait.
    package var deadline: Instant? {
        // With no room for their questions they wait for an answer, which is an event.
        switch (checks.batchDue, checks.canVerify ? verifications.due : nil) {
        case (nil, let other), (let other, nil): return other
        case (let first?, let second?): return min(first, second)
        }
    }
}
