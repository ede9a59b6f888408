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
    /// What is looked at again although nothing was announced.
    var rechecks: Rechecks
    /// Since when the database answers no questions; `nil` while it does.
    private var absentSince: Instant?
    /// Members that were looked at for removals in this turn.
    var scannedCount = 0

    package init(recheckNanoseconds: UInt64? = nil) {
        rechecks = Rechecks(periodNanoseconds: recheckNanoseconds)
    }

    // MARK: A database that is away

    mutating func noteAbsence(_ now: Instant) {
        if absentSince == nil { absentSince = now }
    }

    mutating func noteAnswering() { absentSince = nil }

    /// Whether the database hasn't been away for so long that nobody should wait for it any more.
    func mayWait(_ now: Instant) -> Bool {
        absentSince.map { now.nanoseconds(since: $0) < Limits.databasePatienceNanoseconds } ?? true
    }

    /// While it is away: when those who wait are refused; `nil` when nobody waits.
    var patienceDeadline: Instant? {
        guard checks.isWaiting else { return nil }
        return absentSince?.advanced(byNanoseconds: Limits.databasePatienceNanoseconds)
    }

    /// Whether something is left to do that no event will tell of.
    var hasWorkLeft: Bool { checks.hasAnswers }

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
