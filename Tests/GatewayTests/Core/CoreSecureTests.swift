import Gateway
import GatewayHarness
import Reactor
import Testing

/// What the core decides about clients that speak TLS. The harness encrypts nothing; the bytes that it
/// sees are those that would be.
@Suite struct CoreSecureBehaviour {
    @Test func `after the TLS session has failed, nothing more is encrypted`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(project: 1)
        let index = harness.sockets[client].index
        harness.core.beginTLS(index)
        let before = harness.sockets[client].taken.count
        harness.setCapacity(0, of: client)
        for event in 0..<3 { harness.notify(event: event, project: 1) }
        harness.turn()
        // One record was encrypted before, and goes out; of what waited behind it nothing does.
        let after = before + MadeUpRecords.bytesMax
        harness.core.secureSessionFailed(index)
        harness.setCapacity(.max, of: client)
        harness.settle()
        #expect(harness.sockets[client].taken.count == after)
        #expect(harness.sockets[client].isFinished)
        harness.notify(event: 3, project: 1)
        harness.settle()
        #expect(harness.sockets[client].taken.count == after)
        harness.pass(milliseconds: 6_000)
        let isClosed = harness.isClosed(client)
        #expect(isClosed)
        harness.expectNothingLeft()
    }

    @Test func `HTTP in the clear is told that TLS is spoken`() throws {
        var harness = try CoreHarness()
        let client = try harness.connect()
        let index = harness.sockets[client].index
        harness.core.beginTLS(index)
        harness.core.refusePlaintext(index)
        harness.settle()
        let answer = String(decoding: harness.sockets[client].taken, as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("this port speaks TLS"))
        #expect(harness.sockets[client].isFinished)
    }

    @Test func `a close_notify ends the connection once what answers it is out`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(project: 1)
        let index = harness.sockets[client].index
        harness.core.beginTLS(index)
        harness.receive([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8], from: client)
        harness.core.receiveSecureEnd(from: index)
        harness.settle()
        #expect(Array(harness.sockets[client].taken.suffix(4)) == [0x88, 2, 0x03, 0xE8])
        #expect(harness.sockets[client].opener.hasEnded, "our own close_notify")
        let isClosed = harness.isClosed(client)
        #expect(isClosed)
        harness.expectNothingLeft()
    }

    /// A request with a close_notify behind it was opened as a WebSocket when the database answered,
    /// though its peer had said its last word.
    @Test(arguments: [false, true])
    func `whoever ends while the database is asked is not opened by its answer`(
        hasFailed: Bool
    ) throws {
        var harness = try CoreHarness(checksMembership: true)
        harness.database.add(1, to: 1)
        harness.database.answersAtOnce = false
        let client = try harness.connect()
        let index = harness.sockets[client].index
        harness.core.beginTLS(index)
        let token = try CoreHarness.token(user: 1)
        harness.receive(
            CoreHarness.handshake(token: token, project: CoreHarness.project(1)), from: client)
        let isWaiting = harness.core.isPaused(index)
        #expect(isWaiting)
        if hasFailed {
            harness.core.secureSessionFailed(index)
        } else {
            harness.core.receiveSecureEnd(from: index)
        }
        harness.turn()
        harness.answerAll()
        harness.settle()
        harness.pass(milliseconds: 6_000)
        let isClosed = harness.isClosed(client)
        #expect(isClosed)
        #expect(harness.sockets[client].taken.isEmpty)
        harness.expectNothingLeft()
    }

    @Test(arguments: [1, 100, 259, 260, 4_000])
    func `what waits goes out in records, however little the socket takes at a time`(
        capacity: Int
    ) throws {
        var harness = try CoreHarness()
        let client = try harness.open(project: 1)
        harness.core.beginTLS(harness.sockets[client].index)
        harness.setCapacity(0, of: client)
        for event in 0..<40 {
            harness.notify(event: event, project: 1)
            harness.turn()
        }
        while harness.stream(of: client).texts.count < 40 {
            harness.setCapacity(capacity, of: client)
            harness.turn()
        }
        harness.setCapacity(.max, of: client)
        harness.notify(event: 40, project: 1)
        harness.settle()
        let events = harness.stream(of: client).texts.compactMap { Invalidation($0)?.event }
        #expect(events == Array(0...40))
        #expect(harness.sockets[client].opener.isWhole)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `broadcasts are encrypted for each, beside clients that speak in the clear`() throws
    {
        var harness = try CoreHarness()
        let clients = try (0..<6).map { _ in try harness.open(project: 1) }
        for client in clients where client % 2 == 0 {
            harness.core.beginTLS(harness.sockets[client].index)
        }
        harness.setCapacity(50, of: clients[2])
        for event in 0..<3 {
            harness.notify(event: event, project: 1)
            harness.turn()
        }
        harness.setCapacity(.max, of: clients[2])
        harness.settle()
        for client in clients {
            let events = harness.stream(of: client).texts.compactMap { Invalidation($0)?.event }
            #expect(events == [0, 1, 2])
        }
        harness.expectNothingLeftAfterResets()
    }
}
