package import Reactor

/// Why `migrate` stopped.
package enum MigrationFailure: Error, Equatable, Sendable {
    case connection(PostgresError)
    case file(FileFailure)
    case noFiles(directory: String)
    /// Something stands beside the tables that has to be removed first; nothing was applied.
    case refused(SchemaHazard)
    /// `devhive_migrations` can't be made, locked or read.
    case record(PostgresError)
    /// A statement of the file failed; nothing of the file was applied. The line is the one that
    /// PostgreSQL points to, if it does.
    case statement(file: String, line: Int?, PostgresError)
    /// Locks weren't to be had for as long as they were tried for; nothing of the file was applied.
    /// Who holds some now, in words.
    case busy(String, holders: [String])
}

extension MigrationFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .connection(let error): return "not connected: \(error)"
        case .file(let failure): return "\(failure)"
        case .noFiles(let directory): return "\(directory): no file ends in .sql"
        case .busy(let failure, let holders):
            let who = holders.isEmpty ? "others had them" : holders.joined(separator: ", ")
            return "locks could not be had, and others were not kept waiting: \(failure); \(who);"
                + " run it again when they are done, or with a longer --wait"
        case .refused(let hazard):
            return "\(hazard.subject): \(hazard.fact); \(hazard.advice)"
        case .record(let error) where error.isAboutRights:
            return
                "devhive_migrations: \(error); migrate as the role that did so before, or as a superuser,"
                + " who gives it to the owner of projects"
        case .record(let error): return "devhive_migrations: \(error)"
        case .statement(let file, let line, let error):
            let place = line.map { "\(file):\($0)" } ?? file
            let more = [error.detail, error.hint, error.context].compactMap { $0 }
            return (["\(place): \(error)"] + more).joined(separator: "; ")
        }
    }
}

extension PostgresError {
    /// What comes of two that make the same table at once: IF NOT EXISTS has seen none, and then the name of the
    /// table or that of its type is taken (duplicate_table, duplicate_object), or is when the other commits
    /// (unique_violation).
    var isAboutTheSameName: Bool {
        ["42P07", "42710", "23505"].contains(sqlstate)
    }

    func failure(in name: String, _ text: String) -> MigrationFailure {
        .statement(file: name, line: position.map { line(at: $0, in: text) }, self)
    }

    /// The line, from 1, of a position in characters (Unicode scalars), from 1.
    private func line(at position: Int, in text: String) -> Int {
        text.unicodeScalars.prefix(max(0, position - 1)).count { $0 == "\n" } + 1
    }
}

extension MigrationFailure {
    /// Whether it may work when others are done: lock_not_available, deadlock_detected.
    var isAboutLocks: Bool {
        switch self {
        case .record(let error), .statement(_, _, let error):
            ["55P03", "40P01"].contains(error.sqlstate)
        case .connection, .file, .noFiles, .busy, .refused: false
        }
    }
}
