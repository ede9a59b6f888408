import Gateway
import Reactor
import Testing

@Suite struct CoreTimerBehaviour {
    private static let pong = WebSocketTesting.frame(0x8A, "")

    @Test func `a request that isn't complete in 10 s is answered with 408`() throws {
        var harness = try CoreHarness()
        let silent = try harness.connect()
        let dripping = try harness.connect()
        for byte in "GET /api/v1/me".utf8 {
            harness.receive([byte], from: dripping)
            harness.pass(milliseconds: 700)
        }
        #expect(harness.sockets[silent].taken.isEmpty && harness.sockets[dripping].taken.isEmpty)
        harness.pass(milliseconds: 500)
        for client in [silent, dripping] {
            #expect(harness.stream(of: client).status == 408)
            #expect(harness.sockets[client].isFinished)
            harness.receiveEnd(from: client)
        }
        harness.settle()
        harness.expectNothingLeft()
    }

    @Test func `who doesn't say who it is within 10 s is closed with 4002`() throws {
        var harness = try CoreHarness()
        let client = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: client)
        harness.pass(milliseconds: 9_900)
        #expect(harness.stream(of: client).closeCode == nil)
        harness.receive(text: #"{"type":"ping"}"#, from: client)
        harness.pass(milliseconds: 500)
        #expect(harness.stream(of: client).closeCode == 4_002)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `whoever joins in every tick is closed when the token expires all the same`() throws
    {
        var harness = try CoreHarness(checksMembership: true)
        for project in 1...2 as ClosedRange<UInt64> { harness.database.add(1, to: project) }
        let client = try harness.open(tokenSeconds: 5)
        for round in 0..<400 where harness.stream(of: client).closeCode == nil {
            harness.join(UInt64(1 + round % 2), from: client)
            harness.turn(milliseconds: 100)
        }
        #expect(harness.stream(of: client).closeCode == 4_101)
        harness.expectNothingLeftAfterResets()
    }

    @Test(arguments: [32_503_680_000, 253_402_300_799] as [Int64])
    func `a token that is good for centuries is one that doesn't expire`(expiry: Int64) throws {
        var harness = try CoreHarness()
        let client = try harness.open(tokenSeconds: expiry - CoreHarness.startSeconds)
        let token = try CoreHarness.token(seconds: expiry - CoreHarness.startSeconds)
        harness.receive(text: #"{"type":"init","token":"\#(token)"}"#, from: client)
        harness.pass(milliseconds: 30_000)
        let stream = harness.stream(of: client)
        #expect(stream.closeCode == nil && stream.texts.contains { $0.contains(#""ready""#) })
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a client that is silent for 60 s is closed with 4201`() throws {
        var harness = try CoreHarness()
        let silent = try harness.open()
        let living = try harness.open()
        harness.pass(milliseconds: 30_000)
        harness.receive(Self.pong, from: living)
        harness.pass(milliseconds: 29_900)
        #expect(harness.stream(of: silent).closeCode == nil)
        harness.pass(milliseconds: 500)
        #expect(harness.stream(of: silent).closeCode == 4_201)
        #expect(harness.stream(of: living).closeCode == nil)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `nobody is closed for silence in a turn that didn't hear everyone`() throws {
        var harness = try CoreHarness()
        let clients = [try harness.open(), try harness.open()]
        // The process was stopped for 90 s; what the peers sent meanwhile is still to be read.
        harness.heardEveryone = false
        harness.turn(milliseconds: 90_000)
        harness.turn()
        harness.receive(Self.pong, from: clients[0])
        harness.turn(milliseconds: 300)
        #expect(clients.allSatisfy { harness.stream(of: $0).closeCode == nil })
        harness.heardEveryone = true
        harness.pass(milliseconds: 50_000)
        harness.receive(Self.pong, from: clients[0])
        harness.pass(milliseconds: 12_000)
        let codes = clients.map { harness.stream(of: $0).closeCode }
        #expect(codes == [nil, 4_201])
    }

    @Test func `whoever wasn't pinged because the process stood still has time to answer`() throws {
        var harness = try CoreHarness()
        let silent = try harness.open()
        // Longer than ping interval and timeout, and everything that was sent has been read.
        harness.turn(milliseconds: 90_000)
        harness.pass(milliseconds: 5_000)
        #expect(harness.stream(of: silent).closeCode == nil)
        #expect(harness.stream(of: silent).events.filter { $0.hasPrefix("ping ") }.count == 1)
        harness.pass(milliseconds: 56_000)
        #expect(harness.stream(of: silent).closeCode == 4_201)
        harness.expectNothingLeftAfterResets()
    }

    /// With 4001 the browser's client gave up for good over a token that had only come too late.
    @Test(arguments: [(-60, 4_101), (-20, nil)] as [(Int64, UInt16?)])
    func `a first token that has expired on its way closes with 4101`(
        seconds: Int64, code: UInt16?
    ) throws {
        var harness = try CoreHarness()
        let client = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: client)
        harness.settle()
        let token = try CoreHarness.token(seconds: seconds)
        harness.receive(text: #"{"type":"init","token":"\#(token)"}"#, from: client)
        harness.settle()
        #expect(harness.stream(of: client).closeCode == code)
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 1)
        #expect(texts.first?.contains(#""bad_token""#) == (code != nil))
    }

    @Test func `a first token of somebody else's key closes with 4001`() throws {
        var harness = try CoreHarness()
        let client = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: client)
        harness.settle()
        let forged: [UInt8] = Array("another secret of thirty-two bytes....".utf8)
        let token = try TokenSigner.sign(
            user: CoreHarness.user(1), expiresAt: CoreHarness.startSeconds - 60,
            secret: forged.span)
        harness.receive(text: #"{"type":"init","token":"\#(token)"}"#, from: client)
        harness.settle()
        #expect(harness.stream(of: client).closeCode == 4_001)
    }

    @Test func `a token's end closes with 4101, and a fresh token puts it off`() throws {
        var harness = try CoreHarness()
        let ends = try harness.open(user: 1, tokenSeconds: 60)
        let goesOn = try harness.open(user: 1, tokenSeconds: 60)
        harness.pass(milliseconds: 50_000)
        for client in [ends, goesOn] { harness.receive(Self.pong, from: client) }
        let token = try CoreHarness.token(user: 1, seconds: 600)
        harness.receive(text: #"{"type":"init","token":"\#(token)"}"#, from: goesOn)
        let wrong = try CoreHarness.token(user: 2, seconds: 600)
        harness.receive(text: #"{"type":"init","token":"\#(wrong)"}"#, from: ends)
        harness.pass(milliseconds: 39_700)
        #expect(harness.stream(of: ends).closeCode == nil)
        harness.pass(milliseconds: 500)
        #expect(harness.stream(of: ends).closeCode == 4_101)
        #expect(harness.stream(of: goesOn).closeCode == nil)
    }

    @Test func `a ping comes within 54 s and every 54 s after, at a phase of the client's own`()
        throws
    {
        var harness = try CoreHarness(connectionsMax: 40)
        var clients: [Int] = []
        for _ in 0..<32 { clients.append(try harness.open()) }
        var firsts: [Int: Int] = [:]
        for second in 0..<120 {
            harness.pass(milliseconds: 1_000)
            for client in clients {
                harness.receive(Self.pong, from: client)
                let events = harness.stream(of: client).events
                if firsts[client] == nil, !events.isEmpty { firsts[client] = second }
            }
        }
        for client in clients {
            let first = try #require(firsts[client])
            #expect(first >= 26 && first <= 54)
            let events = harness.stream(of: client).events
            let pair = ["ping ", #"text {"type":"ping"}"#]
            #expect(events == (first + 54 <= 119 ? pair + pair : pair))
        }
        #expect(Set(firsts.values).count > 5)
    }

    @Test func `an idle connection of HTTP is closed after a minute without a word`() throws {
        var harness = try CoreHarness()
        let client = try harness.connect(to: .admin)
        harness.receive(Array("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: client)
        harness.settle()
        let taken = harness.sockets[client].taken.count
        harness.pass(milliseconds: 59_800)
        #expect(harness.sockets[client].closeCount == 0)
        harness.pass(milliseconds: 600)
        #expect(harness.sockets[client].taken.count == taken)
        harness.expectNothingLeft()
    }

    // MARK: The drain

    @Test func `a drain tells everybody within its time, at an even pace, and ends`() throws {
        var harness = try CoreHarness(connectionsMax: 128)
        var clients: [Int] = []
        for _ in 0..<100 { clients.append(try harness.open(project: 1)) }
        harness.core.beginDrain()
        var told: [Int] = []
        for _ in 0..<100 {
            let wait = harness.core.continueDrain()
            #expect(wait != nil)
            harness.turn(milliseconds: 100)
            told.append(clients.filter { harness.stream(of: $0).closeCode == 1_012 }.count)
        }
        for (step, count) in told.enumerated() { #expect(abs(count - step) <= 1) }
        _ = harness.core.continueDrain()
        harness.turn()
        let events = Set(clients.flatMap { harness.stream(of: $0).events })
        #expect(events == [#"close 1012 {"window_ms":1000}"#])
        for client in clients {
            harness.receive(WebSocketTesting.frame(0x88, [0x03, 0xF4]), from: client)
        }
        harness.settle()
        let over = harness.core.continueDrain()
        #expect(over == nil)
        harness.expectNothingLeft()
    }

    @Test func `a drain refuses newcomers, and doesn't wait for ever for those who are silent`()
        throws
    {
        var harness = try CoreHarness()
        _ = try harness.open()
        harness.core.beginDrain()
        _ = harness.core.continueDrain()
        let late = try harness.connect()
        harness.receive(CoreHarness.handshake(token: try CoreHarness.token()), from: late)
        harness.turn()
        #expect(harness.stream(of: late).status == 503)
        var steps = 0
        while harness.core.continueDrain() != nil, steps < 1_000 {
            harness.turn(milliseconds: 50)
            steps += 1
        }
        #expect(steps <= 302)
    }
}
