import Gateway
import Reactor
import Testing

@Suite struct CoreCompressionBehaviour {
    private static let offer =
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

    private func harness() throws -> CoreHarness { try CoreHarness(compresses: true) }

    private func compressed(_ bytes: [UInt8]) -> [UInt8] {
        var deflater = Deflater(windowBits: 15)
        var buffer = ByteBuffer()
        deflater.compress(bytes.span, into: &buffer)
        return buffer.copy()
    }

    private func compressed(_ text: String) -> [UInt8] { compressed(Array(text.utf8)) }

    // MARK: Contexts

    /// Messages of a client that keeps its context, made with zlib: the second is all references to
    /// the first.
    @Test func `a client that keeps its context is understood`() throws {
        var harness = try harness()
        let client = try harness.open(fields: [Self.offer])
        let first = Array(#"{"type":"ping"}"#.utf8)
        harness.receive(WebSocketTesting.frame(0xC1, compressed(first)), from: client)
        harness.receive(WebSocketTesting.frame(0xC1, Self.sameAgain), from: client)
        harness.settle()
        #expect(harness.stream(of: client).texts.filter { $0.contains("pong") }.count == 2)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `one that refers to more than is kept may come back`() throws {
        var harness = try harness()
        let client = try harness.open(fields: [Self.offer])
        harness.receive(WebSocketTesting.frame(0xC1, Self.sameAgain), from: client)
        harness.settle()
        #expect(harness.stream(of: client).closeCode == 4203)
    }

    /// The same text once more, as zlib writes it: all but its first byte from fifteen back.
    private static let sameAgain: [UInt8] = [0xAA, 0x46, 0xE5, 0x02, 0x00]

    // MARK: The agreement

    @Test func `an offer is answered when compression is on`() throws {
        var harness = try harness()
        let client = try harness.open(fields: [Self.offer])
        let head = harness.stream(of: client).head
        #expect(
            head.contains(
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                    + "client_no_context_takeover"))
        let count = harness.core.metrics.connectionsCompressing
        #expect(count == 1)
        harness.expectNothingLeftAfterResets()
        let left = harness.core.metrics.connectionsCompressing
        #expect(left == 0)
    }

