import Gateway
import Reactor
import Testing

@Suite struct CorePresenceSlowClientBehaviour {
    @Test(arguments: [false, true])
    func `a slow client's changes become one state, and never a resync or a close`(
        disconnects: Bool
    ) throws {
        var harness = try CoreHarness(
            connectionsMax: 400, disconnectsSlowConsumers: disconnects)
        let slow = try harness.open(user: 1, project: 1)
        harness.presence(from: slow)
        harness.pass(milliseconds: 2_000)
        harness.setCapacity(10, of: slow)
        for user in 2...100 as ClosedRange<UInt64> {
            let client = try harness.open(user: user, project: 1)
            harness.presence(from: client)
            harness.pass(milliseconds: 500)
            if user % 10 == 0 { harness.receive(text: #"{"type":"pong"}"#, from: slow) }
        }
        let waiting = harness.core.clients[harness.sockets[slow].index].queue.pieces
        #expect(waiting.frameCount <= 2)
        harness.setCapacity(.max, of: slow)
        harness.pass(milliseconds: 3_000)
        #expect(harness.present(to: slow).count == 100)
        #expect(harness.presenceTexts(of: slow).count <= 4)
        #expect(harness.view(of: slow).faults == [])
        let texts = harness.stream(of: slow).texts
        #expect(!texts.contains { $0.contains("RESYNC") })
        #expect(harness.stream(of: slow).closeCode == nil)
        #expect(harness.core.metrics.collapsedClients == 0)
    }

    @Test func `presence gives way to events when a queue is full`() throws {
        var harness = try CoreHarness(connectionsMax: 300)
        let slow = try harness.open(user: 1, project: 1)
        harness.presence(from: slow)
        for user in 2...200 as ClosedRange<UInt64> {
            harness.presence(from: try harness.open(user: user, project: 1))
        }
        harness.pass(milliseconds: 2_000)
        harness.setCapacity(10, of: slow)
        harness.presence(from: slow)
        harness.pass(milliseconds: 2_000)
        // With the state that waits there is one frame too many, and it is the one to go.
        for event in 0..<256 {
            harness.notify(event: event, project: 1)
            harness.turn()
        }
        #expect(harness.core.metrics.collapsedClients == 0)
        harness.setCapacity(.max, of: slow)
        harness.pass(milliseconds: 3_000)
        let events = harness.stream(of: slow).texts.compactMap { Invalidation($0)?.event }
        #expect(events == Array(0..<256))
        #expect(harness.present(to: slow).count == 200)
    }

    @Test func `an event is never withheld because a state waits, and forgotten then`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1, project: 1)
        harness.join(2, keep: true, reference: 1, from: client)
        harness.settle()
        for count in 250...262 {
            harness.setCapacity(0, of: client)
            harness.presence(#","ref":2"#, in: 2, from: client)
            // All in one turn, as an ordered client gets them.
            for event in 0..<count { harness.notify(event: event, project: 1) }
            harness.turn()
            let before = harness.stream(of: client).texts.count
            harness.setCapacity(.max, of: client)
            harness.pass(milliseconds: 1_500)
            let texts = harness.stream(of: client).texts.dropFirst(before)
            let events = texts.compactMap { Invalidation($0)?.event }
            let resyncs = texts.filter { $0.contains("RESYNC") }.count
            // With the answer there is room for so many, and else a resync of both projects comes.
            let isWhole = count <= 255
            #expect(events == Array(0..<(isWhole ? count : 0)))
            #expect(resyncs == (isWhole ? 0 : 8))
        }
        #expect(harness.view(of: client).faults == [])
    }

    @Test func `a large audience is told over several turns, each once`() throws {
        var harness = try CoreHarness(connectionsMax: 1_100)
        var clients: [Int] = []
        for user in 1...1_000 as ClosedRange<UInt64> {
            clients.append(try harness.open(user: user, project: 1))
            harness.presence(from: clients[clients.count - 1])
        }
        harness.pass(milliseconds: 11_000)
        let before = clients.map { harness.presenceTexts(of: $0).count }
        harness.reset(clients[0])
        harness.pass(milliseconds: 21_000)
        for (position, client) in clients.enumerated().dropFirst() {
            #expect(harness.presenceTexts(of: client).count == before[position] + 1)
            #expect(harness.view(of: client).count == 999)
        }
    }

    @Test func `nothing is left when all have gone`() throws {
        var harness = try CoreHarness(connectionsMax: 300)
        for user in 1...250 as ClosedRange<UInt64> {
            let client = try harness.open(user: user, project: 1)
            harness.presence(from: client)
            harness.type("task:\(user % 5)", from: client)
        }
        harness.pass(milliseconds: 3_000)
        for number in harness.sockets.indices { harness.reset(number) }
        harness.pass(milliseconds: 20_000)
        harness.expectNothingLeft()
    }
}
