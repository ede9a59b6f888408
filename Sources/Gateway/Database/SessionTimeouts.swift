internal import Reactor

/// The server's timeouts of our sessions, whatever the role or the database was given: their ends would be
/// taken for a database that comes and goes.
///
/// They are set by each session's first statement. Options in the startup packet would be in force
/// earlier, but PgBouncer refuses a connection that has some, and there a pool in session mode is fine. A
/// timeout so short that it ends this statement makes it be sent again.
enum SessionTimeouts {
    /// Those of every version. The statements' own bound comes in their place.
    private static let values = [
        ("statement_timeout", "\(DatabaseLimits.serverTimeoutMilliseconds)"),
        ("lock_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ]
    /// Since PostgreSQL 17.
    private static let latest = "transaction_timeout"
    private static let latestVersion: Int32 = 170_000

    /// For the list of a SELECT: each sets one.
    static let expressions =
        values.map { "pg_catalog.set_config('\($0.0)', '\($0.1)', false)" }.joined(
            separator: ",\n    ")
            + """
            ,
                CASE WHEN pg_catalog.current_setting('\(latest)', true) IS NOT NULL
                    THEN pg_catalog.set_config('\(latest)', '0', false) END
            """

    /// The same as statements, for a session that runs no queries.
    static func statements(serverVersion: Int32) -> String {
        var names = values.map(\.0)
        if serverVersion >= latestVersion { names.append(latest) }
        return names.map { "SET \($0) = 0" }.joined(separator: "; ")
    }
}

extension PostgresError {
    /// query_canceled, which a timeout of the server's is, and lock_not_available.
    var isCancellation: Bool { sqlstate == "57014" || sqlstate == "55P03" }
    /// Classes of what isn't there or isn't what it was: tables, columns, types, names, and plans of them.
    var isAboutSchema: Bool {
        sqlstate.map { ["0A", "26", "42"].contains($0.prefix(2)) } ?? false
    }
    /// insufficient_privilege.
    var isAboutRights: Bool { sqlstate == "42501" }
}

extension BlockingPostgresConnection {
    /// Pins the search_path and sets the timeouts, and returns the path that the session was given.
    mutating func pinSettings() throws(PostgresError) -> String {
        var repeatsLeft = DatabaseLimits.settingRepeatsMax
        while true {
            do throws(PostgresError) {
                return try query(SearchPath.pin).text(row: 0, column: 0)
            } catch {
                guard error.isCancellation, repeatsLeft > 0 else { throw error }
                repeatsLeft -= 1
            }
        }
    }
}
