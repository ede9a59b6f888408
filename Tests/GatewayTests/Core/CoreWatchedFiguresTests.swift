import Gateway
import GatewayHarness
import Logging
import Reactor
import Testing

/// What operators are told of what was found out about the database: a line in the log, one of
/// `/readyz?verbose`, and figures.
@Suite struct CoreWatchedFigures {
    /// A gateway for one operator, and the pipe that its log goes to.
    private struct Watched: ~Copyable {
        var harness: CoreHarness
        let pipe = LinePipe()

        init(checksMembership: Bool = false, level: Logger.Level = .warning) throws {
            harness = try CoreHarness(checksMembership: checksMembership)
            harness.core.log = EventLog(format: .text, level: level, output: pipe.output)
        }

        /// The lines of an answer that isn't refused for its path.
        mutating func lines(of path: String) throws -> [Substring] {
            let client = try harness.connect(to: .admin)
            harness.receive(
                Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: client)
            harness.settle()
            return String(decoding: harness.sockets[client].taken, as: UTF8.self)
                .split(separator: "\n")
        }

        mutating func metrics() throws -> [Substring] { try lines(of: "/metrics") }
        mutating func readiness() throws -> [Substring] { try lines(of: "/readyz?verbose") }
    }

    @Test func `cursors that stand are told of, and warned of after ten minutes`() throws {
        var watched = try Watched()
        func state(_ seconds: UInt64) -> DatabaseState {
            DatabaseState(
                begin: Cursor(transaction: 100), end: Cursor(transaction: 107),
                oldestWriterSeconds: seconds)
        }
        watched.harness.core.databaseIs(state(599))
        #expect(watched.pipe.lines() == [])
        let early = try watched.readiness()
        #expect(early.contains("[i] cursors are held back for 599 s, by 7 transactions"))
        watched.harness.core.databaseIs(state(600))
        let lines = watched.pipe.lines()
        #expect(lines.count == 1)
        #expect(lines.first?.contains("Z warning cursors are held back advice=") == true)
        #expect(lines.first?.hasSuffix(" seconds=600 transactions=7") == true)
        let late = try watched.readiness()
        #expect(late.contains("[!] cursors are held back for 600 s, by 7 transactions"))
        let metrics = try watched.metrics()
        #expect(metrics.contains("devhive_cursor_age_seconds 600"))
        #expect(metrics.contains("devhive_cursor_lag_transactions 7"))
    }

    @Test func `an event log that nobody prunes is warned of after a quarter of an hour`() throws {
        var watched = try Watched()
        watched.harness.core.eventLogIsOverdue(seconds: 899)
        #expect(watched.pipe.lines() == [])
        let early = try watched.readiness()
        #expect(!early.contains { $0.contains("pruned") })
        let first = try watched.metrics()
        #expect(first.contains("devhive_event_log_overdue_seconds 899"))
        watched.harness.core.eventLogIsOverdue(seconds: 900)
        let lines = watched.pipe.lines()
        #expect(lines.count == 1)
        #expect(lines.first?.contains("Z warning event log isn't pruned advice=") == true)
        #expect(lines.first?.hasSuffix(" overdue_seconds=900") == true)
        let late = try watched.readiness()
        #expect(late.contains("[!] event log isn't pruned, overdue by 900 s"))
        let second = try watched.metrics()
        #expect(second.contains("devhive_event_log_overdue_seconds 900"))
        watched.harness.core.eventLogIsOverdue(seconds: 0)
        let pruned = try watched.readiness()
        #expect(!pruned.contains { $0.contains("pruned") })
    }

    @Test func `tables that announce nothing are told of, at the first look too`() throws {
        var watched = try Watched()
        var tables = AnnouncedTables()
        for name in ["project_members", "projects"] { tables.add(name, mark: "1") }
        for name in ["sprints", "tasks"] { tables.add(name, mark: nil) }
        watched.harness.core.tablesAre(tables)
        watched.harness.core.tablesAre(tables)
        let lines = watched.pipe.lines()
        #expect(lines.count == 1, "once")
        #expect(lines.first?.contains("Z warning tables don't announce everything advice=") == true)
        #expect(lines.first?.hasSuffix(#" tables="sprints, tasks""#) == true)
        let readiness = try watched.readiness()
        #expect(readiness.contains("[!] tables that don't announce everything: sprints, tasks"))
        let metrics = try watched.metrics()
        #expect(metrics.contains("devhive_tables_silent 2"))
    }

    @Test func `more tables than a resync names are told of, once for each number`() throws {
        var watched = try Watched()
        func tables(_ count: Int) -> AnnouncedTables {
            var tables = AnnouncedTables(total: count)
            for number in 0..<min(count, DatabaseLimits.tablesMax) {
                tables.add("table_\(number)", mark: "1")
            }
            return tables
        }
        // Those that are new are a resync, and no turn is the last while that is due.
        for count in [64, 65, 65, 300, 64] {
            watched.harness.core.tablesAre(tables(count))
            watched.harness.core.continueResync()
        }
        let lines = watched.pipe.lines().filter { $0.contains("doesn't name all tables") }
        #expect(lines.count == 2)
        #expect(lines.first?.hasSuffix(" named=64 tables=65") == true)
        let few = try watched.readiness()
        #expect(!few.contains { $0.contains("resync names") })
        watched.harness.core.tablesAre(tables(300))
        watched.harness.core.continueResync()
        let many = try watched.readiness()
        #expect(
            many.contains(
                "[!] 300 tables have the trigger, and a resync names 64 of them; those beyond 256 aren't looked at"
            ))
    }

    @Test func `names of tables make no line and turn none around`() throws {
        var watched = try Watched()
        var tables = AnnouncedTables()
        tables.add("a\n[+] b\u{202E}\u{85}", mark: nil)
        watched.harness.core.tablesAre(tables)
        #expect(
            watched.pipe.lines().first?.hasSuffix(#" tables="a\n[+] b\u202e\u0085""#) == true)
        let readiness = try watched.readiness()
        #expect(
            readiness.contains(#"[!] tables that don't announce everything: a\n[+] b\u202e\u0085"#))
    }

    /// Where members can't be asked for nobody is let in, and not a word of it was in the log.
    @Test func `why memberships can't be checked is said when it is known, where they would be`()
        throws
    {
        var watched = try Watched(checksMembership: true, level: .info)
        for fault in ["is not there", "is not there", nil, nil] as [String?] {
            watched.harness.core.membersAre(fault: fault)
        }
        let lines = watched.pipe.lines()
        #expect(lines.count == 2)
        #expect(lines.first?.contains("Z error memberships can't be checked advice=") == true)
        #expect(lines.first?.hasSuffix(#" error="project_members is not there""#) == true)
        #expect(lines.last?.hasSuffix("Z notice memberships can be checked") == true)
        var unchecked = try Watched(level: .info)
        unchecked.harness.core.membersAre(fault: "is not there")
        #expect(unchecked.pipe.lines() == [])
    }
}
