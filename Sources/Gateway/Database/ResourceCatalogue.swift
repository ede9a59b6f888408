internal import Reactor

/// Which tables announce their changes, and which tables the other statements are to use: asked of
/// PostgreSQL's own catalogue, so that a table that gets the trigger later is known without a change
/// here, and one that somebody has put in another's place isn't believed.
struct ResourceCatalogue: Equatable, Sendable {
    private(set) var tables = AnnouncedTables()
    /// Where the triggers' functions are, with a dot behind; empty when they aren't found.
    private(set) var schema = ""
    /// The oid of the triggers' function; 0 when it isn't found. Another that is made in its place has another.
    private(set) var functions: UInt32 = 0
    /// The role that they belong to; empty when they aren't found.
    private(set) var functionsOwner = ""
    private(set) var members = MembersTable()
    /// Why memberships can't be asked for, as the end of a sentence about `project_members`.
    private(set) var membersFault: String?

    /// Rows: a table, a hash of its mark if it announces, and in every row what there is once: the functions'
    /// schema, `project_members` with its schema, what is wrong with that, the types of its columns, the latest
    /// transaction that made or switched a trigger, or put a table in its place, and how many rows there would be
    /// without a limit.
    ///
    /// It also has the bytes of a SQL_ASCII database sent as they are: PostgreSQL would refuse those
    /// that aren't UTF-8.
    ///
    /// The triggers' function is the one on the search_path that the session was given, by its oid, and only while
    /// it belongs to the owner of `projects`, or is run by a trigger of that table: nobody else could make that.
    /// Clients know tables by their names alone, so a name announces when all tables do that announce under it, in
    /// whichever schema; one of the seed's four has to be among them. relname has type name, which sorts by
    /// bytes. A type of text that isn't PostgreSQL's own is compared as text: its own operators aren't on the
    /// pinned path.
    static let statement = """
        WITH RECURSIVE settings AS MATERIALIZED (
            SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) AS value
            WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'
        ), \(SearchPath.names), \(AnnouncingTriggers.tables), seed AS (
            SELECT wanted.name::name, wanted.oid
            FROM names CROSS JOIN LATERAL (VALUES \(seedRows)) AS wanted (name, oid)
        ), named AS (
            SELECT seed.name, 0 AS rank, (
                SELECT CASE WHEN pg_catalog.bool_and(announces)
                        AND pg_catalog.bool_or(announcing.oid = seed.oid)
                    THEN pg_catalog.string_agg(mark, ' ' ORDER BY announcing.oid) END
                FROM announcing
                WHERE announcing.oid = seed.oid OR announcing.relname = seed.name
            ) AS mark
            FROM seed
            UNION ALL
            SELECT relname, 1, CASE WHEN pg_catalog.bool_and(announces)
                THEN pg_catalog.string_agg(mark, ' ' ORDER BY oid) END
            FROM announcing
            WHERE NOT EXISTS (SELECT FROM seed WHERE seed.name = announcing.relname)
            GROUP BY relname
        ), member_table AS (
            SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
                \(MembersTable.fault(functions: "(SELECT oid FROM functions)")) AS fault
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            JOIN names ON names.project_members = c.oid
        ), types AS (
            SELECT a.attname, a.atttypid AS declared, a.atttypid AS base, 0 AS depth
            FROM pg_catalog.pg_attribute AS a
            JOIN member_table ON member_table.oid = a.attrelid
            WHERE a.attname IN ('project_id', 'user_id') AND NOT a.attisdropped
            UNION ALL
            SELECT types.attname, types.declared, t.typbasetype, types.depth + 1
            FROM types JOIN pg_catalog.pg_type AS t ON t.oid = types.base
            WHERE t.typtype = 'd'
        ), forms AS (
            SELECT DISTINCT ON (types.attname) types.attname,
                CASE
                    WHEN types.base = 'pg_catalog.uuid'::pg_catalog.regtype THEN 'uuid'
                    WHEN t.typcategory = 'S' AND n.nspname = 'pg_catalog'
                        THEN pg_catalog.format('pg_catalog.%I', t.typname)
                    WHEN t.typcategory = 'S' THEN 'text'
                    ELSE ' ' || pg_catalog.format_type(types.declared, NULL)
                END AS form
            FROM types
            JOIN pg_catalog.pg_type AS t ON t.oid = types.base
            JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
            ORDER BY types.attname, types.depth DESC
        )
        SELECT named.name, pg_catalog.hashtextextended(named.mark COLLATE "C", 0),
            (SELECT pg_catalog.format('%I.', nspname) FROM functions),
            member_table.name, member_table.fault,
            (SELECT form FROM forms WHERE attname = 'project_id'),
            (SELECT form FROM forms WHERE attname = 'user_id'),
            pg_catalog.has_table_privilege(member_table.oid, 'SELECT'),
            (SELECT pg_catalog.count(value) FROM settings),
            (SELECT oid FROM functions), (SELECT owner FROM functions),
            (SELECT pg_catalog.max(switched) FROM announcing WHERE announces),
            (SELECT pg_catalog.count(*) FROM named)
        FROM named LEFT JOIN member_table ON true
        ORDER BY named.rank, named.name
        LIMIT \(DatabaseLimits.tablesMax)
        """