    @Test func `without it, or without an offer, nothing is agreed upon`() throws {
        var off = try CoreHarness()
        let offering = try off.open(fields: [Self.offer])
        let answer = off.stream(of: offering).head
        #expect(!answer.contains("Sec-WebSocket-Extensions"))
        var on = try harness()
        let silent = try on.open()
        let head = on.stream(of: silent).head
        #expect(!head.contains("Sec-WebSocket-Extensions"))
        for (number, isOff) in [(offering, true), (silent, false)] {
            let frame = WebSocketTesting.frame(0xC1, compressed(#"{"type":"ping"}"#))
            if isOff { off.receive(frame, from: number) } else { on.receive(frame, from: number) }
        }
        off.settle()
        on.settle()
        let codes = [off.stream(of: offering).closeCode, on.stream(of: silent).closeCode]
        #expect(codes == [1002, 1002])
    }

    @Test func `an agreement that a refusal has undone doesn't hold for the next handshake`() throws
    {
        var harness = try CoreHarness(checksMembership: true, compresses: true)
        let token = try CoreHarness.token()
        let client = try harness.connect()
        harness.receive(
            CoreHarness.handshake(
                token: token, project: CoreHarness.project(1), fields: [Self.offer]),
            from: client)
        harness.settle()
        let refusals = harness.stream(of: client).statuses
        #expect(refusals == [403])
        harness.receive(CoreHarness.handshake(token: token), from: client)
        harness.settle()
        harness.receive(WebSocketTesting.frame(0xC1, [0x00]), from: client)
        harness.settle()
        let count = harness.core.metrics.connectionsCompressing
        #expect(count == 0)
        let opened = harness.core.metrics.connectionsOpened
        #expect(opened == 1)
        harness.expectNothingLeftAfterResets()
        let refused = harness.core.metrics.connectionsClosed[CloseLabel(closeCode: 1002)]
        #expect(refused == 1)
    }

    @Test func `a malformed header is refused`() throws {
        var harness = try harness()
        let client = try harness.connect()
        let token = try CoreHarness.token()
        harness.receive(
            CoreHarness.handshake(token: token, fields: ["Sec-WebSocket-Extensions: a;;b"]),
            from: client)
        harness.settle()
        let status = harness.stream(of: client).status
        #expect(status == 400)
    }

    // MARK: In

    @Test func `compressed messages are understood, whole and in fragments`() throws {
        var harness = try harness()
        let client = try harness.open(fields: [Self.offer])
        let ping = compressed(#"{"type":"ping"}"#)
        harness.receive(WebSocketTesting.frame(0xC1, ping), from: client)
        harness.receive(WebSocketTesting.frame(0x41, Array(ping.prefix(3))), from: client)
        harness.receive(WebSocketTesting.frame(0x80, Array(ping.dropFirst(3))), from: client)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts == [#"{"type":"pong"}"#, #"{"type":"pong"}"#])
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a bomb is closed with 1009, however small it came`() throws {
        var harness = try harness()
        let client = try harness.open(fields: [Self.offer])
        let bomb = compressed(Array(repeating: UInt8(ascii: " "), count: 1 << 20))
        #expect(bomb.count < 8_192)
        harness.receive(WebSocketTesting.frame(0xC1, bomb), from: client)
        harness.settle()
        let code = harness.stream(of: client).closeCode
        #expect(code == 1009)
        harness.expectNothingLeftAfterResets()
    }

    @Test(
        arguments: [
            ([0x07], 1007),  // No DEFLATE.
            ([0x00, 0x01, 0x00, 0xFE, 0xFF, 0xFF, 0x00], 1007),  // A stored byte that is no UTF-8.
        ] as [([UInt8], UInt16)])
    func `what can't be a text is closed with 1007`(payload: [UInt8], code: UInt16) throws {
        var harness = try harness()
        let client = try harness.open(fields: [Self.offer])
        harness.receive(WebSocketTesting.frame(0xC1, payload), from: client)
        harness.settle()
        let closeCode = harness.stream(of: client).closeCode
        #expect(closeCode == code)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `messages over the limit once decompressed are too big`() throws {
        var harness = try harness()
        let client = try harness.open(fields: [Self.offer])
        let padding = String(repeating: " ", count: 600)
        harness.receive(
            WebSocketTesting.frame(0xC1, compressed(#"{"type":"ping"\#(padding)}"#)), from: client)
        harness.settle()
        let code = harness.stream(of: client).closeCode
        #expect(code == 1009)
    }

    // MARK: Out

    @Test func `a broadcast is compressed once, and everybody gets it in the agreed form`() throws {
        var harness = try harness()
        var packed: [Int] = []
        var plain: [Int] = []
        for user in 1...5 {
            packed.append(
                try harness.open(user: UInt64(user), project: 1, fields: [Self.offer]))
            plain.append(try harness.open(user: UInt64(user + 10), project: 1))
        }
        for event in 1...3 { harness.notify(event: event, project: 1) }
        harness.settle()
        let expected = harness.stream(of: plain[0]).texts
        #expect(expected.count == 3)
        for client in plain + packed {
            let stream = harness.stream(of: client)
            #expect(stream.texts == expected)
            #expect(stream.compressedCount == (plain.contains(client) ? 0 : 3))
        }
        let compressed = harness.core.metrics.messagesCompressed
        #expect(compressed == 3)
        let sizes = [plain[0], packed[0]].map { client in
            harness.sockets[client].taken.count - harness.stream(of: client).head.utf8.count
        }
        #expect(sizes[1] < sizes[0] - 60)
        let saved = harness.core.metrics.compressionSavedBytes
        #expect(Int(saved) == packed.count * (sizes[0] - sizes[1]))
        harness.expectNothingLeftAfterResets()
    }

    @Test func `nothing is compressed for those who didn't agree`() throws {
        var harness = try harness()
        let client = try harness.open(project: 1)
        _ = try harness.open(project: 2, fields: [Self.offer])
        harness.notify(event: 1, project: 1)
        harness.settle()
        let compressed = harness.core.metrics.messagesCompressed
        #expect(compressed == 0)
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 1)
    }

    @Test func `a fan-out over several turns keeps its compressed form to the end`() throws {
        var harness = try harness()
        harness.deliveries.perTurn = 3
        harness.deliveries.perRoomShare = 3
        var clients: [Int] = []
        for user in 1...10 {
            let fields = user % 2 == 0 ? [Self.offer] : []
            clients.append(try harness.open(user: UInt64(user), project: 1, fields: fields))
        }
        for event in 1...4 {
            harness.notify(event: event, project: 1)
            harness.turn()
        }
        harness.settle()
        for client in clients {
            let events = harness.stream(of: client).texts.compactMap { Invalidation($0)?.event }
            #expect(events == [1, 2, 3, 4])
        }
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a socket that takes a part of a compressed broadcast gets the rest later`() throws {
        var harness = try harness()
        let slow = try harness.open(project: 1, fields: [Self.offer])
        let plain = try harness.open(user: 2, project: 1)
        harness.setCapacity(10, of: slow)
        for event in 1...2 { harness.notify(event: event, project: 1) }
        harness.settle()
        harness.notify(event: 3, project: 1)
        harness.settle()
        harness.setCapacity(.max, of: slow)
        harness.settle()
        let slowStream = harness.stream(of: slow)
        let plainStream = harness.stream(of: plain)
        #expect(slowStream.texts == plainStream.texts)
        #expect(slowStream.compressedCount == 3)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `clients of several projects get compressed events in the order of commit`() throws {
        var harness = try harness()
        let several = try harness.open(project: 1, fields: [Self.offer])
        harness.join(2, keep: true, from: several)
        let plain = try harness.open(user: 2, project: 1)
        harness.join(2, keep: true, from: plain)
        harness.settle()
        for event in 1...6 { harness.notify(event: event, project: UInt64(event % 2 + 1)) }
        harness.settle()
        let streams = [several, plain].map { harness.stream(of: $0) }
        for stream in streams {
            #expect(stream.texts.compactMap { Invalidation($0)?.event } == [1, 2, 3, 4, 5, 6])
        }
        #expect(streams.map(\.compressedCount) == [6, 0])
        harness.expectNothingLeftAfterResets()
    }
}
