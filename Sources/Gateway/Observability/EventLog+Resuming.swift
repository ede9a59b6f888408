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
        if state == .hidden {
            metadata["advice"] = """
                DISABLE ROW LEVEL SECURITY on cache_events and cache_events_horizon, or give the \
                gateway's role BYPASSRLS
                """
        }
        if state == .unlogged {
            metadata["advice"] = "ALTER TABLE cache_events, and cache_events_horizon, SET LOGGED"
        }
        let isUseless = state == .forbidden || state == .hidden || state == .unlogged
        write(isUseless ? .warning : .notice, "event log", metadata)
    }

    /// Whether there are direct messages has turned out, or changed.
    package func directIs(_ state: EventLogState) {
        var metadata: Logger.Metadata = ["state": .string("\(state.text)")]
        if state == .forbidden {
            metadata["advice"] = """
                GRANT SELECT, UPDATE, DELETE ON devhive_direct_messages and EXECUTE ON FUNCTION \
                devhive_send_direct to the gateway's role
                """
        }
        if state == .hidden {
            metadata["advice"] = """
                DISABLE ROW LEVEL SECURITY on devhive_direct_messages, or give the gateway's role \
                BYPASSRLS
                """
        }
        if state == .unlogged {
            metadata["advice"] = "ALTER TABLE devhive_direct_messages SET LOGGED"
        }
        let isUseless = state == .forbidden || state == .hidden || state == .unlogged
        write(isUseless ? .warning : .notice, "direct messages", metadata)
    }

    /// The listener is back, and what was announced meanwhile is being read.
    package func catchingUp(projects: Int) {
        write(.notice, "catching up", ["projects": .stringConvertible(projects)])
    }

    /// Every project gets a resync instead.
    package func gaveUpCatchingUp() {
        write(.warning, "gave up catching up")
    }

    /// Notifications came faster than they can be acted on: every project gets a resync.
    package mutating func notificationsDropped(count: Int, at now: Instant) {
        guard let suppressed = admit(.databaseTrouble, at: now) else { return }
        write(
            .warning, "notifications dropped",
            [
                "count": .stringConvertible(count),
                "advice": "look for who changes or announces so much at once",
            ],
            suppressed: suppressed)
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

// What is wrong in the database, and isn't the connection's fault.
extension EventLog {
    /// Triggers failed, as they count themselves: what they couldn't name, clients were told to fetch
    /// all of; of what was lost, everybody is told so now.
    package mutating func triggersFailed(failures: UInt64, losses: UInt64, at now: Instant) {
        guard let suppressed = admit(.databaseTrouble, at: now) else { return }
        write(
            .warning, "triggers failed",
            [
                "failures": .stringConvertible(failures), "losses": .stringConvertible(losses),
                "advice": "devhive-gateway doctor tries what they do, and says what is wrong",
            ],
            suppressed: suppressed)
    }

    static let cursorAdvice =
        "end the oldest transaction, of any database of the server: pg_prepared_xacts (ROLLBACK"
        + " PREPARED), or pg_stat_activity by xact_start where backend_xid is set"

    /// Some transaction has gone on for long, and whoever resumes reads again what came since.
    package mutating func cursorStands(seconds: UInt64, transactions: UInt64, at now: Instant) {
        guard let suppressed = admit(.databaseTrouble, at: now) else { return }
        write(
            .warning, "cursors are held back",
            [
                "seconds": .stringConvertible(seconds),
                "transactions": .stringConvertible(transactions),
                "advice": .string(Self.cursorAdvice),
            ],
            suppressed: suppressed)
    }

    static let silenceAdvice =
        "run devhive-gateway migrate --again, or ALTER TABLE ... ENABLE TRIGGER, or DROP TRIGGER where nothing"
        + " is to be announced; devhive-gateway doctor names them"

    /// Tables of the schema don't announce all their changes: some trigger of theirs, or of a partition, is missing or
    /// disabled.
    package func tablesAreSilent(_ names: [String]) {
        write(
            .warning, "tables don't announce everything",
            [
                "tables": .string(names.joined(separator: ", ")),
                "advice": .string(Self.silenceAdvice),
            ])
    }

    static let namingAdvice =
        "DROP TRIGGER on tables that no client shows: of those beyond the first by name nobody is told to fetch"
        + " again when something may have been missed"

    /// More tables have the trigger than a resync names.
    package func tablesAreUnnamed(total: Int) {
        write(
            .warning, "a resync doesn't name all tables",
            [
                "tables": .stringConvertible(total),
                "named": .stringConvertible(Limits.resourcesMax),
                "advice": .string(Self.namingAdvice),
            ])
    }

    /// They do again, and everybody is told to fetch again what wasn't heard.
    package func tablesAnnounceAgain(_ names: [String]) {
        write(
            .notice, "tables announce again",
            ["tables": .string(names.joined(separator: ", "))])
    }

    static let membersAdvice =
        "devhive-gateway doctor says what is missing, and pg_locks who locks the table; until then nobody"
        + " is let in"

    /// Whether memberships can be asked for has turned out, or changed.
    package func membersAre(fault: String?) {
        guard let fault else {
            write(.notice, "memberships can be checked")
            return
        }
        write(
            .error, "memberships can't be checked",
            [
                "error": .string("project_members \(fault)"),
                "advice": .string(Self.membersAdvice),
            ])
    }

    static let overdueAdvice =
        "end the session that locks cache_events_horizon, and give the gateway's role what"
        + " devhive-gateway doctor says it lacks"

    /// Nobody deletes what the event log should have forgotten.
    package mutating func eventLogIsOverdue(seconds: UInt64, at now: Instant) {
        guard let suppressed = admit(.databaseTrouble, at: now) else { return }
        write(
            .warning, "event log isn't pruned",
            [
                "overdue_seconds": .stringConvertible(seconds),
                "advice": .string(Self.overdueAdvice),
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
        case "42883":  // undefined_function, which an operator is too
            "run devhive-gateway migrate --again: our functions compare the columns of project_members by the types"
                + " that those had"
        case "53300":  // too_many_connections
            "raise max_connections or the role's CONNECTION LIMIT"
        default: nil
        }
    }
}
