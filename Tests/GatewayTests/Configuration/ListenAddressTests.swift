import Gateway
import Testing

@Suite struct ListenAddressBehaviour {
    @Test(
        arguments: [
            ("127.0.0.1:8080", "127.0.0.1", 8080), ("[::1]:0", "::1", 0),
            ("0.0.0.0:65535", "0.0.0.0", 65_535), ("[::]:1", "::", 1),
            ("[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", 80),
        ] as [(String, String, UInt16)])
    func `host and port are read, and written as they were`(
        text: String, host: String, port: UInt16
    ) throws {
        let address = try #require(ListenAddress(text: text))
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.description == text)
    }

    @Test(arguments: [
        "localhost:8080", "my-host.example:443", "256.1.1.1:80", "1.2.3:80", "[fe80::1%eth0]:1",
        "[127.0.0.1]:80", "127.0.0.1\u{0}:80", "[::1\u{0}]:80", "[:::1]:80",
        "", ":", ":8080", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "1.1.1.1:-1",
        "1.1.1.1:+1", "1.1.1.1:1 ", " 1.1.1.1:1", "::1:8080", "[::1]", "[::1]8080", "[::1:80",
        "[]:80", "[h]:80", "h/p:80",
        "a b:80", "h:80:80", "*:80", "hé:80", "1.1.1.1:٥",
    ])
    func `anything else is refused`(text: String) {
        #expect(ListenAddress(text: text) == nil)
    }
    @Test(
        arguments: [
            ("127.0.0.1:1", "127.0.0.1:1", true), ("[::1]:1", "[0::1]:1", true),
            ("127.0.0.1:1", "[::ffff:127.0.0.1]:1", true), ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true), ("[::]:1", "[::1]:1", true),
            ("[::]:1", "127.0.0.1:1", true), ("[::]:1", "0.0.0.0:1", true),
            ("0.0.0.0:1", "[::1]:1", false), ("127.0.0.1:1", "[::1]:1", false),
            ("0.0.0.0:1", "127.0.0.1:2", false), ("0.0.0.0:0", "0.0.0.0:0", false),
        ] as [(String, String, Bool)])
    func `the same port of all addresses and of one overlap`(
        one: String, other: String, overlap: Bool
    ) throws {
        let first = try #require(ListenAddress(text: one))
        let second = try #require(ListenAddress(text: other))
        #expect(first.overlaps(second) == overlap)
        #expect(second.overlaps(first) == overlap)
    }
}
