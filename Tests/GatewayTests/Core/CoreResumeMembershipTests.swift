import Gateway
import Reactor
import Testing

/// Removals of members around a read of the event log: nothing that was committed after one reaches
/// the removed user, whichever connection tells of it first.
@Suite struct CoreResumeMembershipBehaviour {
    private func harness() throws -> CoreHarness {
        var harness = try CoreHarness(checksMembership: true)
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        try harness.hearCanary(cursor: 100)
        for user in 1...2 as ClosedRange<UInt64> { harness.database.add(user, to: 1) }
        return harness
    }

    private func removal(of user: UInt64) -> [UInt8] {
        let project = CoreHarness.project(1)
        return Array(
            (#"{"resource":"project_members","id":"\#(project):\#(CoreHarness.user(user))","#
                + #""action":"DELETE","project_id":"\#(project)","#
                + #""timestamp":"2026-01-02T03:04:05.000006Z"}"#).utf8)
    }

    /// A removal of the user, and an event that was committed after it.
    private func appendRemoval(of user: UInt64, to answer: inout EventsAnswer) {
        let removed = removal(of: user)
        let event = CoreHarness.payload(event: 7, project: 1)
        answer.append(.event, project: 0, payload: removed.span)
        answer.append(.event, project: 0, payload: event.span)
    }

    private func kinds(of client: Int, in harness: borrowing CoreHarness) -> [String] {
        harness.stream(of: client).texts.map { text in
            if text.contains("membership_revoked") { return "revoked" }
            if text.contains(#""type":"ok""#) { return "ok" }
            if text.contains("RESYNC") { return "resync" }
            return text.contains("project_members") ? "removal" : "event"
        }
    }

    /// Two clients, of whom one is removed while the listener is away; and the catch-up's tag.
    private func removedWhileAway(
        _ harness: inout CoreHarness
    ) throws -> (removedOne: Int, other: Int, tag: UInt64) {
        try harness.hearCanary(cursor: 100)
        let removedOne = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        harness.core.listenerWasLost()
        harness.database.remove(1, from: 1)
        harness.core.listenerBecameLive()
        return (removedOne, other, try harness.askedReads().tag)
    }

    /// A client of each user, both of which wait for the same read.
    private func waiting(_ harness: inout CoreHarness) throws -> (clients: [Int], tag: UInt64) {
        var clients: [Int] = []
        for user in 1...2 as ClosedRange<UInt64> {
            let client = try harness.open(user: user)
            harness.resume(1, since: "100", reference: 1, from: client)
            clients.append(client)
        }
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        return (clients, try harness.askedReads().tag)
    }

    /// Found by the simulation: it was told that it is subscribed, after it was told that its membership
    /// had ended.
    @Test func `who waits for what it missed when its membership ends is refused`() throws {
        var harness = try harness()
        let client = try harness.open(user: 1, project: 1)
        harness.settle()
        harness.resume(1, since: "100", keep: true, reference: 1, from: client)
        let asked = try harness.askedReads()
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: 1, from: 1)
        harness.settle()
        harness.pass(milliseconds: 500)
        harness.answer(asked.tag, events: [7], project: 1, cursor: 150)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 2)
        #expect(texts.contains { $0.contains(#""ref":1,"code":"forbidden""#) })
        #expect(texts.contains { $0.contains(#""code":"membership_revoked""#) })
        harness.expectNothingLeftAfterResets()
    }

    @Test func `who resumes more projects than a connection may look at is told of the rest`()
        throws
    {
        var harness = try CoreHarness(checksMembership: true)
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        for project in 1...103 as ClosedRange<UInt64> { harness.database.add(1, to: project) }
        let client = try harness.open()
        for project in 1...98 as ClosedRange<UInt64> {
            harness.join(project, keep: true, from: client)
            harness.settle()
        }
        // What was announced before anything was heard isn't known, so these are unverified.
        for project in 99...103 as ClosedRange<UInt64> {
            harness.resume(project, since: "1", keep: true, reference: 1, from: client)
            harness.settle()
        }
        while let asked = harness.askEventLog() {
            harness.answer(asked.tag, events: [], project: 1, cursor: 150)
        }
        harness.settle()
        let answers = harness.stream(of: client).texts.filter { $0.contains(#""ref":1"#) }
        #expect(answers.filter { $0.contains(#""type":"ok""#) }.count == 2)
        #expect(answers.filter { $0.contains("too_many_projects") }.count == 3)
    }

    @Test func `a removal that the read shows first is obeyed`() throws {
        var harness = try harness()
        let (clients, tag) = try waiting(&harness)
        harness.database.remove(1, from: 1)
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 1_000_000))
        appendRemoval(of: 1, to: &answer)
        harness.core.receiveEvents(answer, tag: tag)
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        #expect(kinds(of: clients[0], in: harness) == ["ok", "revoked"])
        #expect(kinds(of: clients[1], in: harness) == ["removal", "event", "ok"])
    }

    @Test func `a removal that is announced during the read is obeyed`() throws {
        var harness = try harness()
        let (clients, tag) = try waiting(&harness)
        harness.database.remove(1, from: 1)
        let removed = removal(of: 1)
        harness.core.notify(removed.span)
        harness.notify(event: 8, project: 1)
        harness.answer(tag, events: [7], project: 1, cursor: 150)
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        #expect(kinds(of: clients[0], in: harness) == ["ok", "revoked"])
        #expect(kinds(of: clients[1], in: harness) == ["event", "ok", "removal", "event"])
    }

    @Test func `who is a member again gets a resync`() throws {
        var harness = try harness()
        let (clients, tag) = try waiting(&harness)
        let removed = removal(of: 1)
        harness.core.notify(removed.span)
        harness.answer(tag, events: [7], project: 1, cursor: 150)
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        let story = kinds(of: clients[0], in: harness)
        #expect(story == ["ok", "resync", "resync", "resync", "resync"])
    }

    @Test func `whoever comes back while a removal is looked into is asked about again`() throws {
        var harness = try harness()
        let client = try harness.open(user: 1, project: 1)
        harness.database.remove(1, from: 1)
        harness.database.answersAtOnce = false
        let removed = removal(of: 1)
        harness.core.notify(removed.span)
        harness.settle()
        harness.resume(1, since: "100", reference: 1, from: client)
        harness.settle()
        harness.database.answersAtOnce = true
        harness.answerAll()
        for _ in 0..<3 { harness.turn(milliseconds: 20) }
        harness.settle()
        let asked = harness.askEventLog()
        #expect(asked == nil)
        let texts = harness.stream(of: client).texts
        #expect(texts.contains { $0.contains("membership_revoked") }, "\(texts)")
        #expect(texts.contains { $0.contains("forbidden") })
        #expect(!kinds(of: client, in: harness).contains("ok"))
    }

    @Test func `a removal that wasn't announced yet is found, whatever cursor the client gives`()
        throws
    {
        var harness = try harness()
        let client = try harness.open(user: 1, project: 1)
        harness.database.remove(1, from: 1)
        // Its own removal was 120, and it knows a later cursor from somewhere.
        harness.resume(1, since: "130", reference: 1, from: client)
        let asked = try harness.askedReads()
        #expect(asked.cursors == "{100}")
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 150))
        appendRemoval(of: 1, to: &answer)
        harness.core.receiveEvents(answer, tag: asked.tag)
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["ok", "revoked"])
    }

    @Test func `the gateway's own catch-up throws out who was removed meanwhile`() throws {
        var harness = try harness()
        let (removedOne, other, tag) = try removedWhileAway(&harness)
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 1_000_000))
        appendRemoval(of: 1, to: &answer)
        harness.core.receiveEvents(answer, tag: tag)
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        #expect(kinds(of: removedOne, in: harness) == ["revoked"])
        #expect(kinds(of: other, in: harness) == ["removal", "event"])
    }

    @Test func `more people than can be looked up at once wait for answers, not for the clock`()
        throws
    {
        var harness = try CoreHarness(connectionsMax: 2_200, checksMembership: true)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        for user in 1...2_100 as ClosedRange<UInt64> {
            harness.database.add(user, to: 1)
            let token = try CoreHarness.token(user: user)
            harness.receive(
                CoreHarness.handshake(token: token, project: CoreHarness.project(1)),
                from: try harness.connect())
        }
        harness.settle()
        harness.database.answersAtOnce = false
        harness.core.listenerWasLost()
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        for _ in 0..<20 { harness.turn(milliseconds: 20) }
        let deadline = harness.core.membershipDeadline
        #expect(deadline == nil, "the loop would turn for nothing")
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(harness.core.hub.subscriptionCount == 2_100)
    }

    @Test func `a catch-up that isn't possible looks everyone up`() throws {
        var harness = try harness()
        let (removedOne, other, tag) = try removedWhileAway(&harness)
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 1_000_000))
        answer.append(.expired, project: 0, payload: Span())
        harness.core.receiveEvents(answer, tag: tag)
        harness.notify(event: 7, project: 1)
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        #expect(kinds(of: removedOne, in: harness) == ["revoked"])
        #expect(kinds(of: other, in: harness) == ["resync", "resync", "resync", "resync"])
    }
}
