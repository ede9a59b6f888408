import Gateway
import Reactor
import Testing

/// More has to be written than one turn may write.
@Suite struct CoreFlushBehaviour {
    /// Opens clients that look at the projects.
    private func open(
        _ count: Int, projects: ClosedRange<UInt64>, _ harness: inout CoreHarness
    ) throws -> [Int] {
        var clients: [Int] = []
        for user in 1...UInt64(count) {
            let client = try harness.open(user: user)
            for project in projects { harness.join(project, keep: true, from: client) }
            harness.settle()
            clients.append(client)
        }
        return clients
    }

    private func heard(
        _ text: String, of clients: [Int], _ harness: borrowing CoreHarness
    ) -> [Int] {
        clients.filter { client in
            harness.stream(of: client).texts.contains { $0.contains(text) }
        }
    }

    @Test func `some queues are written in each turn, the first the first`() throws {
        var harness = try CoreHarness()
        let clients = try open(5, projects: 1...2, &harness)
        harness.deliveries.writesPerTurn = 2
        harness.notify(event: 7, project: 2)
        for turn in 1...3 {
            harness.turn()
            let served = heard(#""data":{"id":"7""#, of: clients, harness)
            #expect(served == Array(clients.prefix(turn * 2)))
            #expect(harness.core.hasWorkLeft == (turn < 3))
        }
        harness.expectNothingLeftAfterResets()
    }

    /// Each event was put into each queue in the turn in which it was heard, however many there were of both.
    @Test
    func `events wait when they have filled enough queues of those who look at several projects`()
        throws
    {
        var harness = try CoreHarness(connectionsMax: 160)
        let clients = try open(128, projects: 1...2, &harness)
        var heardCount = 0
        while harness.core.mayHearMore {
            harness.notify(event: heardCount, project: 2)
            heardCount += 1
        }
        #expect(heardCount == 128)
        harness.turn()
        let mayHearMore = harness.core.mayHearMore
        #expect(mayHearMore)
        harness.settle()
        #expect(heard(#""data":{"id":"127""#, of: clients, harness) == clients)
        // Those who look at one project have no queue that fills.
        let single = try open(1, projects: 3...3, &harness)
        for event in 0..<1_000 { harness.notify(event: event, project: 3) }
        let stillMay = harness.core.mayHearMore
        #expect(stillMay && single.count == 1)
        harness.settle()
        harness.expectNothingLeftAfterResets()
    }

    @Test func `who asks again and again is written to behind those who wait`() throws {
        var harness = try CoreHarness()
        let clients = try open(4, projects: 1...1, &harness)
        harness.deliveries.writesPerTurn = 1
        for client in clients { harness.receive(text: #"{"type":"ping","ref":1}"#, from: client) }
        for turn in 2...5 {
            harness.receive(text: #"{"type":"ping","ref":\#(turn)}"#, from: clients[0])
            harness.turn()
        }
        #expect(heard(#""ref":1}"#, of: clients, harness) == clients)
        harness.settle()
        #expect(heard(#""ref":5}"#, of: clients, harness) == [clients[0]])
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a turn ends when it has written enough bytes`() throws {
        var harness = try CoreHarness()
        let clients = try open(3, projects: 1...2, &harness)
        harness.deliveries.writtenBytesPerTurn = 1
        harness.notify(event: 7, project: 1)
        for turn in 1...3 {
            harness.turn()
            #expect(heard(#""data":{"id":"7""#, of: clients, harness).count == turn)
        }
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a long broadcast counts for several deliveries`() throws {
        var harness = try CoreHarness()
        let clients = try open(8, projects: 1...1, &harness)
        harness.deliveries.perTurn = 8
        harness.deliveries.perRoomShare = 8
        // Some 200 bytes each.
        for event in 0..<(Limits.deliveryBytes / 100) { harness.notify(event: event, project: 1) }
        harness.turn()
        let served = heard(#""data":{"id":"0""#, of: clients, harness).count
        #expect(served > 0 && served < clients.count)
        harness.settle()
        #expect(heard(#""data":{"id":"0""#, of: clients, harness) == clients)
        harness.expectNothingLeftAfterResets()
    }

    /// A turn closes some descriptors, and epoll goes on reporting the others.
    @Test func `one that is over and whose socket takes bytes again is freed once`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1, project: 1)
        harness.setCapacity(1, of: client)
        harness.notify(event: 7, project: 1)
        harness.turn()
        let index = harness.sockets[client].index
        #expect(harness.core.clients[index].queue.marks.contains(.blocked))
        harness.core.connectionLost(index)
        harness.core.becameWritable(index)
        harness.core.noteOutput(for: index)
        #expect(harness.core.clients[index].queue.marks.isDisjoint(with: [.dirty, .blocked]))
        harness.turn()
        #expect(harness.sockets[client].closeCount == 1)
        harness.expectNothingLeft()
    }

    @Test func `when the times of many are up, some are told in each turn`() throws {
        var harness = try CoreHarness(connectionsMax: 2 * Limits.queueWritesPerTurn)
        let count = Limits.queueWritesPerTurn + 10
        var clients: [Int] = []
        for _ in 0..<count { clients.append(try harness.connect()) }
        harness.pass(milliseconds: 9_000)
        while clients.allSatisfy({ harness.sockets[$0].taken.isEmpty }) {
            harness.turn(milliseconds: 128)
        }
        let told = clients.count { !harness.sockets[$0].taken.isEmpty }
        #expect(told == Limits.queueWritesPerTurn)
        harness.turn()
        #expect(clients.allSatisfy { harness.stream(of: $0).status == 408 })
        harness.expectNothingLeftAfterResets()
    }
}
