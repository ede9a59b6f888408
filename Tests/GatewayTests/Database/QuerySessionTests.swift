import Gateway
import Reactor
import Testing

@Suite struct QuerySessionBehaviour {
    private let server: PrivatePostgres

    init() throws {
        server = try PrivatePostgres.shared.get()
    }

    @Test func `names the seed's tables in a database without our triggers, and is live`() throws {
        var clock = TestClock()
        let session = try liveSession(try server.makeDatabase(), &clock)
        let resources = session.resources
        #expect(resources == Self.seed)
        let silent = session.tables.silent
        #expect(silent == Self.seed)
        let isLive = session.isLive
        #expect(isLive)
    }

    @Test func `lists the seed's tables, then others with an enabled trigger, sorted`() throws {
        let url = try server.makeDatabase()
        try server.execute(
            Self.function + """
                CREATE SCHEMA other;
                CREATE TABLE tasks (id int); CREATE TABLE projects (id int);
                CREATE TABLE off (id int); CREATE TABLE plain (id int);
                CREATE TABLE foreign_function (id int); CREATE TABLE other."Sprints" (id int);
                CREATE TABLE other.tasks (id int);
                CREATE FUNCTION unrelated() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                CREATE TRIGGER u AFTER INSERT ON foreign_function EXECUTE FUNCTION unrelated();
                """
                + ["tasks", "projects", "off", "other.\"Sprints\"", "other.tasks"].map {
                    """
                    CREATE TRIGGER a AFTER INSERT ON \($0) FOR EACH ROW
                        EXECUTE FUNCTION notify_cache_invalidation();
                    CREATE TRIGGER b AFTER TRUNCATE ON \($0)
                        EXECUTE FUNCTION notify_cache_invalidation();
                    """
                }.joined() + "ALTER TABLE off DISABLE TRIGGER ALL;", on: url)
        var clock = TestClock()
        let session = try liveSession(url, &clock)
        let resources = session.resources
        #expect(resources == Self.seed + ["Sprints", "off"])
        let silent = session.tables.silent
        #expect(silent == ["project_members", "sprints", "off"])
    }

    /// Partitioned, at two levels, with one partition from after the trigger was made.
    private static let partitioned =
        function + table("tasks") + """
            CREATE TABLE docs (id int, kind int) PARTITION BY LIST (kind);
            CREATE TABLE docs_1 PARTITION OF docs FOR VALUES IN (1) PARTITION BY LIST (kind);
            CREATE TABLE docs_11 PARTITION OF docs_1 FOR VALUES IN (1);
            CREATE TRIGGER t AFTER INSERT ON docs FOR EACH ROW
                EXECUTE FUNCTION notify_cache_invalidation();
            CREATE TABLE docs_2 PARTITION OF docs FOR VALUES IN (2);
            """

    /// Statements, one after the other, and the tables that announce again behind each.
    private static let changes: [(String, [String])] = [
        ("CREATE TABLE docs_3 PARTITION OF docs FOR VALUES IN (3)", []),
        ("CREATE TABLE docs_12 (LIKE docs)", []),
        ("ALTER TABLE docs_1 ATTACH PARTITION docs_12 DEFAULT", []),
        ("ALTER TABLE docs DETACH PARTITION docs_1", []),
        ("ALTER TABLE docs ATTACH PARTITION docs_1 FOR VALUES IN (1)", []),
        ("ALTER TABLE docs DETACH PARTITION docs_3 CONCURRENTLY", []),
        ("DROP TABLE docs_3", []),
        ("ALTER TABLE docs_2 RENAME TO docs_two", []),
        ("ALTER TABLE docs ADD COLUMN title text", []),
        ("CREATE INDEX ON docs (title)", []),
        ("ALTER TABLE tasks ALTER id TYPE bigint, ADD PRIMARY KEY (id)", []),
        ("CLUSTER tasks USING tasks_pkey", []),
        ("TRUNCATE docs, tasks", []),
        ("VACUUM FULL", []),
        ("CREATE TYPE _tasks AS (id int)", []),
        ("GRANT SELECT ON tasks TO PUBLIC", []),
        ("ALTER TABLE docs_two DISABLE TRIGGER t", []),
        ("ALTER TABLE docs_two ENABLE TRIGGER t", ["docs"]),
        (
            "ALTER TABLE docs_11 DISABLE TRIGGER ALL; ALTER TABLE docs_11 ENABLE TRIGGER USER",
            ["docs"]
        ),
        (
            "ALTER TABLE docs_1 DISABLE TRIGGER USER; ALTER TABLE docs_1 ENABLE TRIGGER ALL",
            ["docs"]
        ),
        ("ALTER TABLE docs DISABLE TRIGGER t; ALTER TABLE docs ENABLE TRIGGER t", ["docs"]),
        (
            "ALTER TABLE ONLY docs DISABLE TRIGGER t; ALTER TABLE ONLY docs ENABLE TRIGGER t",
            ["docs"]
        ),
        (
            "CREATE OR REPLACE TRIGGER t AFTER INSERT ON docs FOR EACH ROW"
                + " EXECUTE FUNCTION notify_cache_invalidation()", ["docs"]
        ),
        ("ALTER TRIGGER t ON docs RENAME TO u", ["docs"]),
        ("CREATE TABLE docs_4 PARTITION OF docs FOR VALUES IN (4)", []),
        ("DROP TABLE docs_two, docs_4", []),
        ("ALTER TABLE tasks RENAME TO other; ALTER TABLE other RENAME TO tasks", ["tasks"]),
        (
            "CREATE SCHEMA aside; ALTER TABLE tasks SET SCHEMA aside;"
                + " ALTER TABLE aside.tasks SET SCHEMA public", ["tasks"]
        ),
        (table("notes"), ["notes"]),
    ]

