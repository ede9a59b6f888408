internal import CEpollShim
import Reactor
import Testing

@testable import Gateway

// Statements that the server keeps under names: what was read and planned before is not what stands there now.
extension TableGuardBehaviour {
    /// So often that PostgreSQL keeps its plan, too (plancache.c).
    private static let untilPlanned = 8

    /// Asked again and again, as it is from the second time on.
    private func askOften(
        _ query: DatabaseQuery, _ session: inout QuerySession, _ clock: inout TestClock
    ) {
        for _ in 0..<Self.untilPlanned {
            let answer = ask(query, &session, &clock)
            #expect(answer == "rows" || query == .expire && answer == "succeeded")
        }
    }

    @Test(arguments: guarded, ["a table", "a view", "rules"])
    func `what was read before isn't run on what somebody puts in the tables' place`(
        _ query: DatabaseQuery, _ kind: String
    ) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        askOften(query, &session, &clock)
        try replaceTables(on: url, by: kind)
        for _ in 1...2 {
            let answer = ask(query, &session, &clock)
            #expect(answer.hasPrefix("refused: "))
            #expect(Self.saysWhoseItIs(answer))
        }
        let run = try wasRun(on: url)
        #expect(run == [])
        try putBack(on: url)
        askOften(query, &session, &clock)
    }

    /// The server is at the guard, waits for the owner, and goes on when it is another table.
    @Test(arguments: guarded, ["a table", "a view", "rules"])
    func `a swap that is committed while the guard waits is seen`(
        _ query: DatabaseQuery, _ kind: String
    ) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        askOften(query, &session, &clock)
        var owner = try BlockingPostgresConnection(ConnectionString(url))
        // Made before, since a send waits for a moment only.
        var watcher = try BlockingPostgresConnection(ConnectionString(url))
        try owner.execute("BEGIN; " + replacement(on: url, by: kind))
        let outcome = session.ask(
            query, .texts(Self.parameters(of: query)), tag: 1, clock.now)
        #expect(outcome == .asked)
        try waitUntilSomebodyWaits(&watcher)
        try owner.execute("COMMIT")
        let answer = nextAnswer(&session, &clock)
        #expect(answer.hasPrefix("refused: "))
        let run = try wasRun(on: url)
        #expect(run == [])
    }

    @Test(arguments: ["a column's type", "the table", "the function"])
    func `what the owner changes is read anew`(_ change: String) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        let query: DatabaseQuery = change == "the function" ? .directSend : .directRead
        askOften(query, &session, &clock)
        switch change {
        case "a column's type":
            try server.execute(
                """
                ALTER TABLE devhive_direct_messages ALTER data TYPE jsonb, ALTER seq TYPE integer,
                    ALTER receipt TYPE text
                """, on: url)
        case "the table":
            try server.execute(
                """
                ALTER TABLE devhive_direct_messages RENAME TO old;
                CREATE TABLE devhive_direct_messages (LIKE old)
                """, on: url)
        default:
            try server.execute(
                """
                DROP FUNCTION devhive_send_direct;
                CREATE FUNCTION devhive_send_direct(
                    sender uuid, recipient uuid, id uuid, data json, receipt boolean, ttl_s integer,
                    origin uuid
                ) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT 'repeated' $$
                """, on: url)
        }
        // What is kept may be refused once.
        _ = ask(query, &session, &clock)
        askOften(query, &session, &clock)
        // And is kept again, under another name.
        _ = session.refreshResources(clock.now)
        let read = nextEvent(&session, &clock)
        #expect(read != nil)
        askOften(query, &session, &clock)
    }

    /// The plan that is kept has the function's oid, which says nothing of who it belongs to now.
    @Test(
        arguments: [DatabaseQuery.directSend, .directSendOne], ["dropped", "renamed", "given away"])
    func `a function that isn't ours any more isn't called by what was read before`(
        _ query: DatabaseQuery, _ change: String
    ) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        askOften(query, &session, &clock)
        let foreign = """
            SET ROLE \(Self.role(url));
            CREATE OR REPLACE FUNCTION devhive_send_direct(
                sender uuid, recipient uuid, id uuid, data json, receipt boolean DEFAULT false,
                ttl_s integer DEFAULT 60, origin uuid DEFAULT NULL
            ) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT note(1)::text'
            """
        let statement =
            switch change {
            case "dropped": "DROP FUNCTION devhive_send_direct; "
            case "renamed": "ALTER FUNCTION devhive_send_direct RENAME TO old; "
            default: "ALTER FUNCTION devhive_send_direct OWNER TO \(Self.role(url)); "
            }
        try server.execute(statement + foreign, on: url)
        for _ in 1...2 {
            let answer = ask(query, &session, &clock)
            #expect(answer.contains("not what it was"))
        }
        let run = try wasRun(on: url)
        #expect(run == [])
    }

    /// It would write to whatever stands there with the rights of the gateway's role.
    @Test(arguments: [DatabaseQuery.directSend, .directSendOne])
    func `a function that runs with its caller's rights isn't called`(
        _ query: DatabaseQuery
    ) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        askOften(query, &session, &clock)
        let function = "ALTER FUNCTION devhive_send_direct SECURITY"
        try server.execute("\(function) INVOKER", on: url)
        let answer = ask(query, &session, &clock)
        #expect(answer.contains("not what it was"))
        try server.execute("\(function) DEFINER", on: url)
        askOften(query, &session, &clock)
    }

    @Test func `a session that is made anew reads its statements anew`() throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        for _ in 1...2 {
            for query in Self.guarded { askOften(query, &session, &clock) }
            try server.execute(
                """
                SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """, on: url)
            let lost = nextEvent(&session, &clock)
            guard case .lost = lost else {
                Issue.record("\(String(describing: lost))")
                return
            }
            let live = nextEvent(&session, &clock)
            #expect(live == .live)
        }
        try replaceTables(on: url, by: "a view")
        for query in Self.guarded {
            let answer = ask(query, &session, &clock)
            #expect(answer.hasPrefix("refused: "))
        }
        let run = try wasRun(on: url)
        #expect(run == [])
    }

    /// The second is sent before the server has said that it knows the names.
    @Test(arguments: guarded)
    func `several that are asked at once are answered each`(_ query: DatabaseQuery) throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        for _ in 1...3 {
            for tag in 0..<UInt64(query.pendingMax) {
                let outcome = session.ask(
                    query, .texts(Self.parameters(of: query)), tag: tag, clock.now)
                #expect(outcome == .asked)
            }
            for _ in 0..<query.pendingMax {
                let answer = nextAnswer(&session, &clock)
                #expect(answer == "rows" || query == .expire && answer == "succeeded")
            }
        }
    }

    /// The names that the catalogue's texts had before are given up, and the new ones known.
    @Test func `another catalogue has other statements`() throws {
        let url = try makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        askOften(.members, &session, &clock)
        for type in ["text", "uuid"] {
            try server.execute(
                """
                ALTER TABLE project_members ALTER project_id TYPE \(type) USING project_id::\(type)
                """, on: url)
            _ = ask(.members, &session, &clock)
            _ = session.refreshResources(clock.now)
            let read = nextEvent(&session, &clock)
            #expect(read == .resources(changed: true))
            askOften(.members, &session, &clock)
        }
    }

    @Test func `in words of any language the guard's refusal is found`() throws {
        let url = try makeDatabase()
        for words in [
            "invalid input syntax for type integer: \"{DH001 t {x}: not there}\"",
            "ungültige Eingabesyntax für Typ integer: „{DH001 t {x}: not there}“",
        ] {
            let refusal = TableGuard.refusal(PostgresError(sqlstate: "22P02", message: words))
            #expect(refusal == PostgresError(message: "t {x}: not there"))
        }
        for words in ["", "{", "}{", "{}", "{DH001}", "\"x\""] {
            let error = PostgresError(sqlstate: "22P02", message: words)
            #expect(TableGuard.refusal(error) == nil)
        }
        #expect(TableGuard.refusal(PostgresError(message: "{DH001 x}")) == nil)
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        let tableGuard = TableGuard(tables: [], access: .read, fault: "'it''s {no} table'")
        do throws(PostgresError) {
            try connection.pass(tableGuard)
            Issue.record("it passed")
        } catch {
            #expect(error == PostgresError(message: "it's {no} table"))
        }
    }

    // MARK: Helpers

    private func putBack(on url: String) throws {
        let statements = Self.tables.map {
            """
            DO $$ BEGIN
                IF EXISTS (SELECT FROM pg_class WHERE oid = '\($0)'::regclass AND relkind = 'v')
                THEN DROP VIEW \($0); ELSE DROP TABLE \($0); END IF;
            END $$;
            ALTER TABLE old_\($0) RENAME TO \($0);
            """
        }
        try server.execute(statements.joined(separator: "\n"), on: url)
    }

    private func waitUntilSomebodyWaits(_ watcher: inout BlockingPostgresConnection) throws {
        let patience = Clock.monotonic().advanced(byMilliseconds: 20_000)
        while Clock.monotonic() < patience {
            let rows = try watcher.query(
                """
                SELECT count(*) FROM pg_locks WHERE NOT granted AND database =
                    (SELECT oid FROM pg_database WHERE datname = current_database())
                """)
            if rows.integer(row: 0, column: 0) != 0 { return }
        }
        Issue.record("nobody waits")
    }
}
