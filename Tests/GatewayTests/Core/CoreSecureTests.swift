import Gateway
import Reactor
import Testing

/// What the core decides about clients that speak TLS. The harness encrypts nothing; the bytes that it
/// sees are those that would be.
@Suite struct CoreSecureBehaviour {
    @Test func `after the TLS session has failed, nothing that waited goes out`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(project: 1)
        let index = harness.sockets[client].index
        harness.core.speaksTLS(index)
        let before = harness.sockets[client].taken.count
        harness.setCapacity(0, of: client)
        for event in 0..<3 { harness.notify(event: event, project: 1) }
        harness.turn()
        harness.core.secureFailed(index)
        harness.setCapacity(.max, of: client)
        harness.settle()
        #expect(harness.sockets[client].taken.count == before)
        #expect(harness.sockets[client].isFinished)
        harness.notify(event: 3, project: 1)
        harness.settle()
        #expect(harness.sockets[client].taken.count == before)
        harness.pass(milliseconds: 6_000)
        let isClosed = harness.isClosed(client)
        #expect(isClosed)
        harness.expectNothingLeft()
    }

    @Test func `HTTP in the clear is told that TLS is spoken`() throws {
        var harness = try CoreHarness()
        let client = try harness.connect()
        let index = harness.sockets[client].index
        harness.core.speaksTLS(index)
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
        harness.core.speaksTLS(index)
        harness.receive([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8], from: client)
        harness.core.peerEndedSecurely(index)
        let saysNothingMore = harness.core.saysNothingMore(index)
        #expect(!saysNothingMore)
        harness.settle()
        #expect(Array(harness.sockets[client].taken.suffix(4)) == [0x88, 2, 0x03, 0xE8])
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
        harness.core.speaksTLS(index)
        let token = try CoreHarness.token(user: 1)
        harness.receive(
            CoreHarness.handshake(token: token, project: CoreHarness.project(1)), from: client)
        let isWaiting = harness.core.isWaiting(index)
        #expect(isWaiting)
        if hasFailed {
            harness.core.secureFailed(index)
        } else {
            harness.core.peerEndedSecurely(index)
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

    @Test func `a record takes what waits, up to its size, and what it took counts as sent`() throws
    {
        var harness = try CoreHarness()
        let client = try harness.open(project: 1)
        let index = harness.sockets[client].index
        harness.setCapacity(0, of: client)
        for event in 0..<40 {
            harness.notify(event: event, project: 1)
            harness.turn()
        }
        var record = ByteBuffer()
        var bytes: [UInt8] = []
        for size in [1, 100, 16_384] {
            let copied = harness.core.copyWaiting(of: index, to: &record, bytesMax: size)
            let count = try #require(copied)
            #expect(count <= size)
            #expect(count == record.count)
            bytes += record.copy()
            harness.core.sealed(count, of: index)
        }
        let left = harness.core.copyWaiting(of: index, to: &record, bytesMax: 16_384)
        #expect(left == nil)
        let head = Array("HTTP/1.1 101 Switching Protocols\r\n\r\n".utf8)
        #expect(ServerStream(head + bytes).texts.count == 40)
    }
}
