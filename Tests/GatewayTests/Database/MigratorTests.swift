import Gateway
import Reactor
import Testing

@Suite struct MigratorBehaviour {
    private let server: PrivatePostgres
    private let url: String

    init() throws {
        server = try PrivatePostgres.shared.get()
        url = try server.makeDatabase()
    }

    @Test func `applies files in the order of their names; a second run is harmless`() throws {
        try inDirectory([
            "002_b.sql": "INSERT INTO a VALUES (1);",
            "001_a.sql": "CREATE TABLE IF NOT EXISTS a (n int);",
            "README": "not SQL",
        ]) { directory in
            let first = try migrate(directory)
            #expect(first == ["001_a.sql applied", "002_b.sql applied"])
            let second = try migrate(directory)
            #expect(second == ["001_a.sql alreadyThere", "002_b.sql alreadyThere"])
            try #expect(value("SELECT count(*) FROM a") == "1")
            try #expect(value("SELECT count(*) FROM devhive_migrations") == "2")
        }
    }

    @Test func `a file that changed is applied again and recorded anew`() throws {
        try inDirectory(["001_a.sql": "CREATE TABLE IF NOT EXISTS a (n int);"]) { directory in
            _ = try migrate(directory)
            try directory.write(
                Array("CREATE TABLE IF NOT EXISTS a (n int); -- changed".utf8), to: "001_a.sql")
            let changed = try migrate(directory)
            #expect(changed == ["001_a.sql appliedAgain"])
            let again = try migrate(directory)
            #expect(again == ["001_a.sql alreadyThere"])
        }
    }

    @Test func `what is recorded is applied again when that is asked for`() throws {
        try inDirectory(["001_a.sql": "CREATE TABLE IF NOT EXISTS a (n int);"]) { directory in
            let first = try migrate(directory, again: true)
            #expect(first == ["001_a.sql applied"])
            try drop("a")
            let second = try migrate(directory)
            #expect(second == ["001_a.sql alreadyThere"])
            let third = try migrate(directory, again: true)
            #expect(third == ["001_a.sql repeated"])
            try #expect(value("SELECT to_regclass('a') IS NOT NULL") == "t")
        }
    }

    @Test func `a failing file is rolled back whole and named with line, message and code`() throws
    {
        try inDirectory([
            "001_a.sql": "CREATE TABLE a (n int);",
            "002_b.sql": "CREATE TABLE b (n int);\n-- ä\nINSERT INTO a\n  VALUES ('ü', nothing);\n",
            "003_c.sql": "CREATE TABLE c (n int);",
        ]) { directory in
            let failure = #expect(throws: MigrationFailure.self) { try migrate(directory) }
            let text = try #require(failure).description
            #expect(
                text.hasPrefix("002_b.sql:4: column \"nothing\" does not exist (SQLSTATE 42703)"))
            try #expect(value("SELECT to_regclass('a') IS NOT NULL") == "t")
            try #expect(value("SELECT to_regclass('b') IS NULL") == "t")
            try #expect(value("SELECT to_regclass('c') IS NULL") == "t")
            #expect(
                try value("SELECT string_agg(name, ',') FROM devhive_migrations") == "001_a.sql")
        }
    }

    @Test(arguments: [
        "COMMIT;", "ROLLBACK;", "BEGIN; SELECT 1; COMMIT;", "COMMIT; BEGIN;",
        "COPY pg_class FROM STDIN;", "COPY pg_class TO STDOUT;", "\\echo psql",
        "SELECT 1/0;", "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$;",
    ])
    func `a file that can't be run inside a transaction is an error that names it`(
        _ statements: String
    ) throws {
        try inDirectory(["001_bad.sql": statements]) { directory in
            let failure = #expect(throws: MigrationFailure.self) { try migrate(directory) }
            guard case .statement("001_bad.sql", _, _) = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
            try #expect(value("SELECT count(*) FROM devhive_migrations") == "0")
        }
    }

    @Test func `an empty file and one of comments count as applied`() throws {
        try inDirectory(["001.sql": "", "002.sql": "-- nothing\n"]) { directory in
            let report = try migrate(directory)
            #expect(report == ["001.sql applied", "002.sql applied"])
        }
    }

    @Test func `a directory that is missing, empty, or holds a file too large changes nothing`()
        throws
    {
        let missing = #expect(throws: MigrationFailure.self) { try migrate(path: "/nonexistent") }
        #expect(missing?.description == "/nonexistent: No such file or directory")
        try inDirectory([:]) { directory in
            let empty = #expect(throws: MigrationFailure.self) { try migrate(directory) }
            #expect(empty == .noFiles(directory: directory.path))
        }
        let large = String(repeating: "-", count: MigrationFile.bytesMax + 1)
        try inDirectory(["001.sql": "CREATE TABLE a (n int)", "002.sql": large]) { directory in
            #expect(throws: MigrationFailure.self) { try migrate(directory) }
        }
        try #expect(value("SELECT to_regclass('a') IS NULL") == "t")
    }

    @Test func `a server that isn't there is reported as such`() throws {
        let target = try ConnectionString("host=/tmp/devhive-nobody-here user=x dbname=x")
        do {
            _ = try Migrator(target: target)
            Issue.record("connected to nothing")
        } catch {
            #expect(error.description.hasPrefix("not connected: "))
        }
    }

    // MARK: Helpers

    private func migrate(_ directory: TestDirectory, again: Bool = false) throws -> [String] {
        try migrate(path: directory.path, again: again)
    }

    private func migrate(path: String, again: Bool = false) throws -> [String] {
        var lines: [String] = []
        var migrator = try Migrator(target: ConnectionString(url))
        var wish = Migrator.Wish()
        wish.again = again
        try migrator.run(MigrationFile.all(in: path), wish) { name, outcome in
            lines.append("\(name) \(outcome)")
        }
        return lines
    }

    private func drop(_ table: String) throws {
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        try connection.execute("DROP TABLE \(table)")
    }

    private func value(_ query: String) throws -> String {
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        let rows = try connection.query(query)
        return rows.text(row: 0, column: 0)
    }

    private func inDirectory(_ files: [String: String], _ body: (TestDirectory) throws -> Void)
        throws
    {
        try body(TestDirectory(files))
    }
}
