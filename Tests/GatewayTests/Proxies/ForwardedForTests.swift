import Gateway
import Reactor
import Testing

@Suite struct ForwardedForBehaviour {
    private static func read(_ lines: [String], trusting proxies: String = "10.0.0.0/8,::1") throws
        -> ForwardedFor
    {
        let fields = lines.map { "\($0)\r\n" }.joined()
        let request = ParsedRequest("GET / HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
        try #require(request.isComplete)
        return ForwardedFor(
            of: request.head, in: request.bytes.span,
            trusting: try #require(TrustedProxies(text: proxies)))
    }

    private static func client(_ text: String) throws -> ForwardedFor {
        .client(try #require(SocketAddress(host: text, port: 0)))
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("198.51.100.7, 192.0.2.1, 10.0.0.2,10.0.0.3", "192.0.2.1"),
        ("nonsense, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        (" \t192.0.2.1 , ,", "192.0.2.1"),
        ("10.0.0.4, 10.0.0.2", "10.0.0.4"),
    ])
    private func `the right-most address that isn't a proxy's is the client's`(
        value: String, expected: String
    ) throws {
        let read = try Self.read(["X-Forwarded-For: \(value)"])
        #expect(read == (try Self.client(expected)))
    }

    @Test func `several lines are one list, in their order`() throws {
        let read = try Self.read([
            "X-Forwarded-For: 198.51.100.1", "x-forwarded-for: 192.0.2.1",
            "X-Forwarded-For: 10.0.0.1",
        ])
        #expect(read == (try Self.client("192.0.2.1")))
    }

    @Test func `without the header, or with an empty one, nothing is said`() throws {
        #expect(try Self.read([]) == .absent)
        #expect(try Self.read(["X-Forwarded-For:", "X-Forwarded-For: ,,"]) == .absent)
    }

    @Test(arguments: [
        "unknown", "192.0.2.1, unknown", "192.0.2.1, _hidden, 10.0.0.1", "192.0.2", "192.0.2.1:",
        "192.0.2.1:0x50", "192.0.2.1:65536", "[192.0.2.1]:80", "[2001:db8::1", "2001:db8::1]",
        "[2001:db8::1]80", "fe80::1%eth0", "192.0.2.1;1", "\"192.0.2.1\"", "[]", ":80", "::1::2",
        "1111:2222:3333:4444:5555:6666:192.168.100.100.1",
    ])
    private func `where the client should stand and no address does, it is invalid`(
        value: String
    ) throws {
        #expect(try Self.read(["X-Forwarded-For: \(value)"]) == .invalid)
    }

    @Test func `5,000 random values give an outcome`() throws {
        var random = SystemRandomNumberGenerator()
        let seed = random.next()
        var generator = Jitter(seed: seed)
        let alphabet = Array("0123456789abcdef:.,[] x")
        for _ in 0..<5_000 {
            let count = Int(generator.next() % 40)
            let value = String((0..<count).map { _ in alphabet[Int(generator.next() % 23)] })
            let read = try Self.read(["X-Forwarded-For: 192.0.2.9, \(value)"])
            // Something stands there, so it can't be absent.
            #expect(read != .absent, "seed \(seed): \(value)")
        }
    }
}
