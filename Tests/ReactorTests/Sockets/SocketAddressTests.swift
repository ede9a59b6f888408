import Reactor
import Testing

@Suite struct SocketAddressBehaviour {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:8080"), ("0.0.0.0", "0.0.0.0:8080"),
        ("255.255.255.255", "255.255.255.255:8080"), ("::1", "[::1]:8080"), ("::", "[::]:8080"),
        ("2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:8080"),
        ("fe80::1:2:3:4", "[fe80::1:2:3:4]:8080"),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:8080"
        ),
    ])
    func `an address is written in its shortest form (RFC 5952)`(host: String, text: String) throws
    {
        let address = try #require(SocketAddress(host: host, port: 8_080))
        #expect(address.description == text)
    }

    @Test func `an IPv4 address in IPv6 form is the IPv4 address (RFC 4291 2.5.5.2)`() throws {
        let mapped = try #require(SocketAddress(host: "::ffff:10.1.2.3", port: 1))
        let plain = try #require(SocketAddress(host: "10.1.2.3", port: 1))
        #expect(mapped == plain && mapped.isIPv4)
        #expect(mapped.description == "10.1.2.3:1")
        let loopback = try #require(SocketAddress(host: "::1", port: 1))
        #expect(!loopback.isIPv4)
    }

    @Test(arguments: [
        "", "localhost", "127.0.0.1:80", "127.0.0", "256.0.0.1", "1.2.3.4 ", "[::1]", ":::",
        "1:2:3:4:5:6:7:8:9", "fe80::1%lo",
    ])
    func `anything but a numeric address is refused`(host: String) {
        #expect(SocketAddress(host: host, port: 1) == nil)
    }

    @Test func `addresses that differ in the port alone differ`() throws {
        let one = try #require(SocketAddress(host: "::1", port: 1))
        let two = try #require(SocketAddress(host: "::1", port: 2))
        #expect(one != two)
    }
}
