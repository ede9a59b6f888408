import Gateway
import Reactor
import Testing

/// More clients resume together than can be answered in one turn.
@Suite struct CoreResumeCrowdBehaviour {
    private static let count = 2 * Limits.resumesPerTurn + 1

    private func harness(checksMembership: Bool = false) throws -> CoreHarness {
        var harness = try CoreHarness(
            connectionsMax: 2 * Self.count, checksMembership: checksMembership)
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        return harness
    }

    private func resumeAll(_ harness: inout CoreHarness) throws -> [Int] {
        var clients: [Int] = []
        for number in 1...Self.count {
            clients.append(try harness.open(user: UInt64(number)))
            harness.resume(1, since: "100", reference: 1, from: clients[number - 1])
            harness.settle()
        }
        return clients
    }

    private func receive(
        _ events: [Int], for question: AskedOfLog? = nil, _ harness: inout CoreHarness
    ) throws {
        let asked = try question ?? harness.askedReads()
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 1_000_000))
        for event in events {
            let payload = CoreHarness.payload(event: event, project: 1)
            answer.append(.event, project: 0, payload: payload.span)
        }
        harness.core.receiveEvents(answer, tag: asked.tag)
    }

    private func texts(_ client: Int, _ harness: borrowing CoreHarness) -> [String] {
        harness.stream(of: client).texts.filter { !$0.contains(#""type":"ready""#) }
    }

    private func events(_ client: Int, _ harness: borrowing CoreHarness) -> [String] {
        texts(client, harness).compactMap { text in
            text.firstRange(of: #""data":{"id":""#).map { start in
                String(text[start.upperBound...].prefix { $0 != "\"" })
            }
        }
    }

    @Test func `some are answered in each turn, and nobody misses what comes in between`() throws {
        var harness = try harness()
        let clients = try resumeAll(&harness)
        let asked = try harness.askedReads()
        harness.notify(event: 7, project: 1)
        try receive([1], for: asked, &harness)
        harness.turn()
        for turn in 1...3 {
            harness.notify(event: 10 + turn, project: 1)
            harness.turn()
            let answered = clients.count { !texts($0, harness).isEmpty }
            #expect(answered == min(turn * Limits.resumesPerTurn, Self.count))
        }
        harness.settle()
        for client in clients {
            let heard = events(client, harness)
            #expect(Set(heard) == ["1", "7", "11", "12", "13"])
            #expect(heard.filter { $0 == "1" }.count == 1)
            #expect(heard.suffix(1) == ["13"])
        }
        harness.expectNothingLeftAfterResets()
    }

    @Test func `who is removed before its turn gets nothing of it`() throws {
        var harness = try harness(checksMembership: true)
        try harness.hearCanary(cursor: 100)
        harness.database.answersAtOnce = true
        for number in 1...Self.count { harness.database.add(UInt64(number), to: 1) }
        let clients = try resumeAll(&harness)
        try receive([1], &harness)
        harness.core.answerResumes()
        let last = UInt64(Self.count)
        harness.database.remove(last, from: 1)
        harness.notifyRemoval(of: last, from: 1)
        harness.notify(event: 8, project: 1)
        harness.settle()
        harness.turn(milliseconds: 20)
        harness.settle()
        let heard = events(clients[Self.count - 1], harness)
        #expect(!heard.contains("1") && !heard.contains("8"))
        #expect(events(clients[Self.count - 2], harness).contains("8"))
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a listener that is lost in between has the rest read again`() throws {
        var harness = try harness()
        let clients = try resumeAll(&harness)
        try receive([1], &harness)
        harness.core.answerResumes()
        harness.core.listenerWasLost()
        harness.settle()
        let answered = clients.count { !texts($0, harness).isEmpty }
        #expect(answered == Limits.resumesPerTurn)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        try receive([1, 2], &harness)
        harness.settle()
        for client in clients[Limits.resumesPerTurn...] {
            #expect(events(client, harness) == ["1", "2"])
        }
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a log that becomes unreadable is a resync for all, some in each turn`() throws {
        var harness = try harness()
        let clients = try resumeAll(&harness)
        try receive([1], &harness)
        harness.core.answerResumes()
        harness.core.eventLogIs(.forbidden)
        harness.settle()
        for client in clients[..<Limits.resumesPerTurn] {
            #expect(events(client, harness) == ["1"])
        }
        for client in clients[Limits.resumesPerTurn...] {
            let heard = texts(client, harness)
            #expect(heard.count { $0.contains(#""RESYNC""#) } == 4)
            #expect(heard.last?.contains(#""type":"ok""#) == true)
        }
        harness.expectNothingLeftAfterResets()
    }

    @Test func `those whom the database keeps waiting are answered in several turns, too`() throws {
        var harness = try harness()
        let clients = try resumeAll(&harness)
        _ = try harness.askedReads()
        harness.pass(milliseconds: 11_000)
        for turn in 1...3 {
            harness.core.expireReads()
            harness.turn()
            let answered = clients.count { !texts($0, harness).isEmpty }
            #expect(answered == min(turn * Limits.resumesPerTurn, Self.count))
        }
        harness.core.expireReads()
        let deadline = harness.core.readsDeadline
        #expect(deadline == nil, "the loop would turn for nothing")
        harness.expectNothingLeftAfterResets()
    }
}