    @Test func `what may have been unheard is told from what wasn't switched`() throws {
        let url = try server.makeDatabase()
        try server.execute(Self.partitioned, on: url)
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        for (statement, expected) in Self.changes {
            let earlier = session.tables
            try server.execute(statement, on: url)
            _ = session.refreshResources(clock.now)
            _ = nextEvent(&session, &clock)
            let returned = session.tables.returned(since: earlier)
            #expect(returned == expected, "\(statement)")
            let switched = session.tables.switched
            #expect((switched != earlier.switched) == !expected.isEmpty, "\(statement)")
        }
        let silent = session.tables.silent
        #expect(silent == ["project_members", "projects", "sprints"])
    }

    @Test(arguments: [
        ("ALTER TABLE docs_2 DISABLE TRIGGER t", "docs"),
        ("ALTER TABLE docs_11 DISABLE TRIGGER t", "docs"),
        ("ALTER TABLE docs_1 DISABLE TRIGGER t", "docs"),
        ("ALTER TABLE docs DISABLE TRIGGER t", "docs"),
        ("ALTER TABLE ONLY docs DISABLE TRIGGER t", "docs"),
        ("ALTER TABLE docs_2 ENABLE REPLICA TRIGGER t", "docs"),
        ("ALTER TABLE tasks DISABLE TRIGGER truncation", "tasks"),
        ("ALTER TABLE tasks DISABLE TRIGGER cascade", "tasks"),
        ("DROP TRIGGER truncation ON tasks", "tasks"),
    ])
    func `a table with one trigger out of force is silent`(_ statement: String, _ table: String)
        throws
    {
        let url = try server.makeDatabase()
        try server.execute(
            Self.partitioned
                + ["notify_cache_truncation", "note_cache_cascade"].map {
                    Self.function.replacing("notify_cache_invalidation", with: $0)
                }.joined() + """
                    CREATE TRIGGER truncation BEFORE TRUNCATE ON tasks
                        EXECUTE FUNCTION notify_cache_truncation();
                    CREATE TRIGGER cascade BEFORE INSERT ON tasks EXECUTE FUNCTION note_cache_cascade();
                    """, on: url)
        var clock = TestClock()
        let before = try liveSession(url, &clock).tables.silent
        #expect(before == ["project_members", "projects", "sprints"])
        try server.execute(statement, on: url)
        let session = try liveSession(url, &clock)
        let silent = session.tables.silent
        #expect(silent == before + [table])
    }

    /// Whoever may make functions in that schema could have nobody resume.
    @Test func `a trigger for TRUNCATE isn't missed where its function is somebody else's`() throws
    {
        let url = try server.makeDatabase()
        try server.execute(
            Self.function + Self.table("tasks")
                + Self.function.replacing(
                    "notify_cache_invalidation", with: "notify_cache_truncation")
                + "ALTER FUNCTION notify_cache_truncation() OWNER TO \(PrivatePostgres.passwordRole)",
            on: url)
        var clock = TestClock()
        let session = try liveSession(url, &clock)
        let silent = session.tables.silent
        #expect(silent == ["project_members", "projects", "sprints"])
    }

