import Gateway
import Reactor
import Testing

/// What isn't announced, and what isn't true.
@Suite struct CoreWatching {
    private static func harness(
        _ users: ClosedRange<UInt64> = 1...2, recheckSeconds: UInt64? = nil
    ) throws -> CoreHarness {
        var harness = try CoreHarness(
            checksMembership: true, membershipRecheckSeconds: recheckSeconds)
        for user in users { harness.database.add(user, to: 1) }
        return harness
    }

    private static func story(of client: Int, in harness: borrowing CoreHarness) -> [String] {
        harness.stream(of: client).texts.compactMap { text in
            if text.contains(#""RESYNC""#) { return text.contains("tasks") ? "resync" : nil }
            if text.contains("membership_revoked") { return "membership_revoked" }
            if text.contains("project_deleted") { return "project_deleted" }
            return text.contains("cache_invalidate") ? "event" : nil
        }
    }

    private static func tables(_ mark: String?) -> AnnouncedTables {
        var tables = AnnouncedTables()
        for name in ["project_members", "projects", "sprints"] { tables.add(name, mark: "1") }
        tables.add("tasks", mark: mark)
        return tables
    }

    // MARK: What isn't announced

    @Test func `after changes were lost everybody fetches again, but who isn't a member`() throws {
        var harness = try Self.harness()
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        harness.core.databaseIs(DatabaseState())
        harness.database.remove(2, from: 1)  // Nobody hears of it.
        harness.core.databaseIs(DatabaseState(triggerLosses: 1))
        harness.settle()
        #expect(Self.story(of: clients[0], in: harness) == ["resync"])
        #expect(Self.story(of: clients[1], in: harness) == ["membership_revoked"])
    }

    @Test func `a table that announces again is a resync, and one that was switched too`() throws {
        var harness = try Self.harness()
        let client = try harness.open(user: 1, project: 1)
        harness.core.tablesAre(Self.tables("1"))
        harness.core.tablesAre(Self.tables(nil))
        harness.core.continueResync()
        harness.settle()
        #expect(Self.story(of: client, in: harness) == [])
        harness.core.tablesAre(Self.tables("1"))
        harness.core.continueResync()
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["resync"])
        harness.core.tablesAre(Self.tables("2"))
        harness.core.continueResync()
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["resync", "resync"])
    }

    /// The resources that resyncs name, in order.
    private static func resynced(_ client: Int, in harness: borrowing CoreHarness) -> [String] {
        harness.stream(of: client).texts.filter { $0.contains(#""RESYNC""#) }.compactMap { text in
            (["project_members", "projects", "sprints", "tasks", "notes"] as [String]).first {
                text.contains("\"\($0)\"")
            }
        }
    }

    private static func tables(_ marks: [String: String]) -> AnnouncedTables {
        var tables = AnnouncedTables()
        for name in ["project_members", "projects", "sprints", "tasks"] {
            tables.add(name, mark: marks[name] ?? "1")
        }
        if let mark = marks["notes"] { tables.add("notes", mark: mark) }
        return tables
    }

    @Test func `a resync names the tables that announce again, and events stay where they were`()
        throws
    {
        var harness = try Self.harness(1...3)
        let client = try harness.open(user: 1, project: 1)
        harness.core.tablesAre(Self.tables([:]))
        let questions = harness.database.asked.count
        harness.notify(event: 1, project: 1)
        harness.core.tablesAre(Self.tables(["notes": "1"]))
        harness.notify(event: 2, project: 1)
        harness.core.continueResync()
        harness.settle()
        #expect(Self.resynced(client, in: harness) == ["notes"])
        let texts = harness.stream(of: client).texts
        #expect(texts.count { $0.contains("cache_invalidate") } == 3)
        #expect(harness.database.asked.count == questions, "memberships are left alone")
        // Two at once, and one more before the first has been said.
        harness.core.tablesAre(Self.tables(["notes": "2", "tasks": "2"]))
        harness.core.tablesAre(Self.tables(["notes": "2", "tasks": "2", "sprints": "2"]))
        harness.core.continueResync()
        harness.settle()
        #expect(
            Set(Self.resynced(client, in: harness).dropFirst()) == ["notes", "tasks", "sprints"])
        harness.core.tablesAre(Self.tables(["project_members": "2"]))
        harness.core.continueResync()
        harness.settle()
        #expect(
            Self.resynced(client, in: harness).suffix(4)
                == ["project_members", "projects", "sprints", "tasks"])
        #expect(harness.database.asked.count > questions)
    }

    @Test func `a resync of all isn't cut short by a table that announces again`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1, project: 1)
        harness.core.tablesAre(Self.tables([:]))
        harness.core.databaseIs(DatabaseState())
        harness.core.databaseIs(DatabaseState(triggerLosses: 1))
        harness.core.tablesAre(Self.tables(["notes": "1"]))
        harness.core.continueResync()
        harness.settle()
        #expect(
            Self.resynced(client, in: harness)
                == ["project_members", "projects", "sprints", "tasks", "notes"])
    }

    @Test func `who resumes across a table's silence gets a resync`() throws {
        var harness = try Self.harness(1...4)
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        harness.core.tablesAre(Self.tables("1"))
        try harness.hearCanary(cursor: 100)
        let clients = try (1...4).map { try harness.open(user: $0) }
        // One asks before anybody knows of it.
        harness.resume(1, since: "100", reference: 1, from: clients[0])
        harness.core.continueResync()
        harness.settle()
        _ = try harness.askedReads()
        harness.core.tablesAre(Self.tables(nil))
        harness.resume(1, since: "100", reference: 1, from: clients[1])
        harness.core.tablesAre(Self.tables("2"))
        harness.resume(1, since: "100", reference: 1, from: clients[2])
        harness.core.continueResync()
        harness.settle()
        harness.core.databaseIs(
            DatabaseState(
                eventLog: .usable, begin: Cursor(transaction: 130), end: Cursor(transaction: 140)))
        harness.resume(1, since: "140", reference: 1, from: clients[3])
        harness.core.continueResync()
        harness.settle()
        for client in clients {
            #expect(Self.story(of: client, in: harness).first == "resync")
        }
        let unwritten = harness.core.takeExpiry()
        #expect(unwritten == Cursor(transaction: 140))
        harness.resume(1, since: "141", reference: 2, from: clients[3])
        harness.core.continueResync()
        harness.settle()
        let asked = try harness.askedReads()
        #expect(asked.cursors == "{100}", "and read from where all has been heard")
    }

    @Test func `who was away while triggers were made or switched gets a resync`() throws {
        var harness = try Self.harness(1...2)
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        var tables = AnnouncedTables(switched: Cursor(transaction: 120))
        tables.add("tasks", mark: "1")
        harness.core.tablesAre(tables)
        try harness.hearCanary(cursor: 130)
        let clients = try (1...2).map { try harness.open(user: $0) }
        harness.resume(1, since: "120", reference: 1, from: clients[0])
        harness.resume(1, since: "121", reference: 1, from: clients[1])
        harness.settle()
        #expect(Self.story(of: clients[0], in: harness).first == "resync")
        let asked = try harness.askedReads()
        #expect(asked.cursors == "{121}")
    }

    @Test func `a removal that nobody announces lasts no longer than the slow look`() throws {
        var harness = try Self.harness(1...2, recheckSeconds: 10)
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        harness.pass(milliseconds: 15_000)
        harness.database.remove(2, from: 1)
        harness.pass(milliseconds: 12_000)
        #expect(Self.story(of: clients[0], in: harness) == [])
        #expect(Self.story(of: clients[1], in: harness) == ["membership_revoked"])
        #expect(harness.core.metrics.membershipRechecks >= 4)
    }

    /// Nobody announces that a partition was detached, dropped or emptied.
    @Test(arguments: [nil, 600] as [UInt64?])
    func `memberships are looked at again at once when a partition of the members is another`(
        recheckSeconds: UInt64?
    ) throws {
        var harness = try Self.harness(1...3, recheckSeconds: recheckSeconds)
        harness.core.databaseIs(DatabaseState(membersMark: 7))
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        let questions = harness.database.asked.count
        harness.core.databaseIs(DatabaseState(membersMark: 7))
        harness.settle()
        #expect(harness.database.asked.count == questions)
        harness.database.remove(2, from: 1)
        harness.core.databaseIs(DatabaseState(membersMark: 8))
        harness.settle()
        #expect(Self.story(of: clients[0], in: harness) == [])
        #expect(Self.story(of: clients[1], in: harness) == ["membership_revoked"])
        #expect(harness.core.metrics.membershipRechecks == 2)
        // What comes later keeps its pace: with few clients one each second, or none.
        guard recheckSeconds == nil else { return }
        harness.database.remove(1, from: 1)
        harness.pass(milliseconds: 5_000)
        #expect(Self.story(of: clients[0], in: harness) == [])
    }

    @Test func `who was let in by an answer from before a partition went is asked about again`()
        throws
    {
        var harness = try Self.harness()
        harness.core.databaseIs(DatabaseState(membersMark: 7))
        harness.database.answersAtOnce = false
        let client = try harness.open(user: 1)
        harness.receive(
            text: #"{"type":"join_project","project_id":"\#(CoreHarness.project(1))","ref":1}"#,
            from: client)
        harness.turn()
        harness.answerAll()
        harness.database.remove(1, from: 1)
        harness.core.databaseIs(DatabaseState(membersMark: 8))
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(harness.stream(of: client).texts.last?.contains(#""code":"forbidden""#) == true)
    }

    // MARK: What isn't true

    @Test func `a cursor of the future passes nobody by`() throws {
        var harness = try Self.harness()
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        let client = try harness.open(user: 1, project: 1)
        try harness.hearCanary(cursor: 100)
        let payload = Array(
            (#"{"resource":"tasks","id":"1","action":"UPDATE","project_id":"#
                + #""\#(CoreHarness.project(1))","timestamp":"2026-01-02T03:04:05.000006Z","#
                + #""cursor":"18446744073709551615"}"#).utf8)
        harness.core.notify(payload.span)
        harness.settle()
        #expect(harness.stream(of: client).texts.last?.hasSuffix(#","cursor":"100"}"#) == true)
        let other = try harness.open(user: 2)
        harness.resume(1, since: "90", reference: 1, from: other)
        harness.settle()
        let asked = try harness.askedReads()
        #expect(asked.cursors == "{90}")
    }

    @Test(arguments: [false, true])
    func `a project's end that isn't one throws nobody out`(ordered: Bool) throws {
        var harness = try Self.harness()
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        if ordered {
            for user in 1...2 as ClosedRange<UInt64> { harness.database.add(user, to: 2) }
            for client in clients { harness.join(2, keep: true, from: client) }
            harness.settle()
        }
        harness.notifyEnd(of: 1)
        harness.settle()
        harness.turn()  // The last one's answers go out.
        for client in clients {
            #expect(Self.story(of: client, in: harness) == ["event", "resync"])
        }
    }

    @Test(arguments: [1, nil] as [UInt64?])
    func `a storm of removals that are none is a resync a second`(user: UInt64?) throws {
        var harness = try Self.harness()
        let client = try harness.open(user: 1, project: 1)
        for _ in 0..<600 {  // Three seconds.
            harness.notifyRemoval(of: user, from: 1)
            harness.turn(milliseconds: 5)
        }
        harness.settle()
        let resyncs = Self.story(of: client, in: harness).count { $0 == "resync" }
        #expect((1...5).contains(resyncs), "\(resyncs)")
        harness.notify(event: 1, project: 1)
        harness.settle()
        #expect(Self.story(of: client, in: harness).last == "event")
    }

    @Test func `many removals in one turn are one look at the project`() throws {
        var harness = try CoreHarness(connectionsMax: 300, checksMembership: true)
        for user in 1...200 as ClosedRange<UInt64> {
            harness.database.add(user, to: 1)
            _ = try harness.open(user: user, project: 1)
        }
        for user in 1...200 as ClosedRange<UInt64> { harness.notifyRemoval(of: user, from: 1) }
        let mayScan = harness.core.mayHearMore
        #expect(mayScan)
        let asked = harness.database.asked.count
        harness.settle()
        #expect(harness.database.asked.count - asked <= 2)
        #expect(harness.core.hub.subscriptionCount == 200)
    }

    // MARK: A database that is away for a moment

    @Test func `a question waits for a database that blinks`() throws {
        var harness = try Self.harness()
        let client = try harness.open(user: 1)
        harness.loseDatabase()
        harness.join(1, reference: 1, from: client)
        harness.pass(milliseconds: 9_000)
        #expect(harness.stream(of: client).texts == [])
        harness.core.database.answersQueries = true
        harness.settle()
        #expect(harness.stream(of: client).texts == [#"{"type":"ok","ref":1}"#])
    }

    @Test func `a question whose connection is lost is asked on the next one`() throws {
        var harness = try Self.harness()
        let client = try harness.open(user: 1)
        harness.database.answersAtOnce = false
        harness.join(1, reference: 1, from: client)
        harness.turn()
        harness.loseDatabase()
        harness.turn()
        #expect(harness.stream(of: client).texts == [])
        harness.core.database.answersQueries = true
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(harness.stream(of: client).texts == [#"{"type":"ok","ref":1}"#])
    }

    @Test func `who gets no first subscription is closed, to come back`() throws {
        var harness = try Self.harness()
        harness.database.add(1, to: 2)
        let client = try harness.open(user: 1)
        let inside = try harness.open(user: 2, project: 1)
        harness.loseDatabase()
        harness.join(1, reference: 1, from: client)
        harness.join(2, keep: true, reference: 1, from: inside)
        harness.pass(milliseconds: 10_200)
        harness.settle()
        #expect(harness.stream(of: client).texts.last?.contains("unavailable") == true)
        #expect(harness.stream(of: client).closeCode == 1013)
        #expect(harness.stream(of: inside).texts.last?.contains("unavailable") == true)
        #expect(harness.stream(of: inside).closeCode == nil)
    }

    @Test func `a ping's ref comes back with its pong`() throws {
        var harness = try Self.harness()
        let client = try harness.open(user: 1)
        harness.receive(text: #"{"type":"ping","ref":"a"}"#, from: client)
        harness.settle()
        #expect(harness.stream(of: client).texts == [#"{"type":"pong","ref":"a"}"#])
    }
}
