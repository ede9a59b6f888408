package import Reactor

/// Applies the numbered SQL files of a directory, each in one transaction together with its record
/// in `devhive_migrations`. For the command `migrate`: it blocks.
///
/// The files are idempotent, so a file whose content changed since it was recorded, or that psql
/// applied without a record, is simply applied (again).
package struct Migrator: ~Copyable {
    /// The largest migration that is read. Ours have a few KiB.
    package static let fileBytesMax = 1_024 * 1_024
    package static let filesMax = 1_000

    /// The advisory lock that keeps two migrators apart: the bytes of "devhivem". Taken in each
    /// transaction rather than for the session, so that it works through a pooler too.
    private static let lock = 0x6465_7668_6976_656D

    package enum Outcome: Equatable, Sendable {
        case applied
        /// Its content differs from what was recorded.
        case appliedAgain
        /// It was recorded as it is, and applied because that was asked for.
        case repeated
        case alreadyThere
    }

    private var connection: BlockingPostgresConnection

    package init(target: ConnectionString) throws(MigrationFailure) {
        do {
            connection = try BlockingPostgresConnection(target)
        } catch {
            throw .connection(error)
        }
    }

    /// The file that installs the event log, which not everybody wants.
    package static let eventLogFile = "005_add_event_log.sql"

    /// Applies what isn't recorded, in the order of the names, and reports each file. Stops at the
    /// first that fails; those before it stay applied.
    ///
    /// - Parameters:
    ///   - leavesOut: the name of a file that is neither applied nor reported.
    ///   - again: also what is recorded is applied, which brings back what was dropped since.
    package mutating func run(
        directory: String, leavesOut: String? = nil, again: Bool = false,
        report: (String, Outcome) -> Void
    ) throws(MigrationFailure) {
        let files = try read(directory).filter { $0.name != leavesOut }
        try prepare()
        for file in files {
            report(file.name, try apply(file, again: again))
        }
    }

    // MARK: Files

    private struct File {
        let name: String
        let text: String
    }

    /// All files, before the first is applied: an unreadable one changes nothing.
    private func read(_ directory: String) throws(MigrationFailure) -> [File] {
        var files: [File] = []
        do {
            for name in try Directory.names(at: directory, endingIn: ".sql", max: Self.filesMax) {
                let path = directory + "/" + name
                let text = try FileContents.text(at: path, bytesMax: Self.fileBytesMax)
                files.append(File(name: name, text: text))
            }
        } catch {
            throw .file(error)
        }
        guard !files.isEmpty else { throw .noFiles(directory: directory) }
        return files
    }

    // MARK: Transactions

    private mutating func prepare() throws(MigrationFailure) {
        do {
            try begin()
            try connection.execute(
                """
                CREATE TABLE IF NOT EXISTS devhive_migrations (
                    name text PRIMARY KEY,
                    checksum text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                );
                COMMIT
                """)
        } catch {
            throw .record(error)
        }
    }

    private mutating func apply(_ file: File, again: Bool) throws(MigrationFailure) -> Outcome {
        var outcome: Outcome
        do {
            try begin()
            outcome = try state(of: file)
            if again, outcome == .alreadyThere { outcome = .repeated }
        } catch {
            throw .record(error)
        }
        do {
            if outcome != .alreadyThere { try execute(file) }
            try connection.execute("COMMIT")
            return outcome
        } catch {
            rollBack()
            throw error.failure(in: file.name, file.text)
        }
    }

    private mutating func begin() throws(PostgresError) {
        try connection.execute("BEGIN; SELECT pg_advisory_xact_lock(\(Self.lock))")
    }

    /// Compares with the record. PostgreSQL computes the checksum, here and when recording.
    private mutating func state(of file: File) throws(PostgresError) -> Outcome {
        let rows = try connection.query(
            """
            SELECT checksum = encode(sha256(convert_to($2, 'UTF8')), 'hex')
            FROM devhive_migrations WHERE name = $1
            """, [file.name, file.text])
        guard rows.count > 0 else { return .applied }
        return rows.text(row: 0, column: 0) == "t" ? .alreadyThere : .appliedAgain
    }

    /// The savepoint proves that the file left the transaction alone: a COMMIT or ROLLBACK in it
    /// would have ended the savepoint.
    private mutating func execute(_ file: File) throws(PostgresError) {
        try connection.execute("SAVEPOINT devhive_migration")
        try connection.execute(file.text)
        do {
            try connection.execute("RELEASE SAVEPOINT devhive_migration")
        } catch {
            throw PostgresError(
                sqlstate: error.sqlstate,
                message: "the file begins or ends a transaction of its own; migrate does that")
        }
        _ = try connection.query(
            """
            INSERT INTO devhive_migrations (name, checksum)
            VALUES ($1, encode(sha256(convert_to($2, 'UTF8')), 'hex'))
            ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now()
            RETURNING name
            """, [file.name, file.text])
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

extension PostgresError {
    fileprivate func failure(in name: String, _ text: String) -> MigrationFailure {
        .statement(file: name, line: position.map { line(at: $0, in: text) }, self)
    }

    /// The line, from 1, of a position in characters (Unicode scalars), from 1.
    private func line(at position: Int, in text: String) -> Int {
        text.unicodeScalars.prefix(max(0, position - 1)).count { $0 == "\n" } + 1
    }
}
