package import Reactor

/// What the canaries' answers show of the database: what failed there, and what holds cursors back. It
/// says when an operator has to be warned and when everybody has to fetch again.
package struct DatabaseWatch: Sendable {
    /// What has to be done about an answer.
    package struct Findings: Equatable, Sendable {
        /// Changes that couldn't be announced by their ids since the last answer, to be warned of.
        package var failures: UInt64 = 0
        /// Changes of which not everybody was told, since the last answer.
        package var losses: UInt64 = 0
        /// Everybody has to fetch again now.
        package var needsResync = false
        /// Cursors have stood for so long that a warning is due.
        package var warnsOfCursor = false
        /// Which tables announce has to be looked at now.
        package var needsLook = false
        /// Some may be members no more, of which nothing was announced.
        package var needsRecheck = false

        package init() {}
    }

    /// Since somebody last set the counts back.
    package private(set) var triggerFailures: UInt64 = 0
    package private(set) var triggerLosses: UInt64 = 0
    /// Transactions that a new cursor is behind the newest, and the age of what holds it back.
    package private(set) var cursorLag: UInt64 = 0
    package private(set) var cursorAgeSeconds: UInt64 = 0

    /// Of triggers and their tables, at the last answer.
    private var triggersMark: UInt64 = 0
    /// Of the members' partitions, at the last answer.
    private var membersMark: UInt64 = 0
    /// Whether there was an answer to compare the next one with.
    private var hasLooked = false
    /// The oldest transaction that went on, and since when it is that one.
    private var oldest = Cursor(transaction: 0)
    private var oldestSince = Instant(nanoseconds: 0)
    private var cursorWarnedAt: Instant?

    /// Whether changes were lost since the last resync.
    private var isResyncDue = false
    /// Those who lost a change may have committed it after the resync, and have ended when no
    /// transaction below this one goes on: then comes another.
    private var resyncsAgainFrom: Cursor?
    private var resyncedAt: Instant?

    package init() {}

    package var isCursorOld: Bool {
        cursorAgeSeconds >= DatabaseLimits.cursorAgeWarningSeconds
    }

    /// Whether a resync is due that has to wait.
    package var owesResync: Bool { isResyncDue || resyncsAgainFrom != nil }

    package mutating func note(_ state: DatabaseState, _ now: Instant) -> Findings {
        var findings = Findings()
        if hasLooked {
            findings.needsLook = state.triggersMark != triggersMark
            findings.needsRecheck = state.membersMark != membersMark
            // A count that fell was set back, and begins anew.
            if state.triggerFailures > triggerFailures {
                findings.failures = state.triggerFailures - triggerFailures
            }
            if state.triggerLosses > triggerLosses {
                findings.losses = state.triggerLosses - triggerLosses
                isResyncDue = true
                resyncsAgainFrom = state.end
            }
        }
        hasLooked = true
        triggersMark = state.triggersMark
        membersMark = state.membersMark
        triggerFailures = state.triggerFailures
        triggerLosses = state.triggerLosses
        noteCursor(state, now)
        findings.warnsOfCursor = isWarningDue(now)
        findings.needsResync = takeResync(state, now)
        return findings
    }

    private mutating func noteCursor(_ state: DatabaseState, _ now: Instant) {
        if state.begin != oldest || state.cursorLag == 0 {
            oldest = state.begin
            oldestSince = now
        }
        cursorLag = state.cursorLag
        // The role may not see who it is: that the cursor stands it sees by itself.
        let standsSeconds = now.nanoseconds(since: oldestSince) / 1_000_000_000
        cursorAgeSeconds = max(standsSeconds, state.oldestWriterSeconds)
    }

    private mutating func isWarningDue(_ now: Instant) -> Bool {
        guard isCursorOld else {
            cursorWarnedAt = nil
            return false
        }
        if let cursorWarnedAt,
            now.nanoseconds(since: cursorWarnedAt) < DatabaseLimits.warningIntervalNanoseconds
        {
            return false
        }
        cursorWarnedAt = now
        return true
    }

    /// While changes are lost again and again, a resync of all says so now and then.
    private mutating func takeResync(_ state: DatabaseState, _ now: Instant) -> Bool {
        if let resyncedAt,
            now.nanoseconds(since: resyncedAt) < DatabaseLimits.lossResyncNanoseconds
        {
            return false
        }
        let isLast = resyncsAgainFrom.map { $0 <= state.begin } ?? false
        guard isResyncDue || isLast else { return false }
        if isLast { resyncsAgainFrom = nil }
        isResyncDue = false
        resyncedAt = now
        return true
    }
}
