import Gateway
import Reactor
import Testing

@Suite struct ProxyHeaderBehaviour {
    private static func read(_ bytes: [UInt8]) -> ProxyHeader { ProxyHeader(bytes.span) }

    private static func address(_ host: String, _ port: UInt16) throws -> SocketAddress {
        try #require(SocketAddress(host: host, port: port))
    }

    /// A header of version 2.
    private static func binary(
        command: UInt8 = 0x21, family: UInt8 = 0x11, addresses: [UInt8], extensions: [UInt8] = []
    ) -> [UInt8] {
        let count = addresses.count + extensions.count
        return [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
            + [command, family, UInt8(count >> 8), UInt8(count & 0xFF)] + addresses + extensions
    }

    /// 192.0.2.1:56324 to 198.51.100.1:443.
    private static let four: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 1, 0xDC, 0x04, 0x01, 0xBB]
    /// [2001:db8::1]:56324 to [2001:db8::2]:443.
    private static let six: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]
        + [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [2]
        + [0xDC, 0x04, 0x01, 0xBB]
    private static let text = Array("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".utf8)

    private static func isMalformed(_ header: ProxyHeader) -> Bool {
        if case .malformed = header { true } else { false }
    }

    @Test func `both versions say where the connection comes from`() throws {
        let four = try Self.address("192.0.2.1", 56_324)
        let six = try Self.address("2001:db8::1", 56_324)
        #expect(Self.read(Self.text) == .complete(byteCount: 45, source: four))
        let textSix = Array("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n".utf8)
        #expect(Self.read(textSix) == .complete(byteCount: textSix.count, source: six))
        #expect(
            Self.read(Self.binary(addresses: Self.four)) == .complete(byteCount: 28, source: four))
        #expect(
            Self.read(Self.binary(family: 0x21, addresses: Self.six))
                == .complete(byteCount: 52, source: six))
    }

    @Test func `what is behind the header isn't touched`() throws {
        let request = Array("GET / HTTP/1.1\r\n".utf8)
        let source = try Self.address("192.0.2.1", 56_324)
        #expect(Self.read(Self.text + request) == .complete(byteCount: 45, source: source))
        let binary = Self.binary(addresses: Self.four, extensions: [4, 0, 2, 9, 9])
        #expect(Self.read(binary + request) == .complete(byteCount: 33, source: source))
    }

    @Test func `the balancer's own connections have no source`() {
        let nothing = ProxyHeader.complete(byteCount: 16, source: nil)
        #expect(Self.read(Self.binary(command: 0x20, family: 0, addresses: [])) == nothing)
        #expect(Self.read(Self.binary(command: 0x21, family: 0, addresses: [])) == nothing)
        // Of LOCAL everything else is skipped unseen, a family that is reserved included.
        let local = Self.binary(command: 0x20, family: 0xFF, addresses: [1, 2, 3])
        #expect(Self.read(local) == .complete(byteCount: 19, source: nil))
        let unix = Self.binary(family: 0x31, addresses: [UInt8](repeating: 0, count: 216))
        #expect(Self.read(unix) == .complete(byteCount: 232, source: nil))
        for text in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN a b 1 2\r\n"] {
            let bytes = Array(text.utf8)
            #expect(Self.read(bytes) == .complete(byteCount: bytes.count, source: nil))
        }
    }

    @Test func `cut at every byte it is incomplete until it is whole`() {
        for header in [
            Self.text, Self.binary(addresses: Self.four, extensions: [4, 0, 0]),
            Self.binary(family: 0x21, addresses: Self.six),
        ] {
            for count in 0..<header.count {
                #expect(Self.read(Array(header.prefix(count))) == .incomplete, "\(count)")
            }
        }
    }

    @Test func `reserved versions, commands and families are malformed`() {
        for value in UInt8.min...UInt8.max {
            let isKnown = [0x20, 0x21].contains(value)
            let command = Self.read(Self.binary(command: value, addresses: Self.four))
            #expect(Self.isMalformed(command) != isKnown, "command \(value)")
            let addresses = [UInt8](repeating: 1, count: 216)
            let family = Self.read(Self.binary(family: value, addresses: addresses))
            #expect(
                Self.isMalformed(family) != [0x00, 0x11, 0x21, 0x31].contains(value),
                "family \(value)")
        }
    }

    @Test func `addresses that are a byte too short are malformed`() {
        for (family, count) in [(UInt8(0x11), 12), (0x21, 36), (0x31, 216)] {
            let short = [UInt8](repeating: 0, count: count - 1)
            #expect(Self.isMalformed(Self.read(Self.binary(family: family, addresses: short))))
        }
    }

    @Test func `4,096 bytes are taken, one more isn't`() throws {
        let room = ProxyHeader.byteCountMax - 28
        let largest = Self.binary(
            addresses: Self.four, extensions: [UInt8](repeating: 0, count: room))
        let source = try Self.address("192.0.2.1", 56_324)
        #expect(Self.read(largest) == .complete(byteCount: 4_096, source: source))
        let larger = Self.binary(
            addresses: Self.four, extensions: [UInt8](repeating: 0, count: room + 1))
        // It is known from the length, before the rest has come.
        #expect(Self.isMalformed(Self.read(Array(larger.prefix(16)))))
    }

    @Test func `a line of 107 bytes is taken, one more isn't`() {
        let longest = "PROXY UNKNOWN " + String(repeating: "x", count: 91) + "\r\n"
        #expect(longest.utf8.count == 107)
        #expect(Self.read(Array(longest.utf8)) == .complete(byteCount: 107, source: nil))
        #expect(Self.isMalformed(Self.read(Array(("PROXY " + longest).utf8))))
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n", "proxy TCP4 ", "PROXY\r\n", "PROXY \r\n", "PROXYTCP4 ",
        "PROXY TCP4\r\n", "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY TCP6 ::ffff:192.0.2.1 fe80::1%eth0 1 2\r\n", "\r\n\r\nGET", "\u{16}\u{3}\u{1}",
    ])
    private func `whatever else there is, is malformed`(text: String) {
        #expect(Self.isMalformed(Self.read(Array(text.utf8))))
    }

    @Test func `20,000 mutated headers give the same outcome however they are cut`() {
        var random = SystemRandomNumberGenerator()
        let seed = random.next()
        var generator = Jitter(seed: seed)
        let headers = [
            Self.text, Self.binary(addresses: Self.four, extensions: [4, 0, 2, 9, 9]),
            Self.binary(family: 0x21, addresses: Self.six),
        ]
        for round in 0..<20_000 {
            var bytes = headers[Int(generator.next() % 3)] + [0x47, 0x45, 0x54]
            for _ in 0..<1 + generator.next() % 3 {
                bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(
                    truncatingIfNeeded: generator.next())
            }
            // The first cut at which an outcome is known decides; more bytes don't change it.
            let first = (0...bytes.count).first {
                Self.read(Array(bytes.prefix($0))) != .incomplete
            }
            let whole = Self.read(bytes)
            guard let first else {
                #expect(whole == .incomplete, "seed \(seed), round \(round)")
                continue
            }
            let early = Self.read(Array(bytes.prefix(first)))
            #expect(
                early == whole || Self.isMalformed(early) && Self.isMalformed(whole),
                "seed \(seed), round \(round)")
            if case .complete(let count, _) = whole { #expect(count <= bytes.count) }
        }
    }
}
