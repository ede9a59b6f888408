internal import Reactor

/// Sends a canary, and looks at what else has to be watched.
enum CanaryQuery {
    /// Parameters: the channel, the number.
    ///
    /// The canary's snapshot gives a cursor just as a change's does, so that a gateway to which
    /// nothing happens goes forward too. It has rows: how full the queue of notifications is, in
    /// parts per million; whether the event log is there, and whether this role may use it; how
    /// often a trigger failed, and how often not everybody was told; and what holds cursors back: the
    /// ends of its snapshot, and the age in seconds of the oldest transaction that writes, as far as
    /// this role may see it. Those that are prepared, in any database, it may.
    ///
    /// Then, whether direct messages are there, and whether this role may use them; a sum that another one stands
    /// for when a trigger of ours was made, switched or dropped, or a table with one renamed or given away; and a hash
    /// of the partitions of `project_members` and their files, which another one stands for when one came, went or was
    /// emptied, of which nothing is announced. No partition is locked for it: a canary waits for nobody.
    ///
    /// Its commit waits for those of others that notify, for as long as the session is waited for.
    ///
    /// Row-level security that binds this role, or the triggers' functions, hides rows without a word.
    /// The log is the one beside the triggers' functions, and only while it belongs to their owner.
    ///
    /// - Parameters:
    ///   - schema: where the functions are, quoted and with a dot behind, or empty.
    ///   - members: the table of memberships, quoted and with its schema, or empty.
    static func statement(in schema: String, members: String) -> String {
        let function = schema.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "''")
        return """
            WITH RECURSIVE functions AS (
                SELECT proowner, pronamespace FROM pg_catalog.pg_proc
                WHERE oid = pg_catalog.to_regprocedure('\(function)notify_cache_invalidation()')
            ), ours AS (
                SELECT c.oid, c.relname, c.relkind, c.relpersistence <> 'p' AS is_lost,
                    c.relrowsecurity AND c.relforcerowsecurity AS is_forced
                FROM pg_catalog.pg_class AS c
                JOIN functions ON c.relnamespace = functions.pronamespace
                    AND c.relowner = functions.proowner
                WHERE c.relname IN (
                        'cache_events', 'cache_events_horizon', 'cache_failures', 'cache_losses',
                        '\(DirectQueries.table)')
                    AND NOT c.relhasrules
            ), log AS (
                SELECT oid, is_lost, is_forced FROM ours
                WHERE relkind IN ('r', 'p') AND relname <> '\(DirectQueries.table)'
            ), parts AS (
                SELECT inhrelid AS oid FROM pg_catalog.pg_inherits
                WHERE inhparent = pg_catalog.to_regclass(\(members.quotedLiteral))::pg_catalog.oid
                    AND NOT inhdetachpending
                UNION ALL
                SELECT i.inhrelid FROM parts
                JOIN pg_catalog.pg_inherits AS i ON i.inhparent = parts.oid AND NOT i.inhdetachpending
            )
            SELECT (pg_catalog.pg_notification_queue_usage() * 1000000)::bigint,
                (SELECT pg_catalog.count(*) = 2 FROM log),
                (SELECT CASE
                        WHEN pg_catalog.bool_or(is_lost) THEN 'u'
                        WHEN pg_catalog.bool_or(is_forced OR pg_catalog.row_security_active(oid)) THEN 'h'
                        WHEN pg_catalog.bool_and(pg_catalog.has_table_privilege(oid, 'SELECT')) THEN 't'
                        ELSE 'f'
                    END FROM log),
                \(counter("cache_failures")), \(counter("cache_losses")),
                pg_catalog.pg_snapshot_xmin(own.snapshot), pg_catalog.pg_snapshot_xmax(own.snapshot),
                (SELECT coalesce(pg_catalog.max(pg_catalog.date_part(
                        'epoch', pg_catalog.clock_timestamp() - began))::bigint, 0)
                    FROM (
                        SELECT prepared AS began FROM pg_catalog.pg_prepared_xacts
                        UNION ALL
                        SELECT xact_start FROM pg_catalog.pg_stat_activity
                        WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
                    ) AS writing),
                (SELECT CASE
                        WHEN is_lost THEN 'u'
                        WHEN is_forced OR pg_catalog.row_security_active(oid) THEN 'h'
                        WHEN pg_catalog.has_table_privilege(oid, 'SELECT')
                            AND pg_catalog.has_table_privilege(oid, 'UPDATE')
                            AND pg_catalog.has_table_privilege(oid, 'DELETE')
                            AND pg_catalog.has_function_privilege(send.function, 'EXECUTE') THEN 't'
                        ELSE 'f'
                    END
                    FROM ours CROSS JOIN (
                        SELECT pg_catalog.to_regprocedure('\(function)\(DirectQueries.sendFunction)')
                            ::pg_catalog.oid AS function
                    ) AS send
                    WHERE relkind IN ('r', 'p') AND relname = '\(DirectQueries.table)'
                        AND EXISTS (
                            SELECT FROM pg_catalog.pg_proc, functions
                            WHERE oid = send.function AND pg_proc.proowner = functions.proowner)),
                (SELECT coalesce(pg_catalog.sum(t.xmin::text::bigint + y.xmin::text::bigint), 0)
                    FROM pg_catalog.pg_trigger AS t
                    JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
                    JOIN pg_catalog.pg_type AS y ON y.oid = c.reltype
                    WHERE t.tgfoid IN (
                        SELECT p.oid FROM pg_catalog.pg_proc AS p
                        JOIN functions ON p.pronamespace = functions.pronamespace
                        WHERE p.proname IN (\(AnnouncingTriggers.functionNames)))),
                (SELECT coalesce(pg_catalog.hashtextextended(pg_catalog.string_agg(
                        c.oid::text || '.' || c.relfilenode::text, ' ' ORDER BY c.oid) COLLATE "C", 0)
                        & 9223372036854775807, 0)
                    FROM parts JOIN pg_catalog.pg_class AS c ON c.oid = parts.oid)
            FROM (SELECT pg_catalog.pg_current_snapshot() AS snapshot) AS own,
                pg_catalog.set_config('lock_timeout', '0', true) AS patience,
                pg_catalog.pg_notify($1, $2::text || ' ' || pg_catalog.pg_snapshot_xmin(own.snapshot))
            """
    }

    private static func counter(_ name: String) -> String {
        """
        (SELECT coalesce(pg_catalog.max(CASE WHEN pg_catalog.has_sequence_privilege(oid, 'SELECT')
                    THEN pg_catalog.pg_sequence_last_value(oid) END), 0)
                FROM ours WHERE relname = '\(name)' AND relkind = 'S')
        """
    }
}

