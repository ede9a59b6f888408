internal import Reactor

/// Asks the database what `DatabaseChecks` judges.
struct DatabaseSurvey {
    let workers: Int
    let checksMembership: Bool
    /// Whether gateways of several hosts meet in the database.
    let meetsOthers: Bool

    /// The tables of the triggers.
    private static let tables = ["projects", "sprints", "tasks", "project_members"]
    /// How long a notification may take. One needs a millisecond; a busy server may need more.
    private static let roundTripMilliseconds: Int32 = 3_000

    /// Keeps other roles' operators away from everything that follows. Names of ours are looked up where
    /// the role would find them.
    func pinPath(_ connection: inout BlockingPostgresConnection) throws(PostgresError) {
        _ = try connection.pinSettings()
    }

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
        let row = try connection.query(
            "WITH \(SearchPath.names) SELECT devhive_migrations IS NOT NULL FROM names")
        return row.text(row: 0, column: 0) == "t"
    }

    func triggers(
        _ connection: inout BlockingPostgresConnection, isRecorded: Bool, _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        for table in Self.tables {
            let row = try connection.query(
                """
                WITH RECURSIVE \(SearchPath.names), \(AnnouncingTriggers.tables), changes AS (
                    SELECT t.tgtype::int AS events, t.tgenabled IN ('O', 'A') AS is_enabled,
                        p.proname = '\(AnnouncingTriggers.cascade)' AS is_cascade
                    FROM pg_catalog.pg_trigger t
                    JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                    WHERE t.tgrelid = (SELECT \(table) FROM names)
                        AND p.proname IN (\(AnnouncingTriggers.functionNames))
                )
                SELECT (SELECT \(table) IS NOT NULL FROM names),
                    coalesce(bit_or(events) FILTER (WHERE is_enabled AND NOT is_cascade), 0),
                    coalesce(bit_or(events) FILTER (WHERE NOT is_enabled AND NOT is_cascade), 0),
                    (SELECT bool_or(is_truncation) FROM our_functions),
                    (SELECT bool_or(is_cascade) FROM our_functions) AND NOT coalesce(bool_or(is_cascade), false),
                    bool_or(is_cascade AND NOT is_enabled)
                FROM changes
                """)
            var found = DatabaseChecks.TableTriggers(
                table: table, exists: row.text(row: 0, column: 0) == "t",
                enabled: Self.number(row, 1), disabled: Self.number(row, 2))
            found.needsTruncation = row.text(row: 0, column: 3) == "t"
            found.lacksCascade = row.text(row: 0, column: 4) == "t"
            found.isCascadeDisabled = row.text(row: 0, column: 5) == "t"
            tell(DatabaseChecks.triggers(found, isRecorded: isRecorded))
        }
        let count = try connection.query(
            """
            WITH RECURSIVE \(SearchPath.names), \(AnnouncingTriggers.tables)
            SELECT count(*) FROM (
                SELECT unnest('{\(Self.tables.joined(separator: ","))}'::name[])
                UNION SELECT relname FROM announcing
            ) AS named
            """)
        let total = Self.number(count, 0)
        tell(DatabaseChecks.tables(total))
        let others = try connection.query(
            """
            WITH RECURSIVE \(SearchPath.names), \(AnnouncingTriggers.tables)
            SELECT c.oid::regclass || ' (' || quote_ident(t.tgname) || ')'
            FROM triggers
            JOIN pg_trigger AS t ON t.oid = triggers.oid
            JOIN pg_class AS c ON c.oid = t.tgrelid
            CROSS JOIN names
            WHERE NOT triggers.is_enabled AND c.relpersistence <> 't'
                AND (c.oid IN (\(Self.tables.joined(separator: ", ")))) IS NOT TRUE
            ORDER BY 1 LIMIT \(DatabaseChecks.disabledTriggersMax + 1)
            """)
        tell(
            DatabaseChecks.otherTriggers(
                disabled: (0..<others.count).map { others.text(row: $0, column: 0) },
                areSeen: total <= DatabaseLimits.tablesMax))
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
            WITH \(SearchPath.names)
            SELECT rolname, rolsuper,
                coalesce(has_table_privilege(names.project_members, 'SELECT'), true),
                least(
                    current_setting('max_connections')::int
                        - current_setting('superuser_reserved_connections')::int
                        - coalesce(current_setting('reserved_connections', true)::int, 0)
                        - (SELECT sum(numbackends) - 1 FROM pg_stat_database),
                    CASE WHEN rolconnlimit < 0 OR rolsuper THEN 1000000
                        ELSE rolconnlimit - (SELECT count(*) FROM pg_stat_activity
                            WHERE usename = rolname AND pid <> pg_backend_pid()) END),
                coalesce(row_security_active(names.project_members), false)
            FROM names CROSS JOIN pg_catalog.pg_roles WHERE rolname = current_user
            """)
        tell(
            DatabaseChecks.role(
                DatabaseChecks.Role(
                    name: row.text(row: 0, column: 0),
                    isSuperuser: row.text(row: 0, column: 1) == "t",
                    readsMembers: row.text(row: 0, column: 2) == "t",
                    seesSomeMembers: row.text(row: 0, column: 4) == "t"),
                checksMembership: checksMembership))
        tell(
            DatabaseChecks.sessions(
                free: Self.number(row, 3), workers: workers, meetsOthers: meetsOthers))
    }

    /// What keeps changes from being announced, or cursors from going forward.
    func surroundings(
        _ connection: inout BlockingPostgresConnection, _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        let timeouts = try connection.query(
            """
            SELECT name || ' ' || reset_val || ' ' || unit FROM pg_settings
            WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout',
                    'lock_timeout', 'statement_timeout', 'transaction_timeout') AND reset_val <> '0'
            ORDER BY 1
            """)
        tell(
            DatabaseChecks.timeouts(
                (0..<timeouts.count).map { timeouts.text(row: $0, column: 0) }))
        let writer = try connection.query(
            """
            SELECT format('prepared transaction %L of %s in database %s', gid, owner, database), 't',
                extract(epoch FROM clock_timestamp() - prepared)::bigint AS age
            FROM pg_prepared_xacts
            UNION ALL
            SELECT format('process %s of %s in database %s', pid, usename, datname), 'f',
                extract(epoch FROM clock_timestamp() - xact_start)::bigint
            FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
            ORDER BY age DESC NULLS LAST LIMIT 1
            """)
        tell(
            writer.count == 0
                ? DatabaseChecks.oldestWriter(nil, isPrepared: false, seconds: nil)
                : DatabaseChecks.oldestWriter(
                    writer.text(row: 0, column: 0),
                    isPrepared: writer.text(row: 0, column: 1) == "t",
                    seconds: writer.isNull(row: 0, column: 2) ? nil : Self.number(writer, 2)))
        for hazard in try SchemaHazard.find(&connection) {
            tell(
                hazard.isRefused
                    ? .failure(hazard.subject, hazard.fact, hazard.advice)
                    : .warning(hazard.subject, hazard.fact, hazard.advice))
        }
        let forced = try connection.query(
            """
            WITH \(SearchPath.names)
            SELECT c.oid::regclass FROM names JOIN pg_class AS c ON c.oid = names.projects
            WHERE c.relrowsecurity AND c.relforcerowsecurity
            """)
        tell(
            DatabaseChecks.forcedRowSecurity(
                (0..<forced.count).map { forced.text(row: $0, column: 0) }))
        let missing = try connection.query(
            """
            WITH \(SearchPath.names)
            SELECT needed.table_name || '.' || needed.column_name
            FROM names CROSS JOIN LATERAL (VALUES
                ('projects', names.projects, 'id'),
                ('sprints', names.sprints, 'id'), ('sprints', names.sprints, 'project_id'),
                ('tasks', names.tasks, 'id'), ('tasks', names.tasks, 'project_id'),
                ('project_members', names.project_members, 'project_id'),
                ('project_members', names.project_members, 'user_id')
            ) AS needed (table_name, oid, column_name)
            WHERE needed.oid IS NOT NULL AND NOT EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = needed.oid
                    AND attname = needed.column_name AND NOT attisdropped)
            ORDER BY 1
            """)
        tell(
            DatabaseChecks.columns((0..<missing.count).map { missing.text(row: $0, column: 0) }))
    }

    /// Whether the event log is there, and what the role may do with it.
    ///
    /// - Parameter retentionSeconds: how long events are kept.
    func eventLog(
        _ connection: inout BlockingPostgresConnection, isRecorded: Bool, retentionSeconds: Int64,
        _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        // has_table_privilege gives NULL for a table that isn't there.
        let row = try connection.query(
            """
            WITH \(SearchPath.names)
            SELECT cache_events IS NOT NULL AND cache_events_horizon IS NOT NULL,
                coalesce(has_table_privilege(cache_events, 'SELECT')
                    AND has_table_privilege(cache_events_horizon, 'SELECT'), false),
                coalesce(has_table_privilege(cache_events, 'DELETE')
                    AND has_table_privilege(cache_events_horizon, 'UPDATE'), false),
                names.functions IS NULL OR EXISTS (
                    SELECT FROM pg_class AS c, pg_proc AS p
                    WHERE p.oid = names.functions
                        AND c.oid IN (cache_events, cache_events_horizon)
                        AND (c.relowner <> p.proowner OR c.relkind NOT IN ('r', 'p')
                            OR c.relnamespace <> p.pronamespace)),
                coalesce((SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
                    FROM pg_class AS c WHERE c.oid IN (cache_events, cache_events_horizon)
                        AND c.relrowsecurity), ''),
                coalesce((SELECT bool_or(row_security_active(c.oid) OR c.relforcerowsecurity)
                    FROM pg_class AS c WHERE c.oid IN (cache_events, cache_events_horizon)
                        AND c.relrowsecurity), false),
                cache_events::regclass,
                3 = (SELECT count(*) FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
                    WHERE t.tgrelid = cache_events AND t.tgenabled IN ('O', 'A')
                        AND p.proname = 'raise_cache_horizon'),
                EXISTS (SELECT FROM pg_class AS c
                    WHERE c.oid IN (cache_events, cache_events_horizon) AND c.relpersistence <> 'p'),
                EXISTS (SELECT FROM pg_class AS c
                    WHERE c.oid IN (cache_events, cache_events_horizon) AND c.relhasrules)
            FROM names
            """)
        var facts = DatabaseChecks.EventLogFacts(
            isInstalled: row.text(row: 0, column: 0) == "t",
            mayRead: row.text(row: 0, column: 1) == "t",
            mayPrune: row.text(row: 0, column: 2) == "t",
            isForeign: row.text(row: 0, column: 3) == "t")
        facts.guardedTables = row.text(row: 0, column: 4)
        facts.isHidden = row.text(row: 0, column: 5) == "t"
        facts.notesRemovals = row.text(row: 0, column: 7) == "t"
        facts.isUnlogged = row.text(row: 0, column: 8) == "t"
        facts.hasRules = row.text(row: 0, column: 9) == "t"
        if facts.isReadable {
            let oldest = try connection.query(
                """
                SELECT greatest(0, extract(epoch FROM now() - created_at) - $1::float8)::bigint
                FROM \(row.text(row: 0, column: 6)) ORDER BY xid, seq LIMIT 1
                """, [String(retentionSeconds)])
            if oldest.count > 0 { facts.overdueSeconds = Self.number(oldest, 0) }
        }
        tell(DatabaseChecks.eventLog(facts, isRecorded: isRecorded))
        guard facts.isReadable, facts.mayPrune else { return }
        try ask(&connection, "event log's statements", "run devhive-gateway migrate --again", tell)
        {
            (open: inout BlockingPostgresConnection, catalogue) throws(PostgresError) in
            try open.execute("SET LOCAL row_security = off")
            if let tableGuard = catalogue.tableGuard(of: .prune) {
                try open.pass(tableGuard)
            }
            _ = try open.query(catalogue.statement(of: .events), ["{}", "{}"])
            // It isn't run, but made ready as if it were.
            _ = try open.query(
                "EXPLAIN " + catalogue.statement(of: .prune), [String(retentionSeconds)])
        }
    }

    /// Asks what `serve` asks: the canary, which tells of the triggers' failures, and for a membership.
    func questions(
        _ connection: inout BlockingPostgresConnection, _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        var direct: EventLogState?
        try ask(&connection, "canary's statement", "run devhive-gateway migrate", tell) {
            (open: inout BlockingPostgresConnection, catalogue) throws(PostgresError) in
            let rows = try open.query(
                catalogue.statement(of: .canary),
                ["devhive_doctor_" + String(Random.word(), radix: 36), "1"])
            guard let state = DatabaseState(rows) else {
                throw PostgresError(message: "an answer of another shape")
            }
            tell(
                DatabaseChecks.announcements(
                    failures: state.triggerFailures, losses: state.triggerLosses))
            direct = state.direct
        }
        if let direct { try directMessages(direct, &connection, tell) }
        guard checksMembership else { return }
        try ask(
            &connection, "membership question",
            "the gateway's ids are UUIDs, in columns of type uuid or text, in a table that the owner"
                + " of the triggers' functions owns", tell
        ) { (open: inout BlockingPostgresConnection, catalogue) throws(PostgresError) in
            let nobody = "{00000000-0000-0000-0000-000000000000}"
            try open.pass(catalogue.members.tableGuard)
            _ = try open.query(catalogue.statement(of: .members), [nobody, nobody])
        }
    }

    /// Where there are direct messages, asks to send one from nobody to nobody, as `serve` does: what is refused
    /// is neither stored nor announced.
    private func directMessages(
        _ state: EventLogState, _ connection: inout BlockingPostgresConnection,
        _ tell: (Finding) -> Void
    ) throws(PostgresError) {
        guard state == .usable else {
            tell(DatabaseChecks.directMessages(state))
            return
        }
        try ask(
            &connection, DatabaseChecks.directSubject, "run devhive-gateway migrate --again", tell
        ) { (open: inout BlockingPostgresConnection, catalogue) throws(PostgresError) in
            let nobody = "00000000-0000-0000-0000-000000000000"
            if let tableGuard = catalogue.tableGuard(of: .directSendOne) {
                try open.pass(tableGuard)
            }
            _ = try open.query(
                catalogue.statement(of: .directSendOne),
                [nobody, nobody, nobody, "{}", "f", "1", nobody])
        }
    }

    /// Runs a question in a transaction of its own, with the statements as a session of `serve` has
    /// them. A refusal is a finding; the rest of the doctor's checks goes on.
    private func ask(
        _ connection: inout BlockingPostgresConnection, _ subject: String, _ advice: String,
        _ tell: (Finding) -> Void,
        _ question: (inout BlockingPostgresConnection, ResourceCatalogue) throws(PostgresError) ->
            Void
    ) throws(PostgresError) {
        try connection.execute("BEGIN")
        var failure: String?
        do throws(PostgresError) {
            let rows = try connection.query(ResourceCatalogue.statement)
            guard let catalogue = ResourceCatalogue(rows) else {
                throw PostgresError(message: "a catalogue of another shape")
            }
            try question(&connection, catalogue)
        } catch {
            failure = error.description
        }
        try connection.execute("ROLLBACK")
        tell(DatabaseChecks.question(subject, failure: failure, advice: advice))
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
        try pinPath(&notifier)
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
