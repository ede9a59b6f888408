internal import Logging
package import Reactor

/// What keeps clients from missing anything: the event log, canaries, the queue of notifications.
extension EventLog {
    /// Whether missed events can be read has turned out, or changed.
    package func eventLogIs(_ state: EventLogState) {
        var metadata: Logger.Metadata = ["state": .string("\(state.text)")]
        if state == .forbidden {
            metadata["advice"] = """
                GRANT SELECT, DELETE ON cache_events and SELECT, UPDATE ON cache_events_horizon to \
                the gateway's role
                """
        }
        write(state == .forbidden ? .warning : .notice, "event log", metadata)
    }

    /// The listener is back, and what was announced meanwhile is being read.
    package func catchingUp(projects: Int) {
        write(.notice, "catching up", ["projects": .stringConvertible(projects)])
    }

    /// Every project gets a resync instead.
    package func gaveUpCatchingUp() {
        write(.warning, "gave up catching up")
    }

    /// A statement was refused that the gateway needs all the time.
    package mutating func refused(_ what: String, _ error: PostgresError, at now: Instant) {
        guard let suppressed = admit(.databaseTrouble, at: now) else { return }
        var metadata: Logger.Metadata = [
            "what": .string(what), "error": .string(error.description),
        ]
        if let advice = error.advice { metadata["advice"] = .string(advice) }
        write(.warning, "statement refused", metadata, suppressed: suppressed)
    }

    /// What an operator can do about a queue of notifications that fills up.
    static let queueAdvice =
        "end the session that LISTENs in an old transaction: SELECT pid, xact_start FROM"
        + " pg_stat_activity ORDER BY 2"

    /// The queue of notifications is filling up: some session listens and doesn't read.
    package mutating func queueFillsUp(percent: UInt64, at now: Instant) {
        guard let suppressed = admit(.databaseTrouble, at: now) else { return }
        write(
            .warning, "notification queue fills up",
            [
                "percent": .stringConvertible(percent),
                "advice": .string(Self.queueAdvice),
            ],
            suppressed: suppressed)
    }
}

extension PostgresError {
    /// What an operator can do about the errors that a wrong server or role causes; `nil` for
    /// others. The codes are those of appendix A of PostgreSQL's manual.
    package var advice: String? {
        switch sqlstate {
        case "25006":  // read_only_sql_transaction
            "a standby refuses LISTEN and NOTIFY: name the primary in DATABASE_URL, or several hosts"
                + " with target_session_attrs=read-write"
        case "42501":  // insufficient_privilege
            "give the gateway's role what devhive-gateway doctor says it lacks"
        case "28P01", "28000":  // invalid_password, invalid_authorization_specification
            "correct the user and the password in DATABASE_URL, or pg_hba.conf"
        case "3D000":  // invalid_catalog_name
            "correct the database in DATABASE_URL, or create it"
        case "42P01":  // undefined_table
            "run devhive-gateway migrate, or correct the database or search_path in DATABASE_URL"
        case "53300":  // too_many_connections
            "raise max_connections or the role's CONNECTION LIMIT"
        default: nil
        }
    }
}