/// The answer to a canary's statement.
package struct DatabaseState: Equatable, BitwiseCopyable, Sendable {
    /// Parts per million. At 1,000,000 commits that notify fail.
    package let queueUsageMillionths: UInt64
    package let eventLog: EventLogState
    /// Whether there are direct messages.
    package let direct: EventLogState
    /// Changes that the triggers couldn't announce by their ids, since somebody last set it back.
    package let triggerFailures: UInt64
    /// Changes of which not everybody was told, or that the event log lacks: when it rises,
    /// everybody has to fetch again.
    package let triggerLosses: UInt64
    /// What was committed has a number below `end`, and all below `begin` has ended.
    package let begin: Cursor
    package let end: Cursor
    /// Age of the oldest transaction that writes, as far as the role may see it.
    package let oldestWriterSeconds: UInt64
    /// Another one when triggers of ours, or tables that have them, aren't what they were.
    package let triggersMark: UInt64
    /// Another one when a partition of the members came, went or was emptied.
    package let membersMark: UInt64

    /// Transactions that a new cursor is behind the newest: what is read again by whoever resumes.
    package var cursorLag: UInt64 { end.transaction - min(begin.transaction, end.transaction) }

    package init(
        queueUsageMillionths: UInt64 = 0, eventLog: EventLogState = .absent,
        direct: EventLogState = .absent, triggerFailures: UInt64 = 0, triggerLosses: UInt64 = 0,
        begin: Cursor = Cursor(transaction: 0), end: Cursor = Cursor(transaction: 0),
        oldestWriterSeconds: UInt64 = 0, triggersMark: UInt64 = 0, membersMark: UInt64 = 0
    ) {
        self.queueUsageMillionths = queueUsageMillionths
        self.eventLog = eventLog
        self.direct = direct
        self.triggerFailures = triggerFailures
        self.triggerLosses = triggerLosses
        self.begin = begin
        self.end = end
        self.oldestWriterSeconds = oldestWriterSeconds
        self.triggersMark = triggersMark
        self.membersMark = membersMark
    }

    /// `nil` when the rows have another shape.
    init?(_ rows: borrowing PostgresRows) {
        guard rows.count == 1, rows.columnCount == 11,
            let usage = Self.number(rows, 0), let failures = Self.number(rows, 3),
            let losses = Self.number(rows, 4), let begin = Cursor(rows.bytes(row: 0, column: 5)),
            let end = Cursor(rows.bytes(row: 0, column: 6)), let seconds = Self.number(rows, 7),
            let mark = Self.number(rows, 9), let members = Self.number(rows, 10)
        else { return nil }
        queueUsageMillionths = usage
        triggerFailures = failures
        triggerLosses = losses
        self.begin = begin
        self.end = end
        oldestWriterSeconds = seconds
        triggersMark = mark
        membersMark = members
        let isThere = rows.bytes(row: 0, column: 1).isEqual(to: "t")
        eventLog = isThere ? Self.state(rows, 2) ?? .forbidden : .absent
        direct = Self.state(rows, 8) ?? .absent
    }

    private static func state(
        _ rows: borrowing PostgresRows, _ column: Int
    ) -> EventLogState? {
        switch rows.text(row: 0, column: column) {
        case "t": .usable
        case "h": .hidden
        case "u": .unlogged
        case "f": .forbidden
        default: nil
        }
    }

    private static func number(_ rows: borrowing PostgresRows, _ column: Int) -> UInt64? {
        rows.integer(row: 0, column: column).flatMap { UInt64(exactly: $0) }
    }
}

/// Whether missed events can be read, or direct messages.
package enum EventLogState: Equatable, BitwiseCopyable, Sendable {
    /// Nobody has looked yet.
    case unknown
    /// Not installed: who was away fetches all anew.
    case absent
    /// Installed, and this role may not read it.
    case forbidden
    /// Installed, and row-level security decides which of its rows this role sees.
    case hidden
    /// Installed, and PostgreSQL empties it after a crash, which nobody could tell from nothing missed.
    case unlogged
    case usable

    package var text: StaticString {
        switch self {
        case .unknown: "not looked for yet"
        case .absent: "not installed"
        case .forbidden: "not readable for this role"
        case .hidden: "hidden from this role by row-level security"
        case .unlogged: "unlogged, so that a crash empties it"
        case .usable: "in use"
        }
    }
}
