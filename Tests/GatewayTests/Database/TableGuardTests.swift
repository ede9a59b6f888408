import Reactor
import Testing

@testable import Gateway

/// What stands under the name of a table of ours, and isn't it. Whatever belongs to it would run with the
/// rights of the session, which here are a superuser's.
@Suite struct TableGuardBehaviour {
    let server: PrivatePostgres

    init() throws {
        server = try PrivatePostgres.shared.get()
    }

    static let guarded: [DatabaseQuery] = [
        .members, .events, .prune, .expire, .directSend, .directSendOne, .directAck, .directRead,
        .directInbox,
        .directPrune,
    ]
    static let tables = [
        "project_members", "cache_events", "cache_events_horizon", "devhive_direct_messages",
    ]

    @Test(arguments: guarded)
    func `our own tables are read and written`(_ query: DatabaseQuery) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        let answer = ask(query, &session, &clock)
        #expect(answer == "rows" || query == .expire && answer == "succeeded")
    }

    /// A table's own code runs as it is planned (an index), as rows are read (a policy), and without any row (a
    /// statement's trigger); a view's as it is planned.
    @Test(arguments: guarded, ["a table", "a view", "rules"])
    func `what somebody puts in their place is neither read nor written`(
        _ query: DatabaseQuery, _ kind: String
    ) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try replaceTables(on: url, by: kind)
        let answer = ask(query, &session, &clock)
        #expect(answer.hasPrefix("refused: "))
        #expect(Self.saysWhoseItIs(answer))
        let run = try wasRun(on: url)
        #expect(run == [])
        // It takes nothing else with it.
        let canary = ask(.canary, &session, &clock)
        #expect(canary == "rows")
    }

    /// The look had no row then, and no row was no fault.
    @Test func `a table that isn't there any more, or isn't seen, is no table of ours`() throws {
        let url = try makeDatabase()
        let catalogue = try catalogue(of: url)
        for query in Self.guarded {
            let tableGuard = try #require(catalogue.tableGuard(of: query))
            guard !tableGuard.tables.isEmpty else { continue }
            let fault = tableGuard.fault
            var connection = try BlockingPostgresConnection(ConnectionString(url))
            try connection.execute("ALTER TABLE project_members RENAME TO members")
            for table in Self.tables where table != "project_members" {
                try connection.execute("ALTER TABLE \(table) RENAME TO old_\(table)")
            }
            let rows = try connection.query("SELECT \(fault) IS DISTINCT FROM ''")
            let isRefused = rows.text(row: 0, column: 0)
            #expect(isRefused == "t")
            try connection.execute("ALTER TABLE members RENAME TO project_members")
            for table in Self.tables where table != "project_members" {
                try connection.execute("ALTER TABLE old_\(table) RENAME TO \(table)")
            }
        }
    }

    @Test func `rights to some columns are not enough to be asked`() throws {
        let url = try makeDatabase()
        let role = "some_" + Self.name(url)
        try server.execute(
            "CREATE ROLE \(role) LOGIN; GRANT SELECT (project_id, user_id) ON project_members TO \(role)",
            on: url)
        var clock = TestClock()
        var session = try liveSession(url + " user=\(role)", &clock)
        let fault = session.membersFault
        #expect(fault == "may not be read by this role")
        let answer = ask(.members, &session, &clock)
        #expect(answer.contains("permission denied"))
    }

    /// What was read in such a transaction was older than the lock.
    @Test func `defaults of the role don't bind the sessions`() throws {
        let url = try makeDatabase()
        try server.execute(
            """
            ALTER DATABASE \(Self.name(url)) SET default_transaction_isolation = 'repeatable read';
            ALTER DATABASE \(Self.name(url)) SET default_transaction_read_only = on;
            ALTER DATABASE \(Self.name(url)) SET standard_conforming_strings = off
            """, on: url)
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        _ = try connection.query(SearchPath.pin)
        let rows = try connection.query(
            """
            SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')
                || current_setting('standard_conforming_strings')
            """)
        let settings = rows.text(row: 0, column: 0)
        #expect(settings == "read committedoffon")
    }

    @Test func `without the triggers' function nobody's table is believed`() throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try server.execute("DROP FUNCTION notify_cache_invalidation", on: url)
        for _ in 1...2 {
            let answer = ask(.members, &session, &clock)
            #expect(answer.hasPrefix("refused: project_members can't be told"))
            _ = session.refreshResources(clock.now)
            let changed = nextEvent(&session, &clock)
            #expect(changed != nil)
        }
    }

    @Test func `functions of another owner than before are nobody's until the next start`() throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try server.execute(
            """
            DROP TABLE projects, project_members; DROP FUNCTION notify_cache_invalidation;
            SET ROLE \(Self.role(url));
            CREATE TABLE projects (id uuid);
            CREATE TABLE project_members (project_id uuid, user_id uuid);
            GRANT SELECT ON project_members TO PUBLIC;
            """ + Self.function("notify_cache_invalidation"), on: url)
        _ = session.refreshResources(clock.now)
        let changed = nextEvent(&session, &clock)
        #expect(changed == .resources(changed: true))
        let fault = session.membersFault ?? ""
        #expect(fault.contains("belonged to postgres, and belongs to \(Self.role(url))"))
        let answer = ask(.members, &session, &clock)
        #expect(answer.hasPrefix("refused: project_members can't be told"))
    }

    @Test func `a lock of somebody else holds a question up for a moment only`() throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        var blocker = try BlockingPostgresConnection(ConnectionString(url))
        try blocker.execute("BEGIN; LOCK TABLE project_members IN ACCESS EXCLUSIVE MODE")
        let answer = ask(.members, &session, &clock)
        #expect(answer.contains("55P03"))
        try blocker.execute("ROLLBACK")
        let again = ask(.members, &session, &clock)
        #expect(again == "rows")
    }

    @Test func `a function in the place of ours isn't called`() throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try server.execute(
            """
            DROP FUNCTION devhive_send_direct;
            SET ROLE \(Self.role(url));
            CREATE FUNCTION devhive_send_direct(
                sender uuid, recipient uuid, id uuid, data json, receipt boolean, ttl_s integer, origin uuid
            ) RETURNS text LANGUAGE sql AS 'SELECT note(1)::text'
            """, on: url)
        for query in [DatabaseQuery.directSend, .directSendOne] {
            let answer = ask(query, &session, &clock)
            #expect(answer.contains("not what it was"))
        }
        let run = try wasRun(on: url)
        #expect(run == [])
    }

    @Test func `another function of the triggers' name makes nothing ours`() throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try replaceTables(on: url, by: "a table")
        try server.execute(
            "DROP FUNCTION notify_cache_invalidation CASCADE; SET ROLE \(Self.role(url));"
                + Self.function("notify_cache_invalidation"), on: url)
        // Before the catalogue is read again, and behind it.
        for _ in 1...2 {
            let answer = ask(.prune, &session, &clock)
            #expect(answer.hasPrefix("refused: "))
            _ = session.refreshResources(clock.now)
            let changed = nextEvent(&session, &clock)
            #expect(changed != nil)
        }
        let run = try wasRun(on: url)
        #expect(run == [])
    }

    @Test func `a table that is taken away under a statement stays until that has ended`() throws {
        let url = try makeDatabase()
        let catalogue = try catalogue(of: url)
        var owner = try BlockingPostgresConnection(ConnectionString(url))
        var reader = try BlockingPostgresConnection(ConnectionString(url))
        let block = try #require(catalogue.tableGuard(of: .directRead))
        try reader.execute("BEGIN; " + block.statements)
        try owner.execute("SET lock_timeout = '20ms'")
        #expect(throws: PostgresError.self) {
            try owner.execute("ALTER TABLE devhive_direct_messages RENAME TO old")
        }
        try reader.execute("ROLLBACK")
        try owner.execute("ALTER TABLE devhive_direct_messages RENAME TO old")
    }

    @Test func `names with quotes and dollars are names`() throws {
        let url = try makeDatabase()
        try server.execute(
            """
            ALTER TABLE project_members RENAME TO old;
            CREATE SCHEMA "o'$$ ""x"; ALTER TABLE old SET SCHEMA "o'$$ ""x";
            ALTER TABLE "o'$$ ""x".old RENAME TO project_members;
            ALTER ROLE CURRENT_USER IN DATABASE \(Self.name(url)) SET search_path = "o'$$ ""x", public
            """, on: url)
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        let answer = ask(.members, &session, &clock)
        #expect(answer == "rows")
    }

    // MARK: The database

    /// The tables, as far as the statements ask for them, of a superuser, with the function that sends; and a role that
    /// may create others.
    func makeDatabase() throws -> String {
        let url = try server.makeDatabase()
        let file = MigrationFile.builtIn.first { $0.name.contains("direct_messages") }
        try server.execute(
            """
            CREATE ROLE \(Self.role(url)); GRANT ALL ON SCHEMA public TO \(Self.role(url));
            CREATE TABLE was_run (what text); GRANT ALL ON was_run TO PUBLIC;
            CREATE TABLE projects (id uuid);
            """ + Self.function("notify_cache_invalidation") + Self.definitions
                + """
                CREATE FUNCTION note_it() RETURNS integer LANGUAGE plpgsql
                    AS $$ BEGIN INSERT INTO public.was_run VALUES (current_user); RETURN 1; END $$;
                CREATE FUNCTION note(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql
                    AS $$ BEGIN PERFORM public.note_it(); RETURN 1; END $$;
                CREATE FUNCTION note_trigger() RETURNS trigger LANGUAGE plpgsql
                    AS $$ BEGIN PERFORM public.note_it(); RETURN NEW; END $$;
                DROP TABLE devhive_direct_messages;
                """, on: url)
        try server.execute(try #require(file).text, on: url)
        return url
    }

    static let definitions = """
        CREATE TABLE project_members (project_id uuid, user_id uuid);
        CREATE TABLE cache_events (
            seq bigint, xid xid8, project_id uuid, resource text, record_id text, action text,
            created_at timestamptz);
        CREATE TABLE cache_events_horizon (only_row boolean, xid xid8);
        CREATE TABLE devhive_direct_messages (
            seq bigint, xid xid8, sender uuid, recipient uuid, id uuid, data json, receipt boolean,
            sent_at timestamptz, expires_at timestamptz, acknowledged_at timestamptz, origin uuid,
            acknowledged_by uuid);
        """

    func replaceTables(on url: String, by kind: String) throws {
        try server.execute(replacement(on: url, by: kind), on: url)
    }

    func replacement(on url: String, by kind: String) -> String {
        var statements = Self.tables.map { "ALTER TABLE \($0) RENAME TO old_\($0);" }
        statements.append("SET ROLE \(Self.role(url));")
        if kind == "a view" {
            statements += Self.tables.map {
                "CREATE VIEW \($0) AS SELECT * FROM old_\($0) WHERE note(1) = 1;"
            }
            statements.insert("GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;", at: 0)
        } else if kind == "rules" {
            statements.append(Self.definitions)
            for table in Self.tables {
                for event in ["INSERT", "UPDATE", "DELETE"] {
                    statements.append(
                        "CREATE RULE r\(event) AS ON \(event) TO \(table) DO ALSO SELECT note(1);")
                }
            }
        } else {
            statements.append(Self.definitions)
            for table in Self.tables {
                statements.append(
                    """
                    CREATE INDEX ON \(table) (note(1));
                    ALTER TABLE \(table) ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                    CREATE POLICY p ON \(table) USING (note(1) = 1);
                    CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON \(table)
                        FOR EACH STATEMENT EXECUTE FUNCTION note_trigger();
                    """)
            }
        }
        statements.append(
            "GRANT ALL ON \(Self.tables.joined(separator: ", ")) TO PUBLIC; RESET ROLE; TRUNCATE was_run"
        )
        return statements.joined(separator: "\n")
    }

    static func function(_ name: String) -> String {
        "CREATE FUNCTION \(name)() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    }

    /// Whether that is why the statement was refused.
    static func saysWhoseItIs(_ answer: String) -> Bool {
        answer.contains("project_members does not belong") || answer.contains("is no table")
            || answer.contains("not what it was") || answer.contains("not the table that it was")
    }

    static func name(_ url: String) -> String {
        let name = url.ranges(of: "t_").last.map { url[$0.lowerBound...] } ?? ""
        return String(name.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    }

    static func role(_ url: String) -> String { "taker_" + name(url) }

    func wasRun(on url: String) throws -> [String] {
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        let rows = try connection.query("SELECT what FROM was_run")
        return (0..<rows.count).map { rows.text(row: $0, column: 0) }
    }

    func catalogue(of url: String) throws -> ResourceCatalogue {
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        _ = try connection.query(SearchPath.pin)
        let rows = try connection.query(ResourceCatalogue.statement)
        let catalogue = ResourceCatalogue(rows)
        return try #require(catalogue)
    }

    // MARK: The session

    func liveSession(_ url: String, _ clock: inout TestClock) throws -> QuerySession {
        var session = QuerySession(target: try ConnectionString(url), seed: 1)
        _ = session.start(clock.now)
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
        return session
    }

    static func parameters(of query: DatabaseQuery) -> [String] {
        let nobody = "{00000000-0000-0000-0000-000000000001}"
        return switch query {
        case .path, .resources, .directPrune: []
        case .canary: ["somewhere", "1"]
        case .members: [nobody, nobody]
        case .events: [nobody, "{5}"]
        case .prune: ["1"]
        case .expire: ["3"]
        case .directSend: [nobody, nobody, nobody, "{\"{}\"}", "{f}", "{60}", nobody]
        case .directSendOne:
            Array(repeating: "00000000-0000-0000-0000-000000000001", count: 3)
                + ["{}", "f", "60", "00000000-0000-0000-0000-000000000001"]
        case .directAck: [nobody, nobody, nobody, "{f}"]
        case .directRead: ["{1}", "{f}"]
        case .directInbox: [nobody, "{0}", "{0}"]
        }
    }

    func ask(
        _ query: DatabaseQuery, _ session: inout QuerySession, _ clock: inout TestClock
    ) -> String {
        // The end of the one before may be on its way.
        while !session.hasRoom(for: query), let registration = session.registration,
            isReady(registration, milliseconds: 20_000)
        {
            _ = session.ready(clock.now)
        }
        let outcome = session.ask(query, .texts(Self.parameters(of: query)), tag: 1, clock.now)
        guard outcome == .asked else { return "\(outcome)" }
        return nextAnswer(&session, &clock)
    }

    func nextAnswer(_ session: inout QuerySession, _ clock: inout TestClock) -> String {
        while true {
            if let answer = session.dequeueAnswer() {
                _ = session.continueReading(clock.now)
                return Self.text(of: answer)
            }
            guard let registration = session.registration,
                isReady(registration, milliseconds: 20_000)
            else { return "nothing" }
            _ = session.ready(clock.now)
        }
    }

    static func text(of answer: consuming QueryAnswer) -> String {
        switch answer.outcome {
        case .rows: "rows"
        case .succeeded: "succeeded"
        case .failed(.lost): "lost"
        case .failed(.refused(let error)): "refused: \(error)"
        }
    }
}