    /// Any role could push the real tables out of the list.
    @Test func `temporary tables and functions of the same name are not listed`() throws {
        let url = try server.makeDatabase()
        let tables = (0..<70).map { number in
            """
            CREATE TABLE other.a\(number) (id int);
            CREATE TRIGGER t AFTER INSERT ON other.a\(number) FOR EACH ROW
                EXECUTE FUNCTION other.notify_cache_invalidation();
            """
        }
        try server.execute(
            Self.function + Self.table("tasks") + Self.table("notes") + "CREATE SCHEMA other;"
                + Self.function.replacing("FUNCTION ", with: "FUNCTION other.")
                + tables.joined(), on: url)
        var maker = try BlockingPostgresConnection(ConnectionString(url))
        try maker.execute(
            "CREATE TEMP TABLE aa (id int); CREATE TRIGGER t AFTER INSERT ON aa FOR EACH ROW"
                + " EXECUTE FUNCTION public.notify_cache_invalidation()")
        var clock = TestClock()
        let session = try liveSession(url, &clock)
        let resources = session.resources
        #expect(resources == Self.seed + ["notes"])
        _ = maker.serverProcessID  // Until here the temporary table is there.
    }

    @Test(arguments: [
        ("uuid", true), ("text", true), ("varchar(36)", true), ("char(40)", true),
        ("bigint", false), ("an_id", true), ("a_number", false),
    ])
    func `memberships are compared in the type of their columns`(_ type: String, _ holds: Bool)
        throws
    {
        let url = try server.makeDatabase()
        try server.execute(
            Self.function + "CREATE DOMAIN an_id AS varchar(50) CHECK (length(value) > 3);"
                + "CREATE DOMAIN a_number AS integer;"
                + "CREATE TABLE project_members (project_id \(type), user_id \(type))", on: url)
        var clock = TestClock()
        let session = try liveSession(url, &clock)
        let fault = session.membersFault
        #expect((fault == nil) == holds)
        let name = type == "a_number" ? "public.a_number" : type
        if !holds { #expect(fault == "has project_id of type \(name), which holds no UUID") }
    }

    @Test(arguments: [
        ("CREATE VIEW project_members AS SELECT 1 AS project_id", "is no table"),
        ("SELECT 1", "is not there"),
        (
            "CREATE TABLE project_members (project_id uuid, user_id uuid)",
            "can't be told from a table of somebody else's: there is no notify_cache_invalidation()"
                + " of the owner of projects"
        ),
    ])
    func `why the members can't be asked for is known before somebody does`(
        _ statement: String, _ reason: String
    ) throws {
        let url = try server.makeDatabase()
        try server.execute(statement, on: url)
        var clock = TestClock()
        let session = try liveSession(url, &clock)
        let fault = session.membersFault
        #expect(fault == reason)
    }

    @Test func `a role without rights to the members is known before somebody asks`() throws {
        let url = try server.makeDatabase()
        try server.execute(
            Self.function + "CREATE TABLE project_members (project_id uuid, user_id uuid)", on: url)
        let guarded =
            "\(url) user=\(PrivatePostgres.passwordRole) password=\(PrivatePostgres.password)"
        var clock = TestClock()
        let session = try liveSession(guarded, &clock)
        let fault = session.membersFault
        #expect(fault == "may not be read by this role")
    }

    @Test func `reads the list again when asked to, and every 60 s`() throws {
        let url = try server.makeDatabase()
        // Without it the catalogue is looked at more often.
        try server.execute(
            Self.function + "CREATE TABLE project_members (project_id uuid, user_id uuid)", on: url)
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        let asked = session.refreshResources(clock.now)
        #expect(asked == .none)
        let same = nextEvent(&session, &clock)
        #expect(same == .resources(changed: false))

        try server.execute(Self.table("notes"), on: url)
        let next = session.deadline
        let deadline = try #require(next)
        #expect(deadline == clock.now.advanced(byMilliseconds: 60_000))
        clock.now = deadline
        let due = session.timer(clock.now)
        #expect(due == .none)
        let changed = nextEvent(&session, &clock)
        #expect(changed == .resources(changed: true))
        let resources = session.resources
        #expect(resources == Self.seed + ["notes"])
    }

    @Test func `asks at most twice at once, however often it is told to`() throws {
        var clock = TestClock()
        var session = try liveSession(try server.makeDatabase(), &clock)
        for _ in 0..<1_000 {
            let event = session.refreshResources(clock.now)
            #expect(event == .none)
        }
        let first = nextEvent(&session, &clock)
        #expect(first == .resources(changed: false))
    }

    @Test(arguments: [251, 252, 253])
    func `looks at 256 tables at most, and says how many there are`(_ count: Int) throws {
        let url = try server.makeDatabase()
        let tables = (0..<count).map { Self.table("t\($0)") }.joined()
        try server.execute(Self.function + tables, on: url)
        var clock = TestClock()
        let session = try liveSession(url, &clock)
        let resources = session.resources
        #expect(resources.count == min(count + 4, 256))
        let total = session.tables.total
        #expect(total == count + 4)
    }

    @Test func `keeps the list while the connection is lost and comes back`() throws {
        let url = try server.makeDatabase()
        try server.execute(Self.function + Self.table("tasks"), on: url)
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try server.execute(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """, on: url)
        let lost = nextEvent(&session, &clock)
        guard case .lost(.closed(let error)) = lost else {
            Issue.record("\(String(describing: lost))")
            return
        }
        #expect(error.sqlstate == "57P01")
        let resources = session.resources
        #expect(resources == Self.seed)
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
        let still = session.resources
        #expect(still == Self.seed)
    }

    @Test func `gives the connection up when an answer takes over 5 s`() throws {
        let url = try server.makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        // The catalogue is locked by someone else, who stays connected.
        var blocker = try BlockingPostgresConnection(ConnectionString(url))
        try blocker.execute("BEGIN; LOCK TABLE pg_catalog.pg_trigger IN ACCESS EXCLUSIVE MODE")
        _ = session.refreshResources(clock.now)
        clock.advance(seconds: 4.999)
        let early = session.timer(clock.now)
        #expect(early == .none)
        clock.advance(seconds: 0.001)
        let late = session.timer(clock.now)
        #expect(late == .lost(.answerTimeout))
        try blocker.execute("ROLLBACK")
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
    }

    @Test(.enabled(if: !PrivatePostgres.isExternal))
    func `a refused statement is reported and takes neither connection nor later ones with it`()
        throws
    {
        let url = try server.makeDatabase()
        try server.execute(Self.function + Self.table("tasks"), on: url)
        let guarded =
            "\(url) user=\(PrivatePostgres.passwordRole) password=\(PrivatePostgres.password)"
        var clock = TestClock()
        var session = try liveSession(guarded, &clock)
        try server.execute("REVOKE SELECT ON pg_catalog.pg_trigger FROM PUBLIC", on: url)
        _ = session.refreshResources(clock.now)
        let refused = nextEvent(&session, &clock)
        guard case .refused(let error) = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(error.sqlstate == "42501")
        let kept = session.resources
        #expect(kept == Self.seed)

        // A new connection isn't live as long as its first statement is refused.
        var second = QuerySession(target: try ConnectionString(guarded), seed: 1)
        _ = second.start(clock.now)
        let failed = nextEvent(&second, &clock)
        guard case .lost(.preparingFailed(let reason)) = failed else {
            Issue.record("\(String(describing: failed))")
            return
        }
        #expect(reason.sqlstate == "42501")

        try server.execute("GRANT SELECT ON pg_catalog.pg_trigger TO PUBLIC", on: url)
        _ = session.refreshResources(clock.now)
        let read = nextEvent(&session, &clock)
        #expect(read == .resources(changed: false))
        let live = nextEvent(&second, &clock)
        #expect(live == .live)
    }

    // MARK: Helpers

    private static let seed = ["project_members", "projects", "sprints", "tasks"]

    private static let function = """
        CREATE FUNCTION notify_cache_invalidation() RETURNS trigger
            LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        """

    private static func table(_ name: String) -> String {
        """
        CREATE TABLE \(name) (id int);
        CREATE TRIGGER t AFTER INSERT ON \(name) FOR EACH ROW
            EXECUTE FUNCTION notify_cache_invalidation();
        """
    }

    private func liveSession(_ url: String, _ clock: inout TestClock) throws -> QuerySession {
        var session = QuerySession(target: try ConnectionString(url), seed: 1)
        let started = session.start(clock.now)
        #expect(started == .none)
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
        return session
    }
}
