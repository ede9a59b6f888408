internal import CEpollShim
import Reactor
import Testing

@Suite struct PostgresConnectionBehaviour {
    private let url: String

    init() throws {
        url = try PrivatePostgres.shared.get().makeDatabase()
    }

    @Test func `returns rows with their columns, and tells NULL from an empty text`() throws {
        var connection = try connected()
        try connection.send(
            "SELECT $1 AS a, '' AS b, NULL AS c, 'ä' AS d", .texts(["x'; --"]))
        let replies = try drain(&connection, until: "end")
        #expect(replies == ["row x'; --||NULL|ä", "end"])
    }

    @Test func `several simple statements answer one after the other, up to the first that fails`()
        throws
    {
        var connection = try connected()
        try connection.send(simple: "SELECT 1; CREATE TABLE t (n int); SELECT 1/0; SELECT 2")
        let replies = try drain(&connection, until: "end")
        #expect(replies == ["row 1", "succeeded", "failed 22012", "end"])
    }

    @Test func `in pipeline mode a failed statement takes with it only what is before its sync`()
        throws
    {
        var connection = try connected()
        try connection.enterPipelineMode()
        for statement in ["SELECT 1/0", "SELECT 2"] { try connection.send(statement, .texts()) }
        try connection.synchronize()
        try connection.send("SELECT 3", .texts())
        try connection.synchronize()
        var replies = try drain(&connection, until: "synchronized")
        replies += try drain(&connection, until: "synchronized")
        #expect(
            replies == [
                "failed 22012", "end", "skipped", "end", "synchronized", "row 3", "end",
                "synchronized",
            ])
    }

    @Test func `a statement is read once under its name, and run as often as it is sent`() throws {
        var connection = try connected()
        try connection.enterPipelineMode()
        try connection.prepare("SELECT $1 || 'b'", as: "n")
        try connection.send(prepared: "n", .texts(["a"]))
        try connection.synchronize()
        try connection.send(prepared: "n", .texts(["c"]))
        try connection.send(prepared: "nobody")
        try connection.synchronize()
        var replies = try drain(&connection, until: "synchronized")
        replies += try drain(&connection, until: "synchronized")
        #expect(
            replies == [
                "succeeded", "end", "row ab", "end", "synchronized", "row cb", "end",
                "failed 26000", "end", "synchronized",
            ])
    }

    /// So a table is locked without a BEGIN, and without a look at what belongs to it (`TableGuard`).
    @Test(arguments: [
        ("EXPLAIN SELECT FROM ONLY v, ONLY t", "AccessShareLock"),
        (
            "EXPLAIN WITH a AS (DELETE FROM ONLY v WHERE false), b AS (DELETE FROM ONLY t WHERE false) SELECT",
            "RowExclusiveLock"
        ),
    ])
    func `what is read and not run locks its tables until the sync, and runs nothing of them`(
        _ statement: String, _ mode: String
    ) throws {
        var watcher = try BlockingPostgresConnection(ConnectionString(url))
        try watcher.execute(
            """
            CREATE SEQUENCE runs;
            CREATE FUNCTION run(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql
                AS $$ BEGIN RETURN nextval('public.runs'); END $$;
            CREATE TABLE t (n integer); CREATE INDEX ON t (run(1)); CREATE VIEW v AS SELECT * FROM t WHERE run(2) = 1;
            ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
            CREATE POLICY p ON t USING (run(3) = 1);
            SELECT setval('runs', 1, false)
            """)
        let locks = """
            SELECT count(*) FROM pg_locks WHERE relation IN ('t'::regclass, 'v'::regclass)
                AND granted AND mode = '\(mode)'
            """
        var connection = try connected()
        try connection.enterPipelineMode()
        try connection.prepare(statement, as: "")
        _ = try connection.flush()
        let patience = Clock.monotonic().advanced(byMilliseconds: 20_000)
        while try watcher.query(locks).integer(row: 0, column: 0) != 2 {
            guard Clock.monotonic() < patience else { throw Silence() }
        }
        try watcher.execute("SET lock_timeout = '20ms'")
        #expect(throws: PostgresError.self) { try watcher.execute("ALTER TABLE t RENAME TO u") }
        try connection.synchronize()
        let replies = try drain(&connection, until: "synchronized")
        #expect(replies == ["succeeded", "end", "synchronized"])
        let count = try watcher.query(locks).integer(row: 0, column: 0)
        #expect(count == 0)
        let isRun = try watcher.query("SELECT is_called FROM runs").text(row: 0, column: 0)
        #expect(isRun == "f")
    }

    @Test(arguments: ["COPY pg_am TO STDOUT", "COPY pg_am FROM STDIN"])
    func `a COPY is a failure and not a trap`(_ statement: String) throws {
        var connection = try connected()
        try connection.send(simple: statement)
        let replies = try drain(&connection, until: "failed -")
        #expect(replies.last == "failed -")
    }

    @Test func `a statement larger than the socket's buffer goes out bit by bit`() throws {
        var connection = try connected()
        let text = String(repeating: "x", count: 8 * 1_024 * 1_024)
        try connection.send("SELECT length($1)", .texts([text]))
        let first = try connection.flush()
        #expect(first == .wouldBlock)
        let replies = try drain(&connection, until: "end")
        #expect(replies == ["row \(text.utf8.count)", "end"])
    }

    @Test func `notices don't reach standard error and aren't answers`() throws {
        var connection = try connected()
        try connection.send(simple: "DO $$ BEGIN RAISE WARNING 'careful'; END $$")
        let replies = try drain(&connection, until: "end")
        #expect(replies == ["succeeded", "end"])
    }

    @Test func `fields outside of the result are NULL and empty`() throws {
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        let rows = try connection.query("SELECT 'a', NULL")
        let count = rows.count
        let columns = rows.columnCount
        #expect(count == 1 && columns == 2)
        for (row, column) in [(0, 1), (1, 0), (0, 2), (-1, 0), (0, -1), (.max, 0), (0, .max)] {
            let isNull = rows.isNull(row: row, column: column)
            let text = rows.text(row: row, column: column)
            #expect(isNull && text.isEmpty)
        }
    }

    // MARK: Helpers

    private struct Silence: Error {}

    private func connected() throws -> PostgresConnection {
        let parameters = try #require(ConnectionString(url).parameters(resolved: []))
        guard var connection = PostgresConnection(parameters, unclaimedBytesMax: 1 << 20) else {
            throw Silence()
        }
        var step = connection.firstStep
        while true {
            switch step {
            case .reading: try wait(connection, for: POLLIN)
            case .writing: try wait(connection, for: POLLOUT)
            case .connected: return connection
            case .failed(let message): throw PostgresError(message: message)
            }
            step = connection.poll()
        }
    }

    private func wait(_ connection: borrowing PostgresConnection, for events: Int32) throws {
        var entry = pollfd(fd: connection.descriptor ?? -1, events: Int16(events), revents: 0)
        guard unsafe poll(&entry, 1, 20_000) == 1 else { throw Silence() }
    }

    /// The answers in words, up to and with the given one.
    private func drain(_ connection: inout PostgresConnection, until last: String) throws
        -> [String]
    {
        var words: [String] = []
        while words.last != last {
            switch connection.nextReply() {
            case .busy:
                let outcome = try connection.flush()
                try wait(connection, for: outcome == .done ? POLLIN : POLLIN | POLLOUT)
                try connection.consumeInput()
            case .rows(let rows):
                let fields = (0..<rows.columnCount).map { column in
                    rows.isNull(row: 0, column: column) ? "NULL" : rows.text(row: 0, column: column)
                }
                words.append("row " + fields.joined(separator: "|"))
            case .succeeded: words.append("succeeded")
            case .failed(let error): words.append("failed \(error.sqlstate ?? "-")")
            case .skipped: words.append("skipped")
            case .synchronized: words.append("synchronized")
            case .endOfStatement: words.append("end")
            }
        }
        return words
    }
}
