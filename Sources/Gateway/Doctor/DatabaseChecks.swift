/// What the doctor has asked the database, and what it thinks of the answers.
package enum DatabaseChecks {
    /// What the gateway's statements and the triggers need.
    static let versionMin = 140_000
    /// Three sessions for each process: one listens, one asks, one reads the event log.
    static let sessionsPerProcess = 3

    /// `version` as `server_version_num` has it, 150004 for 15.4.
    package static func version(_ version: Int) -> Finding {
        let subject = "PostgreSQL"
        let fact = "version \(version / 10_000).\(version % 10_000)"
        guard version < versionMin else { return .ok(subject, fact) }
        return .failure(subject, fact, "14 or newer is needed")
    }

    package static func standby(isInRecovery: Bool) -> Finding {
        let subject = "primary server"
        guard isInRecovery else { return .ok(subject, "yes") }
        return .failure(
            subject, "no, a standby, which refuses LISTEN and NOTIFY",
            "name the primary in DATABASE_URL, or several hosts with target_session_attrs=read-write"
        )
    }

    /// What became of a notification from one session to another.
    package enum RoundTrip: Equatable, Sendable {
        case heard(microseconds: UInt64)
        case lost
    }

    /// - Parameter isPooled: something between us and the server gave us another backend's id.
    package static func roundTrip(_ outcome: RoundTrip, isPooled: Bool) -> Finding {
        let subject = "LISTEN"
        switch outcome {
        case .heard(let microseconds):
            let fact = "a notification came back after \(microseconds) µs"
            guard isPooled else { return .ok(subject, fact) }
            return .warning(
                subject, "\(fact), through a pooler",
                "connect to PostgreSQL itself; pools in session mode gain nothing here")
        case .lost where isPooled:
            return .failure(
                subject, "a notification didn't come back: a pooler in transaction mode is between",
                "connect to PostgreSQL itself, or to a pool in session mode")
        case .lost:
            return .failure(
                subject, "a notification didn't come back",
                "find out what is between the gateway and PostgreSQL")
        }
    }

    /// A table and what its triggers fire on, as pg_trigger.tgtype has it.
    package struct TableTriggers: Equatable, Sendable {
        package let table: String
        package let exists: Bool
        /// Bits of the triggers that fire in ordinary sessions, and of those that don't.
        package let enabled: Int
        package let disabled: Int
        /// The function of TRUNCATE's triggers is there: the gateway takes a table without one for silent.
        package var needsTruncation = false
        /// The function is there that notes what foreign keys change, and no trigger of it.
        package var lacksCascade = false
        package var isCascadeDisabled = false

        package init(table: String, exists: Bool, enabled: Int, disabled: Int) {
            self.table = table
            self.exists = exists
            self.enabled = enabled
            self.disabled = disabled
        }
    }

    /// An event and its bit in pg_trigger.tgtype (PostgreSQL's pg_trigger.h).
    private static let events = [("INSERT", 4), ("UPDATE", 16), ("DELETE", 8), ("TRUNCATE", 32)]

    /// - Parameter isRecorded: `migrate` has recorded files, and leaves those alone.
    private static func migration(isRecorded: Bool) -> String {
        "run devhive-gateway migrate" + (isRecorded ? " --again" : "")
    }

    /// - Parameter isRecorded: whether `migrate` was there before.
    package static func triggers(_ found: TableTriggers, isRecorded: Bool) -> Finding {
        let subject = "triggers of \(found.table)"
        guard found.exists else {
            return .failure(subject, "the table isn't there", migration(isRecorded: isRecorded))
        }
        let missing = events.filter { found.enabled & $0.1 == 0 }
        guard let worst = missing.first else {
            guard !found.isCascadeDisabled else {
                return .failure(
                    subject,
                    "disabled for what foreign keys change: that has an origin that doesn't know of it",
                    "ALTER TABLE \(found.table) ENABLE TRIGGER USER")
            }
            guard !found.lacksCascade else {
                return .warning(
                    subject,
                    "none for what foreign keys change: that has an origin that doesn't know of it",
                    migration(isRecorded: isRecorded))
            }
            return .ok(subject, "present and enabled")
        }
        let names = missing.map(\.0).joined(separator: ", ")
        if missing.contains(where: { found.disabled & $0.1 != 0 }) {
            return .failure(
                subject, "disabled for \(names)",
                "ALTER TABLE \(found.table) ENABLE TRIGGER USER")
        }
        // The triggers of older versions knew no TRUNCATE.
        if worst.0 == "TRUNCATE", !found.needsTruncation {
            return .warning(subject, "none for TRUNCATE", migration(isRecorded: isRecorded))
        }
        return .failure(subject, "none for \(names)", migration(isRecorded: isRecorded))
    }

    /// How many disabled triggers are named.
    static let disabledTriggersMax = 10

    /// - Parameter disabled: triggers of ours on partitions, and on tables besides the four, with their tables; one more than
    ///   is named when there are more.
    /// - Parameter areSeen: there are no more tables with the trigger than gateways look at.
    package static func otherTriggers(disabled: [String], areSeen: Bool = true) -> Finding {
        let subject = "triggers of other tables, and of partitions"
        guard !disabled.isEmpty else { return .ok(subject, "none is disabled") }
        let names = disabled.prefix(disabledTriggersMax).joined(separator: ", ")
        let rest = disabled.count > disabledTriggersMax ? ", and others" : ""
        return .failure(
            subject,
            "disabled: \(names)\(rest): nobody is told of all that changes there"
                + (areSeen ? ", and nobody can resume" : ""),
            "ALTER TABLE … ENABLE TRIGGER, or DROP TRIGGER where nothing is to be announced")
    }

    /// - Parameter total: names of tables with the trigger, the four among them.
    package static func tables(_ total: Int) -> Finding {
        let subject = "tables with the trigger"
        guard total > Limits.resourcesMax else {
            return .ok(subject, "\(total), and a resync names each")
        }
        let unseen =
            total > DatabaseLimits.tablesMax
            ? "; whether those beyond \(DatabaseLimits.tablesMax) announce is not looked at" : ""
        return .failure(
            subject,
            "\(total), of which a resync names \(Limits.resourcesMax), the first by name: of the others nobody"
                + " is told to fetch again when something may have been missed\(unseen)",
            "DROP TRIGGER on tables that no client shows")
    }

    /// What the gateway's role may do.
    package struct Role: Equatable, Sendable {
        package let name: String
        package let isSuperuser: Bool
        package let readsMembers: Bool
        /// Row-level security chooses the members that it sees.
        package let seesSomeMembers: Bool

        package init(
            name: String, isSuperuser: Bool, readsMembers: Bool, seesSomeMembers: Bool
        ) {
            self.name = name
            self.isSuperuser = isSuperuser
            self.readsMembers = readsMembers
            self.seesSomeMembers = seesSomeMembers
        }
    }

    /// - Parameter checksMembership: whether the gateway will ask who is a member.
    package static func role(_ role: Role, checksMembership: Bool) -> Finding {
        let subject = "role"
        guard role.readsMembers || !checksMembership else {
            return .failure(
                subject, "\(role.name) may not read project_members",
                "GRANT SELECT ON project_members TO it: nobody can look at a project without")
        }
        guard !role.isSuperuser else {
            return .warning(
                subject, "\(role.name) is a superuser",
                "use one with CONNECT on the database and SELECT on project_members")
        }
        guard !role.seesSomeMembers || !checksMembership else {
            return .warning(
                subject, "row-level security decides which project_members \(role.name) sees",
                "give it BYPASSRLS, or a policy FOR SELECT USING (true): who is hidden is no member"
            )
        }
        return .ok(subject, "\(role.name) has what is needed")
    }

    /// What there is of the event log.
    package struct EventLogFacts: Equatable, Sendable {
        package let isInstalled: Bool
        package let mayRead: Bool
        package let mayPrune: Bool
        /// It isn't what `migrate` made: another owner than that of the triggers' functions, or no table.
        package let isForeign: Bool
        /// Those of its tables that have row-level security, in words; empty when none has.
        package var guardedTables = ""
        /// That hides rows from this role, or from the triggers' functions.
        package var isHidden = false
        /// A crash of PostgreSQL empties it.
        package var isUnlogged = false
        /// Whoever removes some of it makes the cursors below expire: it has its triggers.
        package var notesRemovals = true
        /// Whether PostgreSQL believes that it has rules, as it does until VACUUM when they were dropped.
        package var hasRules = false
        /// By how much the oldest event is older than it should get, in seconds.
        package var overdueSeconds = 0

        package init(isInstalled: Bool, mayRead: Bool, mayPrune: Bool, isForeign: Bool = false) {
            self.isInstalled = isInstalled
            self.mayRead = mayRead
            self.mayPrune = mayPrune
            self.isForeign = isForeign
        }

        /// Whether the gateway reads it.
        package var isReadable: Bool {
            isInstalled && mayRead && !isForeign && !hasRules && !isHidden
        }
    }

    /// - Parameter isRecorded: whether `migrate` was there before.
    package static func eventLog(_ facts: EventLogFacts, isRecorded: Bool) -> Finding {
        let subject = "event log"
        guard facts.isInstalled else {
            return .warning(
                subject, "not installed: whoever was away fetches everything again",
                migration(isRecorded: isRecorded) + ", or leave it so")
        }
        guard !facts.isForeign else {
            return .failure(
                subject,
                "it does not belong to the owner of the triggers' functions, so it is not used",
                "find out who made it, drop it, and " + migration(isRecorded: isRecorded))
        }
        guard !facts.hasRules else {
            return .failure(
                subject,
                "it has rules, or had some since it was last vacuumed, so it is not used",
                "DROP RULE, then VACUUM cache_events, cache_events_horizon")
        }
        guard facts.mayRead else {
            return .failure(
                subject, "the role may not read it",
                "GRANT SELECT, DELETE ON cache_events and SELECT, UPDATE ON cache_events_horizon TO it"
            )
        }
        guard !facts.isHidden else {
            return .failure(
                subject,
                "row-level security on \(facts.guardedTables) may hide its rows, so it is not used",
                "ALTER TABLE … DISABLE ROW LEVEL SECURITY, or give this role BYPASSRLS and"
                    + " NO FORCE ROW LEVEL SECURITY to the tables")
        }
        guard !facts.isUnlogged else {
            return .failure(
                subject, "it is unlogged: a crash of PostgreSQL would empty it, so it is not used",
                "ALTER TABLE cache_events, and cache_events_horizon, SET LOGGED")
        }
        guard facts.mayPrune else {
            return .warning(
                subject, "the role may not prune it, so it grows",
                "GRANT DELETE ON cache_events and UPDATE ON cache_events_horizon TO it")
        }
        guard facts.notesRemovals else {
            return .warning(
                subject,
                "its triggers are missing or disabled: who resumes may miss what somebody deleted",
                "ALTER TABLE cache_events ENABLE TRIGGER USER, or "
                    + migration(isRecorded: isRecorded))
        }
        guard facts.overdueSeconds < overdueSecondsMax else {
            return .warning(
                subject,
                "its oldest event should be gone for \(facts.overdueSeconds) s: nobody prunes",
                "look for \"pruning\" in the log of a running gateway, and for sessions that hold a"
                    + " lock on cache_events_horizon")
        }
        return .ok(subject, "installed, readable, prunable")
    }

    static let directSubject = "direct messages"

    /// Whether there are direct messages, and the role may do what the gateway does with them.
    package static func directMessages(_ state: EventLogState) -> Finding {
        let subject = directSubject
        switch state {
        case .usable: return .ok(subject, "installed, and this role may use them")
        case .unknown, .absent:
            return .ok(subject, "not installed, or not by the owner of the triggers' functions")
        case .forbidden:
            return .warning(
                subject, "the role may not use them, so there are none",
                "GRANT SELECT, UPDATE, DELETE ON devhive_direct_messages and EXECUTE ON FUNCTION"
                    + " devhive_send_direct TO it")
        case .hidden:
            return .warning(
                subject, "row-level security may hide them, so they are not used",
                "ALTER TABLE devhive_direct_messages DISABLE ROW LEVEL SECURITY")
        case .unlogged:
            return .warning(
                subject, "a crash of PostgreSQL would empty their table, so it is not used",
                "ALTER TABLE devhive_direct_messages SET LOGGED")
        }
    }

    /// - Parameter tables: ours whose own owner is subject to their row-level security.
    package static func forcedRowSecurity(_ tables: [String]) -> Finding {
        let subject = "row-level security"
        guard !tables.isEmpty else {
            return .ok(subject, "does not bind the triggers' functions")
        }
        return .failure(
            subject,
            "\(tables.joined(separator: ", ")): FORCE hides rows from the triggers' functions, so that"
                + " TRUNCATE is announced to nobody, and makes every cursor expire",
            "ALTER TABLE … NO FORCE ROW LEVEL SECURITY")
    }

    /// Gateways prune once a minute, 2,000 rows a second when there is much.
    static let overdueSecondsMax = 600

    /// What the triggers couldn't do.
    package static func announcements(failures: UInt64, losses: UInt64) -> Finding {
        let subject = "announcements"
        guard failures > 0 || losses > 0 else { return .ok(subject, "none has failed") }
        return .warning(
            subject,
            "\(failures) could not be by the row's id, \(losses) reached not everybody or the event log",
            "look for \"could not be\" in PostgreSQL's log, mend the table's columns or start its"
                + " sessions anew, then SELECT setval('cache_failures', 1, false),"
                + " setval('cache_losses', 1, false)")
    }

    /// - Parameter timeouts: those that are on for the role, with their values.
    package static func timeouts(_ timeouts: [String]) -> Finding {
        let subject = "session timeouts"
        guard !timeouts.isEmpty else { return .ok(subject, "none") }
        return .ok(
            subject,
            timeouts.joined(separator: ", ") + ": the gateway sets its own for its sessions")
    }

    /// - Parameters:
    ///   - name: of the transaction, and where it is; `nil` when there is none that writes.
    ///   - seconds: how long it has been going on; `nil` when this role may not see that.
    package static func oldestWriter(
        _ name: String?, isPrepared: Bool, seconds: Int?
    ) -> Finding {
        let subject = "oldest transaction that writes"
        guard let name else { return .ok(subject, "none that this role may see") }
        guard let seconds else {
            return .ok(
                subject,
                "\(name): since when, a role without pg_read_all_stats may not see"
                    + " (devhive_cursor_age_seconds tells)")
        }
        let fact = "\(name), since \(seconds) s"
        guard seconds >= oldWriterSeconds else { return .ok(subject, fact) }
        return .warning(
            subject,
            fact + ": every cursor stays behind it, and when it is older than events are kept"
                + " nobody can resume",
            isPrepared
                ? "COMMIT PREPARED or ROLLBACK PREPARED it in its database" : "end it")
    }

    /// A transaction of this age is a mistake more often than work.
    static let oldWriterSeconds = 300

    /// - Parameter missing: columns without which the triggers can't announce a row by its id.
    package static func columns(_ missing: [String]) -> Finding {
        let subject = "columns"
        guard !missing.isEmpty else {
            return .ok(subject, "those that the triggers need are there")
        }
        return .failure(
            subject,
            "\(missing.joined(separator: ", ")) not there: each write warns, and everybody is"
                + " told to fetch anew",
            "name them so again, or DROP the triggers")
    }

    /// - Parameter failure: what came of a question as `serve` asks it; `nil` when it was answered.
    package static func question(_ subject: String, failure: String?, advice: String) -> Finding {
        guard let failure else { return .ok(subject, "answered as serve asks") }
        return .failure(subject, failure, advice)
    }

    /// - Parameters:
    ///   - free: sessions that the server, and the role's limit, have left.
    ///   - workers: processes.
    ///   - meetsOthers: whether each process has one more, by which it hears those of other hosts.
    package static func sessions(
        free: Int, workers: Int, meetsOthers: Bool = false
    ) -> Finding {
        let subject = "database sessions"
        let needed = workers * (sessionsPerProcess + (meetsOthers ? 1 : 0))
        let fact = "\(free) free, \(needed) needed"
        guard free < needed else { return .ok(subject, fact) }
        return .failure(
            subject, fact,
            "raise max_connections or the role's CONNECTION LIMIT, or use fewer --workers")
    }

    /// Beyond it, latencies from commit to socket say nothing, and tokens expire early or late.
    static let skewMillisecondsMax: Int64 = 1_000

    /// - Parameters:
    ///   - microseconds: how far the database's clock is ahead of ours.
    ///   - uncertainty: the time that asking took.
    package static func clock(aheadBy microseconds: Int64, uncertainty: Int64) -> Finding {
        let subject = "clock"
        let milliseconds = microseconds / 1_000
        let direction = milliseconds < 0 ? "behind" : "ahead of"
        let fact =
            "the database's is \(milliseconds.magnitude) ms \(direction) ours, give or take"
            + " \(uncertainty / 2_000 + 1) ms"
        guard milliseconds.magnitude > UInt64(skewMillisecondsMax) else {
            return .ok(subject, fact)
        }
        return .warning(subject, fact, "run an NTP client on both hosts")
    }

    /// pg_notification_queue_usage(), in parts per thousand. At 1,000 commits that notify fail.
    package static func queue(permille: Int) -> Finding {
        let subject = "notification queue"
        let fact = "\(permille / 10).\(permille % 10) % full"
        if permille >= 700 { return .failure(subject, fact, EventLog.queueAdvice) }
        if permille >= 300 { return .warning(subject, fact, EventLog.queueAdvice) }
        return .ok(subject, fact)
    }
}
