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
        // insufficient_privilege
        case .record(let error) where error.sqlstate == "42501":
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
