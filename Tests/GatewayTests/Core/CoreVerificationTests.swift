import Gateway
import Reactor
import Testing

/// Signatures of public keys are costly; a turn checks so many, and the others wait.
@Suite struct CoreVerificationBehaviour {
    private static let token = SignedTokens.es256.plain

    private static func harness(connectionsMax: Int = 64) throws -> CoreHarness {
        try CoreHarness(connectionsMax: connectionsMax, publicKeys: [SignedTokens.p256PEM])
    }

    private static func statusRequest(token: String) -> [UInt8] {
        Array(
            ("GET /api/v1/projects/\(CoreHarness.project(1))/ws/status HTTP/1.1\r\n"
                + "Host: gateway\r\nAuthorization: Bearer \(token)\r\n\r\n").utf8)
    }

    @Test func `a crowd with costly tokens gets in, a few of it in each turn`() throws {
        var harness = try Self.harness()
        var waiting: [Int] = []
        for _ in 0..<48 { waiting.append(try harness.connect()) }
        let clients = waiting
        var turns = 0
        while !waiting.isEmpty {
            let handshake = CoreHarness.handshake(token: Self.token)
            var left: [Int] = []
            for client in waiting where !harness.receiveIfTaken(handshake, from: client) {
                left.append(client)
            }
            let served = waiting.count - left.count
            #expect(served > 0 && served <= Limits.signatureChecksPerTurn)
            let deferred = harness.core.metrics.verificationsDeferred
            #expect(left.isEmpty || deferred > 0)
            let waits = harness.core.metrics.waits[.strangers]
            #expect(waits >= UInt64(left.count))
            waiting = left
            turns += 1
            harness.turn()
        }
        #expect(turns >= 48 / Limits.signatureChecksPerTurn)
        var statuses: [Int?] = []
        for client in clients { statuses.append(harness.stream(of: client).status) }
        #expect(statuses.allSatisfy { $0 == 101 })
    }

    @Test func `who is in already, and operators, don't wait with them`() throws {
        var harness = try Self.harness()
        let client = try harness.open()
        let operatorClient = try harness.connect(to: .admin)
        let stranger = try harness.connect()
        harness.core.verifier.costlyChecksLeft = 0
        let ping = WebSocketTesting.frame(0x81, #"{"type":"ping"}"#)
        let isHeard = harness.receiveIfTaken(ping, from: client)
        #expect(isHeard)
        let probe = Array("GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n".utf8)
        let isOperatorHeard = harness.receiveIfTaken(probe, from: operatorClient)
        #expect(isOperatorHeard)
        let isStrangerHeard = harness.receiveIfTaken(
            CoreHarness.handshake(token: Self.token), from: stranger)
        #expect(!isStrangerHeard)
        harness.turn()
        let texts = harness.stream(of: client).texts
        #expect(texts == [#"{"type":"pong"}"#])
        let status = harness.stream(of: operatorClient).status
        #expect(status == 200)
        let isHeardNow = harness.receiveIfTaken(
            CoreHarness.handshake(token: Self.token), from: stranger)
        #expect(isHeardNow)
    }

    @Test func `who waited for half of its time is told to come back`() throws {
        var harness = try Self.harness()
        let client = try harness.connect()
        let handshake = CoreHarness.handshake(token: Self.token)
        for _ in 0..<4 {
            harness.core.verifier.costlyChecksLeft = 0
            let isTaken = harness.receiveIfTaken(handshake, from: client)
            #expect(!isTaken)
            harness.pass(milliseconds: 1_200)
        }
        harness.pass(milliseconds: 400)
        harness.core.verifier.costlyChecksLeft = 0
        let isTaken = harness.receiveIfTaken(handshake, from: client)
        #expect(isTaken)
        harness.settle()
        let stream = harness.stream(of: client)
        #expect(stream.status == 503)
        #expect(stream.head.lowercased().contains("retry-after:"))
    }

    @Test func `one client that asks for many checks at once gets one of a turn`() throws {
        var harness = try Self.harness()
        let client = try harness.connect()
        let request = Self.statusRequest(token: Self.token)
        harness.receive(Array(repeatElement(request, count: 100).joined()), from: client)
        let checksLeft = harness.core.verifier.costlyChecksLeft
        #expect(checksLeft == Limits.signatureChecksPerTurn - 1)
        harness.settle()
        let statuses = harness.stream(of: client).statuses
        #expect(statuses == Array(repeating: 200, count: 100))
    }

    @Test func `an init that can't be checked now is a temporary error that changes nothing`()
        throws
    {
        var harness = try Self.harness()
        let client = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: client)
        harness.turn()
        harness.core.verifier.costlyChecksLeft = 0
        let message = #"{"type":"init","token":"\#(Self.token)","ref":1}"#
        harness.receive(text: message, from: client)
        harness.turn()
        let answers = harness.stream(of: client).texts
        let refusal = try #require(answers.last)
        #expect(refusal.contains(#""ref":1,"code":"unavailable""#))
        #expect(refusal.contains(#""temporary":true"#))
        harness.receive(text: message, from: client)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.contains { $0.contains(#""user_id":"\#(SignedTokens.user)""#) })
        #expect(texts.last == #"{"type":"ok","ref":1}"#)
    }

    @Test func `a token that has expired costs none of the turn's checks`() throws {
        var harness = try Self.harness()
        for _ in 0..<40 {
            let client = try harness.connect()
            harness.receive(
                CoreHarness.handshake(token: SignedTokens.es256.old), from: client)
        }
        let checksLeft = harness.core.verifier.costlyChecksLeft
        #expect(checksLeft == Limits.signatureChecksPerTurn)
    }
}
