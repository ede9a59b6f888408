import Gateway
import GatewayHarness
import Reactor
import Testing

/// How much of a turn what clients say may take: the rest waits, and everybody has a share.
@Suite struct CoreTurnBehaviour {
    private static let ping = WebSocketTesting.frame(0x81, #"{"type":"ping"}"#)

    private static func pings(_ count: Int) -> [UInt8] {
        Array(repeatElement(ping, count: count).joined())
    }

    private static func harness(
        strangers: UInt64 = .max, members: UInt64 = .max, client: UInt64 = .max
    ) throws -> CoreHarness {
        try CoreHarness(turn: .init(strangers: strangers, members: members, client: client))
    }

    /// A WebSocket that has yet to say who it is.
    private static func stranger(_ harness: inout CoreHarness) throws -> Int {
        let number = try harness.connect()
        harness.receiveInTurn(CoreHarness.handshake(token: nil), from: number)
        harness.settle()
        return number
    }

    private static func pongs(of number: Int, _ harness: borrowing CoreHarness) -> Int {
        harness.stream(of: number).texts.count { $0.contains("pong") }
    }

    // MARK: One client

    @Test func `what one says in a row is cut, and goes on when the others were heard`() throws {
        var harness = try Self.harness(members: 10_000, client: 5_000)
        let talker = try harness.open()
        let other = try harness.open(user: 2)
        harness.receiveInTurn(Self.pings(40), from: talker)
        harness.receiveInTurn(Self.ping, from: other)
        harness.turn()
        #expect((1..<20).contains(Self.pongs(of: talker, harness)))
        harness.turn()
        #expect(Self.pongs(of: other, harness) == 1, "it waits for nobody's last word")
        #expect(Self.pongs(of: talker, harness) < 40)
        harness.settle()
        #expect(Self.pongs(of: talker, harness) == 40)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a frame that was cut by the end of a receive is completed from the socket`() throws
    {
        var harness = try Self.harness(members: 2_000, client: 1_000)
        let talker = try harness.open()
        let all = Self.pings(6)
        for start in stride(from: 0, to: all.count, by: 7) {
            harness.receiveInTurn(Array(all[start..<min(start + 7, all.count)]), from: talker)
            harness.turn()
        }
        harness.settle()
        #expect(Self.pongs(of: talker, harness) == 6)
    }

    @Test func `documents that are dear to read are read one at a time`() throws {
        var harness = try Self.harness(client: 100_000)
        let client = try Self.stranger(&harness)
        let dear =
            #"{"type":"init","x":["# + Array(repeating: "0", count: 200).joined(separator: ",")
            + String(repeating: " ", count: 7_000) + "]}"
        let frame = WebSocketTesting.frame(0x81, dear)
        harness.receive(frame + frame + frame, from: client)
        let index = harness.sockets[client].index
        let hasUnread = harness.core.hasUnread(index)
        #expect(hasUnread)
        #expect(harness.core.metrics.waits[.strangers] > 0)
        harness.settle()
        #expect(harness.stream(of: client).closeCode == 4001, "the first had no token")
    }

    // MARK: Many

    @Test func `strangers who use up their share keep no member waiting`() throws {
        var harness = try Self.harness(strangers: 1, members: 1_000_000, client: 1_000)
        let member = try harness.open()
        var strangers: [Int] = []
        for _ in 0..<10 { strangers.append(try harness.connect()) }
        for number in strangers {
            harness.receiveInTurn(CoreHarness.handshake(token: nil), from: number)
        }
        let isHeard = harness.receiveInTurn(Self.ping, from: member)
        #expect(isHeard)
        harness.turn()
        #expect(Self.pongs(of: member, harness) == 1)
        var turns = 1
        while harness.core.hasWorkLeft {
            harness.turn()
            turns += 1
        }
        #expect(turns >= 9, "one in each turn")
        for number in strangers { #expect(harness.stream(of: number).status == 101) }
    }

    @Test func `everybody who always has something to say is heard as often as the others`() throws
    {
        var harness = try Self.harness(members: 6_000, client: 3_000)
        var talkers: [Int] = []
        for user in 0..<8 as Range<UInt64> { talkers.append(try harness.open(user: user)) }
        for number in talkers { harness.receiveInTurn(Self.pings(60), from: number) }
        for _ in 0..<24 { harness.turn() }
        let heard = talkers.map { Self.pongs(of: $0, harness) }
        let (least, most) = (heard.min() ?? 0, heard.max() ?? 0)
        #expect(least > 0 && most < 60 && most - least <= 4, "\(heard)")
    }

    @Test func `one that waits isn't watched, and is again when it was heard`() throws {
        var harness = try Self.harness(strangers: 1)
        let first = try harness.connect()
        let second = try harness.connect()
        harness.turn()
        for number in [first, second] {
            harness.receiveInTurn(Array("GET / HTTP/1.1\r\nHost: x\r\n".utf8), from: number)
            harness.receiveInTurn(Array("X-Y: z\r\n".utf8), from: number)
        }
        harness.core.spend(.max, of: .strangers)
        harness.receiveInTurn(Array("X-Y: z\r\n".utf8), from: second)
        harness.runOutboundPhases()
        #expect(harness.sockets[second].interest == [])
        harness.settle()
        #expect(harness.sockets[second].interest == .read)
    }

    // MARK: Before init

    @Test func `a handful of messages before init, and one more closes with 4002`() throws {
        var harness = try Self.harness()
        let client = try Self.stranger(&harness)
        for _ in 0..<Limits.strangerMessagesMax { harness.receive(Self.ping, from: client) }
        harness.pass(milliseconds: 5_000)
        #expect(harness.stream(of: client).closeCode == nil)
        harness.receive(Self.ping, from: client)
        harness.settle()
        #expect(harness.stream(of: client).closeCode == 4002)
        #expect(harness.stream(of: client).events.last?.contains("init") == true)
    }

    @Test func `who has said who it is has its whole allowance`() throws {
        var limits = AdmissionLimits()
        limits.messagesPerSecond = 5
        var harness = try CoreHarness(admission: limits)
        let client = try Self.stranger(&harness)
        for _ in 1..<Limits.strangerMessagesMax { harness.receive(Self.ping, from: client) }
        let token = try CoreHarness.token()
        harness.receive(text: #"{"type":"init","token":"\#(token)"}"#, from: client)
        for _ in 0..<20 { harness.receive(Self.ping, from: client) }
        harness.settle()
        #expect(harness.stream(of: client).closeCode == nil)
        harness.receive(text: #"{"type":"init","token":"\#(token)"}"#, from: client)
        harness.settle()
        #expect(harness.stream(of: client).closeCode == 4301, "a newer token brings no more")
    }

    @Test func `what is too long for anything but init isn't read unless it can be one`() throws {
        var harness = try Self.harness()
        let zeros = Array(repeating: "0", count: 2_000).joined(separator: ",")
        let texts = [
            "[\(zeros)]", #"{"type":"init","x":[\#(zeros)]}"#,
            #"{"type":"ping","x":"\#(String(repeating: "x", count: 4_000))"}"#,
        ]
        for text in texts {
            let stranger = try Self.stranger(&harness)
            harness.receive(text: text, from: stranger)
            harness.settle()
            #expect(harness.stream(of: stranger).texts.last?.contains("not_authenticated") == true)
            let member = try harness.open()
            harness.receive(text: text, from: member)
            harness.settle()
            #expect(harness.stream(of: member).closeCode == 1009)
        }
    }

    // MARK: TLS handshakes

    @Test func `an address that has used up its handshakes is closed before TLS begins`() throws {
        var limits = AdmissionLimits()
        limits.handshakesPerSecond = 1
        var harness = try CoreHarness(admission: limits)
        var admitted = 0
        for _ in 0..<30 {
            let number = try harness.connect(from: "192.0.2.1")
            let index = harness.sockets[number].index
            harness.core.beginTLS(index)
            if harness.core.admitSecureHandshake(of: index) { admitted += 1 }
        }
        #expect(admitted == Limits.handshakeBurstSeconds)
        #expect(harness.core.metrics.connectionsDropped[.handshakes] == UInt64(30 - admitted))
        let other = try harness.connect(from: "192.0.2.2")
        let isAdmitted = harness.core.admitSecureHandshake(of: harness.sockets[other].index)
        #expect(isAdmitted)
        // It has paid for its upgrade as well, but for no second one.
        harness.receive(CoreHarness.handshake(token: "x"), from: other)
        harness.settle()
        #expect(harness.stream(of: other).status == 401)
    }
}
