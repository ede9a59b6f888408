import Gateway
import Testing

@Suite struct CoreAddressLimitBehaviour {
    private static func limits(
        _ change: (inout AdmissionLimits) -> Void
    ) -> AdmissionLimits {
        var limits = AdmissionLimits()
        change(&limits)
        return limits
    }

    private static func trusting(_ proxies: String) throws -> AdmissionLimits {
        let trusted = try #require(TrustedProxies(text: proxies))
        return limits {
            $0.trustedProxies = trusted
            $0.connectionsPerAddress = 2
        }
    }

    private static func upgrade(
        _ harness: inout CoreHarness, from address: String, fields: [String] = [], user: UInt64 = 1
    ) throws -> Int {
        let number = try harness.connect(from: address)
        let token = try CoreHarness.token(user: user)
        harness.receive(CoreHarness.handshake(token: token, fields: fields), from: number)
        harness.settle()
        return number
    }

    @Test func `one connection too many of an address is answered with 429 and closed`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.connectionsPerAddress = 2 })
        var numbers: [Int] = []
        for _ in 0..<3 { numbers.append(try Self.upgrade(&harness, from: "192.0.2.1")) }
        numbers.append(try Self.upgrade(&harness, from: "192.0.2.2"))
        let statuses = numbers.map { harness.stream(of: $0).status }
        #expect(statuses == [101, 101, 429, 101])
        #expect(harness.core.metrics.limitsReached[.address] == 1)
        #expect(harness.core.metrics.handshakesRefused[.tooManyConnections] == 1)
        harness.receiveEnd(from: numbers[2])
        harness.reset(numbers[0])
        harness.settle()
        let next = try Self.upgrade(&harness, from: "192.0.2.1")
        #expect(harness.stream(of: next).status == 101, "a place that is free again")
        harness.expectNothingLeftAfterResets()
    }

    @Test func `of an IPv6 network all addresses count together`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.connectionsPerAddress = 1 })
        let first = try Self.upgrade(&harness, from: "2001:db8::1")
        let second = try Self.upgrade(&harness, from: "2001:db8::ffff:0:0:2")
        let third = try Self.upgrade(&harness, from: "2001:db8:0:1::1")
        let statuses = [first, second, third].map { harness.stream(of: $0).status }
        #expect(statuses == [101, 429, 101])
    }

    @Test func `silent connections count too, and beyond the refusals they are dropped`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.connectionsPerAddress = 2 })
        for _ in 0..<2 + 8 {
            let number = try harness.connectUnlessDropped(from: "192.0.2.1")
            #expect(number != nil)
        }
        let dropped = try harness.connectUnlessDropped(from: "192.0.2.1")
        #expect(dropped == nil && harness.core.metrics.connectionsDropped[.address] == 1)
        let other = try Self.upgrade(&harness, from: "192.0.2.2")
        #expect(harness.stream(of: other).status == 101)
        harness.pass(milliseconds: 16_000)
        let afterwards = try Self.upgrade(&harness, from: "192.0.2.1")
        #expect(harness.stream(of: afterwards).status == 101)
    }

    @Test func `when all places are taken, and those for refusals, connections are dropped`() throws
    {
        var harness = try CoreHarness(connectionsMax: 1)
        for _ in 0..<1 + 32 {
            let number = try harness.connectUnlessDropped(from: "192.0.2.1")
            #expect(number != nil)
        }
        let dropped = try harness.connectUnlessDropped(from: "192.0.2.1")
        #expect(dropped == nil && harness.core.metrics.connectionsDropped[.places] == 1)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `handshakes beyond the rate are answered with 429, until time has passed`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.handshakesPerSecond = 1 })
        var statuses: [Int?] = []
        for _ in 0..<12 {
            let number = try Self.upgrade(&harness, from: "192.0.2.1")
            statuses.append(harness.stream(of: number).status)
            harness.reset(number)
        }
        #expect(statuses == Array(repeating: 101, count: 10) + [429, 429])
        #expect(harness.core.metrics.limitsReached[.handshakeRate] == 2)
        harness.pass(milliseconds: 1_000)
        let later = try Self.upgrade(&harness, from: "192.0.2.1")
        #expect(harness.stream(of: later).status == 101)
    }

    @Test func `a script of another site is answered with 403 before 101`() throws {
        var harness = try CoreHarness()
        let refused = try Self.upgrade(
            &harness, from: "192.0.2.1", fields: ["Origin: https://evil.example"])
        let allowed = try Self.upgrade(
            &harness, from: "192.0.2.1", fields: ["Origin: https://gateway"])
        #expect(harness.stream(of: refused).status == 403)
        #expect(harness.stream(of: allowed).status == 101)
        #expect(harness.core.metrics.limitsReached[.origin] == 1)
    }

    // MARK: Behind a proxy

    @Test func `a trusted proxy's connections count for the clients that it names`() throws {
        var harness = try CoreHarness(admission: Self.trusting("10.0.0.1"))
        let forwarded = ["X-Forwarded-For: 198.51.100.9, 192.0.2.1"]
        var numbers: [Int] = []
        for _ in 0..<3 {
            numbers.append(try Self.upgrade(&harness, from: "10.0.0.1", fields: forwarded))
        }
        let other = try Self.upgrade(
            &harness, from: "10.0.0.1", fields: ["X-Forwarded-For: 192.0.2.2"])
        numbers.append(other)
        let statuses = numbers.map { harness.stream(of: $0).status }
        #expect(statuses == [101, 101, 429, 101])
        #expect(harness.peer(of: numbers[0]) == "192.0.2.1")
        harness.expectNothingLeftAfterResets()
    }

    @Test func `nobody else is believed`() throws {
        var harness = try CoreHarness(admission: Self.trusting("10.0.0.1"))
        let number = try Self.upgrade(
            &harness, from: "192.0.2.7", fields: ["X-Forwarded-For: 192.0.2.1"])
        #expect(harness.peer(of: number) == "192.0.2.7")
    }

    @Test func `garbage of a trusted proxy is counted, and its own address is used`() throws {
        var harness = try CoreHarness(admission: Self.trusting("10.0.0.1"))
        let number = try Self.upgrade(
            &harness, from: "10.0.0.1", fields: ["X-Forwarded-For: unknown"])
        #expect(harness.stream(of: number).status == 101)
        #expect(harness.peer(of: number) == "10.0.0.1")
        #expect(harness.core.metrics.proxyFaults[.forwardedFor] == 1)
    }

    @Test(arguments: [[], ["X-Forwarded-For: unknown"]])
    func `a connection whose second request names its client counts for that one`(
        first: [String]
    ) throws {
        var harness = try CoreHarness(admission: Self.trusting("10.0.0.1"))
        let number = try harness.connect(from: "10.0.0.1")
        harness.receive(CoreHarness.handshake(token: "x", fields: first), from: number)
        harness.settle()
        #expect(harness.stream(of: number).status == 401)
        #expect(!harness.sockets[number].isFinished)
        let forwarded = ["X-Forwarded-For: 192.0.2.1"]
        harness.receive(
            CoreHarness.handshake(token: try CoreHarness.token(), fields: forwarded), from: number)
        harness.settle()
        #expect(harness.peer(of: number) == "192.0.2.1")
        // Of the proxy's own two places none is taken, of the client's one is.
        let others = try [[], [], forwarded, forwarded].map {
            try Self.upgrade(&harness, from: "10.0.0.1", fields: $0)
        }
        let statuses = others.map { harness.stream(of: $0).status }
        #expect(statuses == [101, 101, 101, 429])
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a refusal ends a connection whose address a proxy has named`() throws {
        var harness = try CoreHarness(admission: Self.trusting("10.0.0.1"))
        let number = try harness.connect(from: "10.0.0.1")
        harness.receive(
            CoreHarness.handshake(token: "x", fields: ["X-Forwarded-For: 192.0.2.1"]), from: number)
        harness.settle()
        #expect(harness.stream(of: number).status == 401)
        #expect(harness.sockets[number].isFinished)
    }
}
