package import Reactor

/// Applies the numbered SQL files, each in one transaction together with its record in
/// `devhive_migrations`. For the command `migrate`: it blocks.
///
/// The files are idempotent, so a file whose content changed since it was recorded, or that psql
/// applied without a record, is simply applied (again).
///
/// It gives way to writers: before a file is applied all the locks that ours need are taken, and when
/// one isn't to be had at once, all are let go and tried for again. So nobody waits for a migration
/// that itself waits, and no deadlock is solved at the cost of a writer.
package struct Migrator: ~Copyable {
    /// How long a lock is waited for, and so, at most four times, a writer for us. Less than the second
    /// after which PostgreSQL looks for deadlocks: whoever is in one with us lives on.
    static let lockMilliseconds = 200
    /// How long locks are tried for.
    package static let patienceSeconds: UInt64 = 60

    package enum Outcome: Equatable, Sendable {
        case applied
        /// Its content differs from what was recorded.
        case appliedAgain
        /// It was recorded as it is, and applied because that was asked for.
        case repeated
        case alreadyThere
    }

    /// What to do, and how.
    package struct Wish: Equatable, Sendable {
        /// The name of a file that is neither applied nor reported.
        package var leavesOut: String?
        /// Also what is recorded is applied, which brings back what was dropped since.
        package var again = false
        /// Nothing is applied: it is only reported what would be.
        package var isDry = false
        package var patienceSeconds = Migrator.patienceSeconds

        package init() {}
    }

    private var connection: BlockingPostgresConnection
    /// The search_path that the session was given: the files are read with it, and nothing else.
    private var givenPath = ""

    package init(target: ConnectionString) throws(MigrationFailure) {
        do {
            connection = try BlockingPostgresConnection(target)
        } catch {
            throw .connection(error)
        }
    }

    /// The file that installs the event log, which not everybody wants.
    package static let eventLogFile = "005_add_event_log.sql"

    /// Applies what isn't recorded, in the order given, and reports each file. Stops at the
    /// first that fails; those before it stay applied.
    ///
    /// - Parameter warn: hears what an operator should know, before anything is changed or behind all.
    package mutating func run(
        _ files: [MigrationFile], _ wish: Wish = Wish(), warn: (String) -> Void = { _ in },
        report: (String, Outcome) -> Void
    ) throws(MigrationFailure) {
        let files = files.filter { $0.name != wish.leavesOut }
        let hazards = try look()
        let plans = wish.isDry ? try plans(files, wish) : []
        let applies = plans.contains { $0.outcome != .alreadyThere }
        let refused = hazards.first { $0.isRefused || $0.isRefusedByFiles && applies }
        for hazard in hazards where hazard != refused && (wish.isDry || !hazard.isRefused) {
            warn("\(hazard.subject): \(hazard.fact); \(hazard.advice)")
        }
        if let refused { throw .refused(refused) }
        guard !wish.isDry else {
            for plan in plans { report(plan.name, plan.outcome) }
            return
        }
        try withPatience(wish) { (migrator: inout Migrator) throws(MigrationFailure) in
            try migrator.prepare()
        }
        for file in files {
            let outcome = try withPatience(wish) {
                (migrator: inout Migrator) throws(MigrationFailure) in
                try migrator.apply(file, wish)
            }
            report(file.name, outcome)
        }
        try tryStatements(warn)
    }

    // MARK: Before and behind

    private mutating func look() throws(MigrationFailure) -> [SchemaHazard] {
        do {
            givenPath = try connection.pinSettings()
            try connection.execute("SET statement_timeout = 0")
            return try SchemaHazard.find(&connection)
        } catch {
            throw .connection(error)
        }
    }

    /// Tries what `serve` will ask of what the migrations made or found.
    private mutating func tryStatements(_ warn: (String) -> Void) throws(MigrationFailure) {
        do {
            let found = try connection.query(ResourceCatalogue.statement)
            guard let catalogue = ResourceCatalogue(found) else { return }
            guard !catalogue.members.name.isEmpty else { return }
            if let fault = catalogue.membersFault {
                warn(
                    "project_members \(fault): nobody's membership can be checked"
                )
                return
            }
            try connection.execute("BEGIN")
            defer { rollBack() }
            try connection.pass(catalogue.members.tableGuard)
            _ = try connection.query(catalogue.members.statement, ["{}", "{}"])
        } catch {
            warn("memberships can't be checked: \(error)")
        }
    }

    private mutating func plans(_ files: [MigrationFile], _ wish: Wish) throws(MigrationFailure)
        -> [(name: String, outcome: Outcome)]
    {
        var plans: [(name: String, outcome: Outcome)] = []
        for file in files { plans.append((file.name, try plan(file, wish))) }
        return plans
    }

    private mutating func plan(_ file: MigrationFile, _ wish: Wish) throws(MigrationFailure)
        -> Outcome
    {
        do {
            guard let record = try record() else { return .applied }
            try refuseForeignRecord()
            return try state(of: file, wish, in: record)
        } catch {
            throw .record(error)
        }
    }

    // MARK: Transactions

    /// Runs `body` again, after half a second to one and a half, as long as locks aren't to be had.
    private mutating func withPatience<Result>(
        _ wish: Wish, _ body: (inout Migrator) throws(MigrationFailure) -> Result
    ) throws(MigrationFailure) -> Result {
        let began = Clock.monotonic()
        while true {
            do throws(MigrationFailure) {
                return try body(&self)
            } catch {
                guard error.isAboutLocks else { throw error }
                let waited = Clock.monotonic().nanoseconds(since: began) / 1_000_000_000
                guard waited < wish.patienceSeconds else {
                    throw .busy(error.description, holders: holders())
                }
            }
            do {
                _ = try connection.query("SELECT pg_sleep(0.5 + random())")
            } catch {
                throw .connection(error)
            }
        }
    }

    /// Who holds locks on our tables, in words.
    private mutating func holders() -> [String] {
        do {
            let rows = try connection.query(
                """
                WITH \(SearchPath.names)
                SELECT DISTINCT format('process %s (%s) on %s since %s', l.pid,
                    coalesce(nullif(a.application_name, ''), a.backend_type, 'prepared'),
                    l.relation::regclass, coalesce(a.xact_start::text, 'unknown'))
                FROM names CROSS JOIN pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
                WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
                    AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND l.relation IN (\(Self.tables.map { "names.\($0)" }
                        .joined(separator: ", ")))
                ORDER BY 1 LIMIT 5
                """)
            return (0..<rows.count).map { rows.text(row: $0, column: 0) }
        } catch {
            return []  // What failed before is what matters.
        }
    }

    private mutating func prepare() throws(MigrationFailure) {
        do throws(PostgresError) {
            try begin()
            let names = try connection.query(
                "WITH \(SearchPath.names) SELECT quote_ident(schema) FROM names")
            let schema = names.text(row: 0, column: 0)
            guard !schema.isEmpty else {
                throw PostgresError(
                    sqlstate: "3F000", message: "no schema has been selected to create in")
            }
            try connection.execute(
                """
                CREATE TABLE IF NOT EXISTS \(schema).devhive_migrations (
                    name text PRIMARY KEY,
                    checksum text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                );
                COMMIT
                """)
        } catch {
            rollBack()
            guard error.isAboutTheSameName, isRecordThere() else { throw .record(error) }
        }
    }

    private mutating func isRecordThere() -> Bool {
        do {
            return try record() != nil
        } catch {
            return false  // What failed before is what matters.
        }
    }

    private mutating func apply(_ file: MigrationFile, _ wish: Wish) throws(MigrationFailure)
        -> Outcome
    {
        let outcome: Outcome
        let place: String
        do throws(PostgresError) {
            try begin()
            guard let record = try record() else { throw PostgresError(message: "it is gone") }
            place = record
            // It keeps two migrators apart; who doesn't own the table can't take it.
            try connection.execute("LOCK TABLE \(record) IN SHARE ROW EXCLUSIVE MODE")
            try refuseForeignRecord()
            outcome = try state(of: file, wish, in: record)
        } catch {
            rollBack()
            throw .record(error)
        }
        do {
            if outcome != .alreadyThere {
                try lockTables()
                try execute(file, recordedIn: place)
            }
            try connection.execute("COMMIT")
            return outcome
        } catch {
            rollBack()
            throw error.failure(in: file.name, file.text)
        }
    }

    /// Only a superuser may have PostgreSQL look for deadlocks earlier: that is also when an autovacuum
    /// that is in the way is ended.
    private mutating func begin() throws(PostgresError) {
        try connection.execute(
            """
            BEGIN;
            SET LOCAL lock_timeout = \(Self.lockMilliseconds);
            SELECT set_config('deadlock_timeout', '\(Self.lockMilliseconds / 2)', true)
            WHERE current_setting('is_superuser') = 'on'
            """)
    }

    /// The tables whose locks our files need, in the order in which they take them.
    private static let tables = [
        "projects", "sprints", "tasks", "project_members", "cache_events", "cache_events_horizon",
    ]

    private mutating func lockTables() throws(PostgresError) {
        let rows = try connection.query(
            """
            WITH \(SearchPath.names)
            SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ' ORDER BY wanted.place)
            FROM names CROSS JOIN LATERAL
                unnest(ARRAY[\(Self.tables.map { "names.\($0)" }.joined(separator: ", "))])
                WITH ORDINALITY AS wanted (oid, place)
            JOIN pg_class AS c ON c.oid = wanted.oid
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'UPDATE')
            """)
        let names = rows.text(row: 0, column: 0)
        guard !names.isEmpty else { return }
        try connection.execute("LOCK TABLE \(names) IN SHARE ROW EXCLUSIVE MODE")
    }

    /// The table of records with its schema, quoted; `nil` when there is none.
    private mutating func record() throws(PostgresError) -> String? {
        let rows = try connection.query(
            """
            WITH \(SearchPath.names)
            SELECT format('%I.%I', n.nspname, c.relname) FROM names
            JOIN pg_class AS c ON c.oid = names.devhive_migrations
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            """)
        return rows.count == 1 ? rows.text(row: 0, column: 0) : nil
    }

    /// A table that somebody else made in this one's place would run code of his with our rights when
    /// it is written to. That of the tables' owner, made when he migrated, is as it was made.
    private mutating func refuseForeignRecord() throws(PostgresError) {
        let rows = try connection.query(
            """
            WITH \(SearchPath.names)
            SELECT r.rolname, r.rolname = current_user OR r.rolsuper
                OR c.relkind = 'r' AND c.relowner =
                        (SELECT relowner FROM pg_class WHERE oid = names.projects)
                    AND NOT c.relhasrules AND NOT c.relhastriggers AND NOT c.relrowsecurity
                    AND c.relchecks = 0 AND c.relnatts = 3
                    AND (SELECT count(*) = 1 AND bool_and(indexprs IS NULL AND indpred IS NULL)
                        FROM pg_index WHERE indrelid = c.oid)
                    AND NOT EXISTS (
                        SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
                            AND (a.atttypid NOT IN ('text'::regtype, 'timestamptz'::regtype)
                                OR a.attgenerated <> ''))
            FROM names JOIN pg_class AS c ON c.oid = names.devhive_migrations
            JOIN pg_roles AS r ON r.oid = c.relowner
            """)
        guard rows.count == 1, rows.text(row: 0, column: 1) == "t" else {
            let owner = rows.count == 1 ? rows.text(row: 0, column: 0) : "nobody"
            throw PostgresError(
                message: "it belongs to \(owner): find out who made it, then drop it")
        }
    }

    /// Compares with the record. PostgreSQL computes the checksum, here and when recording.
    private mutating func state(
        of file: MigrationFile, _ wish: Wish, in record: String
    ) throws(PostgresError) -> Outcome {
        let rows = try connection.query(
            """
            SELECT checksum = encode(sha256(convert_to($2, 'UTF8')), 'hex')
            FROM \(record) WHERE name = $1
            """, [file.name, file.text])
        guard rows.count > 0 else { return .applied }
        guard rows.text(row: 0, column: 0) == "t" else { return .appliedAgain }
        return wish.again ? .repeated : .alreadyThere
    }

    /// The savepoint proves that the file left the transaction alone: a COMMIT or ROLLBACK in it
    /// would have ended the savepoint.
    private mutating func execute(
        _ file: MigrationFile, recordedIn record: String
    ) throws(PostgresError) {
        try connection.execute(SearchPath.unpin)
        try connection.execute("SAVEPOINT devhive_migration")
        try connection.execute(file.text)
        do {
            try connection.execute("RELEASE SAVEPOINT devhive_migration")
        } catch {
            throw PostgresError(
                sqlstate: error.sqlstate,
                message: "the file begins or ends a transaction of its own; migrate does that")
        }
        _ = try connection.query(SearchPath.pinAgain, [givenPath])
        _ = try connection.query(
            """
            INSERT INTO \(record) (name, checksum, applied_at)
            VALUES ($1, encode(sha256(convert_to($2, 'UTF8')), 'hex'), now())
            ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now()
            RETURNING name
            """, [file.name, file.text])
        try handOver(record)
    }

    /// What a superuser has made belongs to the owner of the tables, as what the files make does: else that role could
    /// not migrate any more.
    private mutating func handOver(_ record: String) throws(PostgresError) {
        let rows = try connection.query(
            """
            WITH \(SearchPath.names)
            SELECT quote_ident(owner.rolname) FROM names
            JOIN pg_class AS c ON c.oid = names.devhive_migrations
            JOIN pg_roles AS r ON r.oid = c.relowner
            JOIN pg_class AS p ON p.oid = names.projects
            JOIN pg_roles AS owner ON owner.oid = p.relowner
            WHERE current_setting('is_superuser') = 'on' AND r.rolsuper AND NOT owner.rolsuper
            """)
        guard rows.count == 1 else { return }
        try connection.execute("ALTER TABLE \(record) OWNER TO \(rows.text(row: 0, column: 0))")
    }

    /// After a failure, whose error matters more than one from here.
    private mutating func rollBack() {
        do {
            try connection.execute("ROLLBACK")
        } catch {
            // The connection is gone; the server rolls back by itself.
        }
    }
}
