import Gateway
import Reactor
import Testing

/// Clients that say anything, in any pieces, to sockets of any speed: nothing traps, and when they
/// are gone nothing is left of them.
@Suite struct CoreRandomBehaviour {
    private static let texts = [
        #"{"type":"ping"}"#, #"{"type":"pong","ref":1}"#, #"{"type":"nonsense","ref":"a"}"#, "{",
        "", #"{"type":"leave_project"}"#, #"{"type":"init","ref":3}"#, "[1,2,3]", "\u{1F600}",
    ]

    private static func frame(_ random: inout WebSocketTesting.Random) -> [UInt8] {
        let text = texts[random.below(texts.count)]
        switch random.below(24) {
        case 0: return random.bytes(random.below(20))
        case 1: return WebSocketTesting.frame(0x88, [0x03, UInt8(random.below(256))])
        case 2: return WebSocketTesting.frame(0x88, [])
        case 3: return WebSocketTesting.frame(UInt8(random.below(256)), text)
        case 4: return WebSocketTesting.frame(0x81, random.bytes(random.below(40)))
        case 5: return WebSocketTesting.frame(0x81, String(repeating: "x", count: 500))
        case 6...9:
            let cut = random.below(text.utf8.count + 1)
            return WebSocketTesting.frame(0x01, Array(text.utf8.prefix(cut)))
                + WebSocketTesting.frame(0x89, random.bytes(random.below(126)))
                + WebSocketTesting.frame(0x80, Array(text.utf8.dropFirst(cut)))
        case 10...12: return WebSocketTesting.frame(0x89, random.bytes(random.below(126)))
        case 13...18:
            let project = CoreHarness.project(UInt64(random.below(4)))
            return WebSocketTesting.frame(
                0x81,
                #"{"type":"join_project","project_id":"\#(project)","keep":\#(random.below(2) == 0)}"#
            )
        default: return WebSocketTesting.frame(0x81, text)
        }
    }

    private static func act(
        _ client: Int, in harness: inout CoreHarness, _ random: inout WebSocketTesting.Random
    ) {
        switch random.below(60) {
        case 0: harness.reset(client)
        case 1: harness.receiveEnd(from: client)
        case 2...8: harness.setCapacity(random.below(400), of: client)
        case 9...15: harness.setCapacity(.max, of: client)
        case 16...30:
            var bytes: [UInt8] = []
            for _ in 0..<random.below(6) { bytes += frame(&random) }
            let cut = random.below(bytes.count + 1)
            harness.receive(Array(bytes[..<cut]), from: client)
            if random.below(4) == 0 { harness.turn() }
            harness.receive(Array(bytes[cut...]), from: client)
        default: break
        }
    }

    @Test(arguments: 0..<6)
    func `whatever clients say, nothing traps and nothing is left`(run: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the random clients, run \(run): \(seed)")
        var random = WebSocketTesting.Random(seed: seed)
        var harness = try CoreHarness(disconnectsSlowConsumers: run % 2 == 1, seed: seed)
        harness.deliveries.perTurn = run < 3 ? 2 : 1_024
        harness.deliveries.perRoomShare = 2
        let token = try CoreHarness.token()
        for turn in 0..<300 {
            if harness.sockets.count < 100, turn % 3 == 0 {
                let client = try harness.connect()
                let withToken = random.below(4) > 0 ? token : nil
                let project = CoreHarness.project(UInt64(random.below(4)))
                let request = CoreHarness.handshake(token: withToken, project: project)
                let length = random.below(10) == 0 ? random.below(request.count) : request.count
                harness.receive(Array(request[..<length]), from: client)
            }
            for client in harness.sockets.indices { Self.act(client, in: &harness, &random) }
            for _ in 0..<random.below(4) {
                harness.notify(event: turn, project: UInt64(random.below(4)))
            }
            harness.turn(milliseconds: UInt64(random.below(10) == 0 ? 1_000 : 2))
        }
        harness.expectNothingLeftAfterResets()
    }
}