    private static let seed = ["project_members", "projects", "sprints", "tasks"]
    private static let seedRows = seed.map { "('\($0)', names.\($0))" }.joined(separator: ", ")

    init() {}

    /// `nil` when the rows have another shape. The limits hold again here, whoever plays the server.
    init?(_ rows: borrowing PostgresRows) {
        guard rows.columnCount == 13, rows.count > 0 else { return nil }
        tables = AnnouncedTables(
            switched: Cursor(rows.bytes(row: 0, column: 11)),
            total: Int(rows.text(row: 0, column: 12)) ?? 0)
        for row in 0..<min(rows.count, DatabaseLimits.tablesMax) {
            let length = rows.bytes(row: row, column: 0).count
            guard length > 0, length <= DatabaseLimits.resourceNameBytesMax else { continue }
            let mark = rows.text(row: row, column: 1)
            tables.add(rows.text(row: row, column: 0), mark: mark.isEmpty ? nil : mark)
        }
        schema = rows.text(row: 0, column: 2)
        functions = UInt32(rows.text(row: 0, column: 9)) ?? 0
        functionsOwner = rows.text(row: 0, column: 10)
        members = MembersTable(
            name: rows.text(row: 0, column: 3), fault: rows.text(row: 0, column: 4),
            project: rows.text(row: 0, column: 5), user: rows.text(row: 0, column: 6),
            functions: functions)
        if members.name.isEmpty {
            membersFault = "is not there"
        } else if !members.fault.isEmpty {
            membersFault = members.fault
        } else if !rows.bytes(row: 0, column: 7).isEqual(to: "t") {
            membersFault = "may not be read by this role"
        }
    }

    /// The functions aren't those that were found before, which were another role's: nothing is theirs.
    mutating func distrustFunctions(since owner: String) {
        let fault =
            "can't be told from a table of somebody else's: notify_cache_invalidation() belonged to"
            + " \(owner), and belongs to \(functionsOwner); start the gateway again if that is right"
        functions = 0
        functionsOwner = ""
        schema = ""
        members = MembersTable(name: members.name, fault: fault)
        membersFault = fault
    }

    /// What is to be sent ahead of a statement, in the same transaction; `nil` for those that ask PostgreSQL's
    /// own tables alone.
    func tableGuard(of query: DatabaseQuery) -> TableGuard? {
        switch query {
        case .path, .resources, .canary: nil
        case .members: members.tableGuard
        case .events: guarding(["cache_events", "cache_events_horizon"], .read)
        case .prune: guarding(["cache_events", "cache_events_horizon"], .write)
        case .expire: guarding(["cache_events_horizon"], .write)
        // The function locks the tables and looks whose they are. To do both twice took longer than all the rest
        // that a send has beyond a bare INSERT.
        case .directSend, .directSendOne: guarding([], .write, calling: DirectQueries.sendKey)
        case .directAck, .directPrune: guarding([DirectQueries.table], .write)
        case .directRead, .directInbox: guarding([DirectQueries.table], .read)
        }
    }

    private func guarding(
        _ tables: [String], _ access: TableGuard.Access,
        calling function: (name: String, types: String)? = nil
    ) -> TableGuard {
        TableGuard(tables, in: schema, access, functions: functions, calling: function)
    }

    /// What is sent for a statement.
    func texts(of query: DatabaseQuery) -> PreparedStatements.Texts {
        let tableGuard = tableGuard(of: query)
        let settings =
            query.keepsPlan ? "" : ", set_config('plan_cache_mode', 'force_custom_plan', true)"
        return PreparedStatements.Texts(
            statement: statement(of: query), lock: tableGuard?.lock,
            check: tableGuard.map { $0.check + settings })
    }

    /// The text of a statement, with the names that were found.
    func statement(of query: DatabaseQuery) -> String {
        switch query {
        case .path: SearchPath.pinForQueries
        case .resources: Self.statement
        case .members: members.statement
        case .canary: CanaryQuery.statement(in: schema, members: members.name)
        case .events: EventsQuery.statement(in: schema)
        case .prune: PruneQuery.statement(in: schema)
        case .expire: ExpiryQuery.statement(in: schema)
        case .directSend: DirectQueries.send(in: schema)
        case .directSendOne: DirectQueries.sendOne(in: schema)
        case .directAck: DirectQueries.acknowledge(in: schema)
        case .directRead: DirectQueries.read(in: schema)
        case .directInbox: DirectQueries.inbox(in: schema)
        case .directPrune: DirectQueries.prune(in: schema)
        }
    }
}
