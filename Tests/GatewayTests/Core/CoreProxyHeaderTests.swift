import Gateway
import Testing

@Suite struct CoreProxyHeaderBehaviour {
    private static func limits() throws -> AdmissionLimits {
        var limits = AdmissionLimits()
        limits.trustedProxies = try #require(TrustedProxies(text: "10.0.0.0/8"))
        limits.expectsProxyHeader = true
        limits.connectionsPerAddress = 1
        return limits
    }

    private static let header = Array("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n".utf8)

    @Test func `cut at every byte, the header is taken and nothing of what follows`() throws {
        let request = CoreHarness.handshake(token: try CoreHarness.token())
        for cut in 0...Self.header.count {
            var harness = try CoreHarness(admission: Self.limits())
            let client = try harness.connect(from: "10.0.0.1")
            let first = Self.header.prefix(cut)
            if cut > 0 {
                let taken = harness.receiveProxyHeader(Array(first), from: client)
                #expect(taken == cut)
            }
            if cut < Self.header.count {
                let taken = harness.receiveProxyHeader(
                    Array(Self.header.dropFirst(cut)) + request, from: client)
                #expect(taken == Self.header.count - cut)
            }
            harness.receive(request, from: client)
            harness.settle()
            #expect(harness.stream(of: client).status == 101)
            #expect(harness.peer(of: client) == "192.0.2.1")
            harness.expectNothingLeftAfterResets()
        }
    }

    @Test func `what another client had held is not looked for before a header`() throws {
        var harness = try CoreHarness(admission: Self.limits(), checksMembership: true)
        harness.database.answersAtOnce = false
        let first = try harness.connect(from: "10.0.0.1")
        _ = harness.receiveProxyHeader(Self.header, from: first)
        let request = CoreHarness.handshake(
            token: try CoreHarness.token(), project: CoreHarness.project(1))
        harness.receive(request + [0x81], from: first)
        harness.turn()
        harness.reset(first)
        let freed = harness.core.freeNext()
        #expect(freed != nil)
        let second = try harness.connect(from: "10.0.0.1")
        #expect(harness.sockets[second].index == harness.sockets[first].index)
        _ = harness.receiveProxyHeader(Array(Self.header.prefix(9)), from: second)
        let resumed = harness.core.dequeueTurn()
        #expect(resumed == nil)
    }

    @Test func `it is taken from trusted proxies only`() throws {
        var harness = try CoreHarness(admission: Self.limits())
        let number = try harness.connectUnlessDropped(from: "192.0.2.1")
        #expect(number == nil && harness.core.metrics.proxyFaults[.untrusted] == 1)
    }

    @Test func `what is no header closes the connection and is counted`() throws {
        var harness = try CoreHarness(admission: Self.limits())
        let client = try harness.connect(from: "10.0.0.1")
        let taken = harness.receiveProxyHeader(Array("GET / HTTP/1.1\r\n".utf8), from: client)
        #expect(taken == 16)
        harness.settle()
        #expect(harness.core.metrics.proxyFaults[.header] == 1)
        #expect(harness.sockets[client].taken.isEmpty)
        harness.expectNothingLeft()
    }

    @Test func `a header that doesn't come in time closes the connection and is counted`() throws {
        var harness = try CoreHarness(admission: Self.limits())
        let client = try harness.connect(from: "10.0.0.1")
        _ = harness.receiveProxyHeader(Array(Self.header.prefix(9)), from: client)
        harness.pass(milliseconds: 10_500)
        harness.settle()
        #expect(harness.core.metrics.proxyFaults[.late] == 1)
        harness.expectNothingLeft()
    }

    @Test func `the limit holds for the address in the header, not for the balancer's own checks`()
        throws
    {
        var harness = try CoreHarness(admission: Self.limits())
        let token = try CoreHarness.token()
        var statuses: [Int?] = []
        for _ in 0..<2 {
            let client = try harness.connect(from: "10.0.0.1")
            _ = harness.receiveProxyHeader(Self.header, from: client)
            harness.receive(CoreHarness.handshake(token: token), from: client)
            harness.settle()
            statuses.append(harness.stream(of: client).status)
        }
        #expect(statuses == [101, 429])
        let local: [UInt8] =
            [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x20, 0, 0, 0]
        for _ in 0..<3 {
            let check = try harness.connect(from: "10.0.0.1")
            _ = harness.receiveProxyHeader(local, from: check)
            harness.receive(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), from: check)
            harness.settle()
            #expect(harness.stream(of: check).status == 404)
        }
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a proxy behind the balancer may name the client in its turn`() throws {
        var harness = try CoreHarness(admission: Self.limits())
        let client = try harness.connect(from: "10.0.0.1")
        _ = harness.receiveProxyHeader(
            Array("PROXY TCP4 10.0.0.2 10.0.0.1 56324 443\r\n".utf8), from: client)
        let token = try CoreHarness.token()
        harness.receive(
            CoreHarness.handshake(token: token, fields: ["X-Forwarded-For: 192.0.2.5"]),
            from: client)
        harness.settle()
        #expect(harness.peer(of: client) == "192.0.2.5")
    }
}
