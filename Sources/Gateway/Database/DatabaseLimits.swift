/// The bounds of the database sessions. Durations are nanoseconds.
package enum DatabaseLimits {
    /// Looking up the database's host names: a name server's own time-out is 5 s, and is tried twice.
    package static let resolvingNanoseconds: UInt64 = 10_000_000_000
    /// From the first packet to the end of authentication. A server that is starting refuses at
    /// once; one that says nothing for so long is lost.
    package static let connectingNanoseconds: UInt64 = 10_000_000_000
    /// The answer to LISTEN, or to the query session's first statement.
    package static let preparingNanoseconds: UInt64 = 5_000_000_000
    /// The answer to any later statement of the query session.
    package static let statementNanoseconds: UInt64 = 5_000_000_000
    /// Milliseconds for which a lock on a table is waited for. Four questions that wait so one behind the other hold up a canary
    /// for less than what gives the session up.
    static let lockMilliseconds = 1_000
    /// After it the server gives up a statement of the query session, whatever timeout the role has:
    /// nobody waits for its answer any more.
    package static let serverTimeoutMilliseconds = 10_000
    /// How often the statement that sets a session's timeouts is sent again when the role's own, of a few
    /// milliseconds, have ended it: a new backend has to read its catalogue for it, and only once.
    package static let settingRepeatsMax = 8
    /// How soon the catalogue is looked at again when the memberships couldn't be asked for: a column
    /// may have got another type.
    package static let resourcesAgainNanoseconds: UInt64 = 1_000_000_000
    /// How often the list of resources is read again: triggers are added by migrations, rarely.
    package static let resourcesIntervalNanoseconds: UInt64 = 60_000_000_000

    /// Bytes that the server may send without an answer or a notification that is whole: libpq keeps
    /// them. The longest answer is the event log's, 1,024 rows with payloads of up to 8,000 bytes.
    package static let answerBytesMax = 32 << 20
    /// The same of the listener, which is answered a few words, and to which a notification is 8 KB.
    package static let listenerBytesMax = 1 << 20

    /// Statements that wait for their answers at once, of all kinds: beyond that nothing is asked.
    /// Each kind has a share of its own (`DatabaseQuery.pendingMax`), so that none keeps another out.
    package static let pendingStatementsMax = 64
    /// Tables with our triggers that are looked at: whether they announce, and whether they did all the time. Of
    /// those beyond it nobody knows; how many there are is told. A resync names fewer (`Limits.resourcesMax`).
    package static let tablesMax = 256
    /// PostgreSQL's NAMEDATALEN - 1.
    package static let resourceNameBytesMax = 63

    /// How often a canary is sent (docs/protocol.md).
    package static let canaryIntervalNanoseconds: UInt64 = 5_000_000_000
    /// Intervals without a sound after which the listener is lost.
    package static let canariesMissedMax: UInt64 = 3

    /// Notifications, and bytes of them, that are kept while what was missed is being read: some
    /// seconds of a busy database. Beyond that every project gets a resync instead.
    package static let backlogCountMax = 16_384
    package static let backlogBytesMax = 4 << 20

    /// Notifications, and bytes of them, that wait for their turns: some hundred thousand handled in a
    /// second. Beyond that they come faster than they can be acted on, and a resync of every project
    /// takes their place.
    package static let waitingCountMax = 131_072
    package static let waitingBytesMax = 16 << 20

    /// How often a leader shows that it runs, and after which silence it counts as hanging: a turn takes
    /// milliseconds, and clients are told of nothing meanwhile.
    package static let beatNanoseconds: UInt64 = 1_000_000_000
    package static let beatSilenceNanoseconds: UInt64 = 3_000_000_000
    /// How long a worker without a leader waits to hear who leads before it opens sessions of its own: the
    /// parent names one within milliseconds, unless it hangs itself.
    package static let leaderWaitNanoseconds: UInt64 = 2_000_000_000
    /// A link that has held for so long was well: the next loss of it is told at once.
    package static let steadyLinkNanoseconds: UInt64 = 10_000_000_000
    /// Followers of a leader: workers but one.
    package static let followersMax = 255
    /// Bytes that wait for a follower which doesn't read, as notifications that wait for their turns. Beyond that
    /// the link is cut, and the follower catches up. One answer may go beyond it.
    package static let linkWaitingBytesMax = waitingBytesMax
    /// Bytes that are read of a link in a turn: the others are to have their turns.
    package static let linkBytesPerTurn = 1 << 20

    /// How often old events are looked for, and how soon again when there were as many as one
    /// statement deletes.
    package static let pruneIntervalNanoseconds: UInt64 = 60_000_000_000
    package static let pruneAgainNanoseconds: UInt64 = 1_000_000_000

    /// From when on a cursor that stands is a matter for a warning: whoever resumes reads again what
    /// came since. And how often one that goes on is warned of.
    package static let cursorAgeWarningSeconds: UInt64 = 600
    package static let warningIntervalNanoseconds: UInt64 = 600_000_000_000
    /// The time from one resync of everything to the next while the triggers lose changes.
    package static let lossResyncNanoseconds: UInt64 = 30_000_000_000
    /// By how much the oldest row of the event log may be older than it should get before that is a
    /// matter for a warning: pruning comes once a minute, some thousand rows a second.
    package static let overdueWarningSeconds: UInt64 = 900

    /// How full the queue of notifications may be before it is a matter for a warning, in parts
    /// per million.
    package static let queueUsageWarning: UInt64 = 300_000
}
