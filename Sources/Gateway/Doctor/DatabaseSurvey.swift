internal import Reactor

/// Asks the database what `DatabaseChecks` judges.
struct DatabaseSurvey {
    let workers: Int
    let checksMembership: Bool

    /// The tables of the triggers.
    private static let tables = ["projects", "sprints", "tasks", "project_members"]
    /// How long a notification may take. One needs a millisecond; a busy server may need more.
    private static let roundTripMilliseconds: Int32 = 3_000

    /// Version, role in replication, queue, clock.
    func server(
        _ connection: inout BlockingPostgresConnection, _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        let row = try connection.query(
            """
            SELECT current_setting('server_version_num'), pg_is_in_recovery(),
                CASE WHEN pg_is_in_recovery() THEN 0
                    ELSE round(1000 * pg_notification_queue_usage())::int END
            """)
        tell(DatabaseChecks.version(Self.number(row, 0)))
        tell(DatabaseChecks.standby(isInRecovery: row.text(row: 0, column: 1) == "t"))
        tell(DatabaseChecks.queue(permille: Self.number(row, 2)))

        let before = Clock.wallMicroseconds()
        let time = try connection.query(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        let after = Clock.wallMicroseconds()
        // It was read at some time in between.
        let ahead = Int64(Self.number(time, 0)) - (before + (after - before) / 2)
        tell(DatabaseChecks.clock(aheadBy: ahead, uncertainty: after - before))
    }

    /// Whether `migrate` has left records. Which ones is not for the gateway's role to read.
    func hasRecords(
        _ connection: inout BlockingPostgresConnection
    ) throws(PostgresError) -> Bool {
        let row = try connection.query("SELECT to_regclass('devhive_migrations') IS NOT NULL")
        return row.text(row: 0, column: 0) == "t"
    }

    func triggers(
        _ connection: inout BlockingPostgresConnection, isRecorded: Bool, _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        for table in Self.tables {
            let row = try connection.query(
                """
                SELECT to_regclass($1) IS NOT NULL,
                    coalesce(bit_or(tgtype::int) FILTER (WHERE tgenabled IN ('O', 'A')), 0),
                    coalesce(bit_or(tgtype::int) FILTER (WHERE tgenabled IN ('D', 'R')), 0)
                FROM pg_catalog.pg_trigger t
                JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                WHERE t.tgrelid = to_regclass($1)
                    AND p.proname IN ('notify_cache_invalidation', 'notify_cache_truncation')
                """, [table])
            tell(
                DatabaseChecks.triggers(
                    DatabaseChecks.TableTriggers(
                        table: table, exists: row.text(row: 0, column: 0) == "t",
                        enabled: Self.number(row, 1), disabled: Self.number(row, 2)),
                    isRecorded: isRecorded))
        }
    }

    /// What the role may do, and how many sessions it may have.
    func role(
        _ connection: inout BlockingPostgresConnection, _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        // Both functions give NULL for a table that isn't there, which was reported already.
        // Of sessions of other roles pg_stat_activity hides what they are; their number is for all to
        // read. PostgreSQL 16 has reserved_connections.
        let row = try connection.query(
            """
            SELECT rolname, rolsuper,
                coalesce(has_table_privilege(to_regclass('project_members'), 'SELECT'), true),
                least(
                    current_setting('max_connections')::int
                        - current_setting('superuser_reserved_connections')::int
                        - coalesce(current_setting('reserved_connections', true)::int, 0)
                        - (SELECT sum(numbackends) - 1 FROM pg_stat_database),
                    CASE WHEN rolconnlimit < 0 OR rolsuper THEN 1000000
                        ELSE rolconnlimit - (SELECT count(*) FROM pg_stat_activity
                            WHERE usename = rolname AND pid <> pg_backend_pid()) END),
                coalesce(row_security_active(to_regclass('project_members')::oid), false)
            FROM pg_catalog.pg_roles WHERE rolname = current_user
            """)
        tell(
            DatabaseChecks.role(
                DatabaseChecks.Role(
                    name: row.text(row: 0, column: 0),
                    isSuperuser: row.text(row: 0, column: 1) == "t",
                    readsMembers: row.text(row: 0, column: 2) == "t",
                    seesSomeMembers: row.text(row: 0, column: 4) == "t"),
                checksMembership: checksMembership))
        tell(DatabaseChecks.sessions(free: Self.number(row, 3), workers: workers))
    }

    /// Whether the event log is there, and what the role may do with it.
    func eventLog(
        _ connection: inout BlockingPostgresConnection, isRecorded: Bool, _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        // has_table_privilege gives NULL for a table that isn't there.
        let row = try connection.query(
            """
            SELECT to_regclass('cache_events') IS NOT NULL
                    AND to_regclass('cache_events_horizon') IS NOT NULL,
                coalesce(has_table_privilege(to_regclass('cache_events'), 'SELECT')
                    AND has_table_privilege(to_regclass('cache_events_horizon'), 'SELECT'), false),
                coalesce(has_table_privilege(to_regclass('cache_events'), 'DELETE')
                    AND has_table_privilege(to_regclass('cache_events_horizon'), 'UPDATE'), false)
            """)
        tell(
            DatabaseChecks.eventLog(
                DatabaseChecks.EventLogFacts(
                    isInstalled: row.text(row: 0, column: 0) == "t",
                    mayRead: row.text(row: 0, column: 1) == "t",
                    mayPrune: row.text(row: 0, column: 2) == "t"),
                isRecorded: isRecorded))
    }

    /// Listens on one session and notifies on another, as the gateway's canary does.
    func roundTrip(
        _ listener: inout BlockingPostgresConnection, _ target: ConnectionString,
        _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        let channel = "devhive_doctor_" + String(Random.word(), radix: 36)
        let isPooled =
            Self.number(try listener.query("SELECT pg_backend_pid()"), 0)
            != Int(listener.serverProcessID)
        var notifier = try BlockingPostgresConnection(target)
        try listener.execute("LISTEN \(channel)")
        let began = Clock.monotonic()
        try notifier.execute("NOTIFY \(channel)")
        let isHeard = try listener.waitForNotification(milliseconds: Self.roundTripMilliseconds)
        let microseconds = Clock.monotonic().nanoseconds(since: began) / 1_000
        try listener.execute("UNLISTEN \(channel)")
        tell(
            DatabaseChecks.roundTrip(
                isHeard ? .heard(microseconds: microseconds) : .lost, isPooled: isPooled))
    }

    /// The number in a column of the first row. All statements here give one, and numbers in it.
    private static func number(_ rows: borrowing PostgresRows, _ column: Int) -> Int {
        Int(rows.text(row: 0, column: column)) ?? 0
    }
}
