package import Reactor

/// What was missed: how far all has been heard, what is being read from the event log and for whom,
/// and which projects are still owed a resync.
///
/// It knows neither clients, nor the hub, nor the database: who waits is named by a handle, and what
/// has been read is handed out to be delivered.
package struct History: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    /// Everything before it has been heard, as a canary said, which was one of ours; `nil` before the
    /// first. What other notifications say of cursors any role can have made up.
    package private(set) var cursor: Cursor?
    /// What is being read.
    package var reads = ReadTable()
    /// Which cursors can't be resumed from.
    package var expiry = CursorExpiry()
    /// When to look for clients that have waited for too long; `nil` while none waits.
    private var expiryCheck: Instant?
    /// By when the gateway's own catch-up must have ended; `nil` without one.
    private var catchUpDeadline: Instant?
    /// How often users may resume, where there is a bound.
    private var resumeRates: TokenBuckets<UserID>
    /// Where a resync of every project has got to; `nil` when none is under way.
    var resyncPosition: Int?
    /// What it names; `nil`: all.
    private(set) var resyncResources: ResourceList?

    package init(seed: UInt64) {
        resumeRates = TokenBuckets(
            perSecond: Limits.resumesPerSecond, burst: Limits.resumesAtOnce, seed: seed)
    }

    // MARK: The cursor

    /// Everything before this cursor has been heard.
    package mutating func advance(to cursor: Cursor) {
        self.cursor = self.cursor.map { max($0, cursor) } ?? cursor
    }

    // MARK: Catching up

    /// Whether notifications have to wait, because what was announced before them is being read.
    package var isCatchingUp: Bool { reads.audienceCount > 0 }

    package mutating func beginCatchUp(_ now: Instant) {
        catchUpDeadline = now.advanced(byNanoseconds: Limits.catchUpNanosecondsMax)
    }

    /// What was read for audiences isn't wanted any more. Returns whether some was.
    package mutating func endCatchUp() -> Bool {
        catchUpDeadline = nil
        guard isCatchingUp else { return false }
        reads.dropAudiences()
        return true
    }

    /// Whether the gateway has had its time to catch up.
    package func isCatchUpLate(_ now: Instant) -> Bool {
        catchUpDeadline.map { $0 <= now } ?? false
    }

    /// A resync of every project, of these resources or all, begins. One that is under way begins again, and names
    /// what either names.
    mutating func beginResync(of resources: ResourceList?) {
        if resyncPosition == nil {
            resyncResources = resources
        } else if let resources {
            resyncResources?.formUnion(resources)
        } else {
            resyncResources = nil
        }
        resyncPosition = 0
    }

    // MARK: Resuming

    /// What becomes of a client's wish to resume.
    package enum Resume: BitwiseCopyable {
        /// It is answered when what it missed has been read.
        case waits
        /// It gets a resync: more is being read, or was asked for, than may be.
        case refused
    }

    /// Reads for the client what it has missed. Whoever waits for the project already waits once from
    /// here on, for both wishes: `replaced` is the earlier one.
    package mutating func resume(
        _ waiter: ReadWaiter, in project: ProjectID, of user: UserID,
        replaced: inout ReadWaiter?, _ now: Instant
    ) -> Resume {
        var waiter = waiter
        replaced = reads.remove(waiter.client, from: project)
        if let replaced, replaced.isUnverified { waiter.isUnverified = true }
        guard resumeRates.take(user, at: now) == 0, reads.add(waiter, for: project) else {
            return .refused
        }
        if expiryCheck == nil { expiryCheck = waiter.deadline }
        return .waits
    }

    /// Those who have waited for too long, taken out of the table; the rest of them in the next turns.
    package mutating func removeExpired(_ now: Instant) -> [RemovedWaiter] {
        guard let check = expiryCheck, check <= now else { return [] }
        var expired: [RemovedWaiter] = []
        // While some are left to look at, the check stays due.
        guard reads.removeExpired(now, &expired) else { return expired }
        expiryCheck =
            reads.waiterCount > 0
            ? now.advanced(byNanoseconds: Limits.resumeCheckNanoseconds) : nil
        return expired
    }

    /// When somebody has waited for too long; `nil` while nobody waits.
    package var deadline: Instant? {
        guard let expiryCheck, let catchUpDeadline else { return expiryCheck ?? catchUpDeadline }
        return min(expiryCheck, catchUpDeadline)
    }
}
