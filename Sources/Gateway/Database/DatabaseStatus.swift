/// How a process has the sessions with the database.
package enum SessionRole: Equatable, Sendable {
    /// Its own, for itself alone.
    case own
    /// Its own, for all workers of the host.
    case leader
    /// Those of the leader.
    case follower
    /// None, until it hears who leads.
    case waiting

    package var hasSessions: Bool { self == .own || self == .leader }
}

/// What is known of the database: set by its sessions, and read by whoever has to decide.
package struct DatabaseStatus: Sendable {
    /// Whether the workers of this host share sessions.
    package var sharesSessions = false
    /// By whose sessions it is known.
    package var role = SessionRole.own
    /// Workers that have this one's.
    package var followers = 0
    /// Whether it announces changes to us now.
    package var isListening = false
    /// Whether the last canary came back in time.
    package var isCanaryInTime = false
    /// Whether it answers questions now.
    package var answersQueries = false
    /// Whether missed events can be read.
    package var eventLog = EventLogState.unknown
    /// Whether there are direct messages.
    package var direct = EventLogState.unknown {
        didSet { if direct == .usable { hasHadDirect = true } }
    }
    /// Whether there were since the process began: then they may come back.
    package private(set) var hasHadDirect = false
    /// Whether a read of direct messages was refused since the last look at their table.
    package var doubtsDirect = false
    /// What a resync speaks of: the tables with our trigger.
    package var resources = ResourceList.seed
    /// The same as the catalogue said, and which of them don't announce everything.
    package var tables = AnnouncedTables()
    /// Why memberships can't be asked for, as the end of a sentence; `nil` while nothing is known
    /// against it.
    package var membersFault: String?
    /// What the canaries' answers show.
    package var watch = DatabaseWatch()
    /// By how many seconds the event log's oldest row is older than it should get.
    package var overdueSeconds: UInt64 = 0

    package init() {}

    /// Whether the event log keeps what it should have forgotten.
    package var isOverdue: Bool { overdueSeconds >= DatabaseLimits.overdueWarningSeconds }

    /// Whether a resume can be served from the event log, or may be once it is known. What happens in a
    /// table that doesn't announce isn't recorded either.
    package var mayReadEvents: Bool {
        (eventLog == .usable || eventLog == .unknown) && tables.silent.isEmpty
    }
}
