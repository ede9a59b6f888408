import Gateway
import Reactor
import Testing

@Suite struct CoreHandshakeBehaviour {
    /// A handshake and what a hasty client sends behind it without waiting.
    private static func input() throws -> [UInt8] {
        let token = try CoreHarness.token()
        let join = #"{"type":"join_project","project_id":"\#(CoreHarness.project(3))","ref":1}"#
        return CoreHarness.handshake(token: token, project: CoreHarness.project(2))
            + WebSocketTesting.frame(0x81, join)
            + WebSocketTesting.frame(0x89, "p")
            + WebSocketTesting.frame(0x01, #"{"type":"#)
            + WebSocketTesting.frame(0x89, "in the middle")
            + WebSocketTesting.frame(0x80, #""ping"}"#)
            + WebSocketTesting.frame(0x81, #"{"type":"leave_project","ref":"x"}"#)
            + WebSocketTesting.frame(0x88, [0x03, 0xE8])
    }

    private static let expected = [
        #"text {"type":"ok","ref":1}"#, "pong p", "pong in the middle",
        #"text {"type":"pong"}"#, #"text {"type":"ok","ref":"x"}"#, "close 1000 ",
    ]

    /// The last thing that the input causes drops what waits, so every piece has a turn.
    private static func run(_ pieces: [ArraySlice<UInt8>]) throws -> ServerStream {
        var harness = try CoreHarness()
        let client = try harness.connect()
        for piece in pieces {
            harness.receive(Array(piece), from: client)
            harness.turn()
        }
        harness.settle()
        harness.expectNothingLeft()
        return harness.stream(of: client)
    }

    @Test func `the handshake and the first frames in two chunks cut at every byte say the same`()
        throws
    {
        let input = try Self.input()
        // The Close is the last frame, of 8 bytes; a chunk of its own keeps the answers before it.
        let body = input.dropLast(8)
        for cut in 0...body.count {
            let stream = try Self.run([
                body.prefix(cut), body.dropFirst(cut), input.suffix(8),
            ])
            #expect(stream.status == 101)
            #expect(stream.events == Self.expected, "cut at \(cut)")
        }
    }

    @Test func `byte by byte it says the same`() throws {
        let input = try Self.input()
        let stream = try Self.run(input.indices.map { input[$0...$0] })
        #expect(stream.status == 101 && stream.events == Self.expected)
    }

    @Test(arguments: ["Bearer", "Bearer a b"])
    func `a refusal quotes nothing that was written for somebody else`(field: String) throws {
        var harness = try CoreHarness()
        let other = try harness.open(project: 1)
        harness.receive(text: #"{"type":"leave_project","ref":"a secret"}"#, from: other)
        let path =
            "GET /api/v1/projects/\(CoreHarness.project(1))/ws/status HTTP/1.1\r\nHost: a\r\n"
        for request in [
            CoreHarness.handshake(token: nil, fields: ["Authorization: \(field)"]),
            Array("\(path)Authorization: \(field)\r\n\r\n".utf8),
        ] {
            let client = try harness.connect()
            harness.receive(request, from: client)
            harness.settle()
            let answer = String(decoding: harness.sockets[client].taken, as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 401 "))
            let body = #"{"error":{"code":"unauthorized","message":"the token is not valid"}}"#
            #expect(answer.hasSuffix("\r\n\r\n\(body)"), "\(answer)")
        }
    }

    /// 24 of them on each of 800 connections took 828 MiB when nobody read the answers.
    @Test func `requests that are sent at once are answered one after the other, as they are read`()
        throws
    {
        var harness = try CoreHarness()
        let client = try harness.connect()
        let request = "GET /api/v1/messages/ws HTTP/1.1\r\nHost: a\r\n\r\n"
        harness.setCapacity(0, of: client)
        harness.receive(Array(String(repeating: request, count: 300).utf8), from: client)
        for _ in 0..<10 { harness.turn() }
        #expect(harness.core.outbox.segments.liveCount == 2, "the keepalive, and one answer")
        #expect(!harness.sockets[client].interest.contains(.read))
        harness.setCapacity(.max, of: client)
        harness.settle()
        let answers = harness.stream(of: client).statuses
        #expect(answers == Array(repeating: 426, count: 300))
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a connection without a token has to say who it is`() throws {
        var harness = try CoreHarness()
        let client = try harness.connect()
        let handshake = CoreHarness.handshake(token: nil, project: CoreHarness.project(4))
        let token = try CoreHarness.token(user: 9)
        harness.receive(
            handshake + WebSocketTesting.frame(0x81, #"{"type":"leave_project","ref":1}"#)
                + WebSocketTesting.frame(0x81, #"{"type":"init","token":"\#(token)","ref":2}"#),
            from: client)
        harness.settle()
        harness.notify(event: 5, project: 4)
        harness.settle()
        let texts = harness.stream(of: client).texts
        try #require(texts.count == 4)
        #expect(texts[0].contains(#""ref":1,"code":"not_authenticated""#))
        #expect(texts[1].contains(#""user_id":"\#(CoreHarness.user(9))""#))
        #expect(texts[1].contains(#""project_id":"\#(CoreHarness.project(4))""#))
        #expect(texts[2] == #"{"type":"ok","ref":2}"#)
        #expect(Invalidation(texts[3])?.event == 5)
    }

    @Test func `a mistake in an init is told, however large its token is`() throws {
        var harness = try CoreHarness()
        let client = try harness.open()
        let token = String(repeating: "A", count: 600)
        for (fields, code) in [
            (#""ref":2,"project_id":"nope""#, "invalid_project"),
            (#""ref":"\#(token.prefix(70))""#, "bad_message"),
        ] {
            harness.receive(text: #"{"type":"init","token":"\#(token)",\#(fields)}"#, from: client)
            harness.settle()
            let stream = harness.stream(of: client)
            #expect(stream.closeCode == nil)
            #expect(stream.texts.last?.contains(#""code":"\#(code)""#) == true)
        }
        harness.receive(text: #"{"type":"ping","token":"\#(token)"}"#, from: client)
        harness.settle()
        #expect(harness.stream(of: client).closeCode == 1_009)
    }

    @Test func `a bad token in init is told and closes with 4001`() throws {
        var harness = try CoreHarness()
        let client = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: client)
        harness.receive(text: #"{"type":"init","token":"a.b.c","ref":7}"#, from: client)
        harness.settle()
        let stream = harness.stream(of: client)
        #expect(stream.texts.count == 1 && stream.texts[0].contains(#""ref":7,"code":"bad_token""#))
        #expect(stream.closeCode == 4_001)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `at the limit of connections one more is refused, and one that left makes room`()
        throws
    {
        var harness = try CoreHarness(connectionsMax: 2)
        let first = try harness.open()
        _ = try harness.open()
        let third = try harness.connect()
        harness.receive(CoreHarness.handshake(token: try CoreHarness.token()), from: third)
        harness.settle()
        #expect(harness.stream(of: third).status == 503)
        #expect(harness.sockets[third].isFinished)
        harness.reset(first)
        harness.turn()
        _ = try harness.open()
        harness.expectNothingLeftAfterResets()
    }
}
