import Reactor
import Testing

@Suite struct AddressBlockBehaviour {
    private static func address(_ text: String) throws -> SocketAddress {
        try #require(SocketAddress(host: text, port: 1))
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
        ("10.1.2.3/32", "10.1.2.3", "10.1.2.4"),
        ("192.168.4.0/23", "192.168.5.255", "192.168.6.0"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("2001:db8::/64", "2001:db8::ffff:0:0:1", "2001:db8:0:1::"),
        ("2001:db8::8000:0:0:0/65", "2001:db8::ffff:0:0:1", "2001:db8::7fff:0:0:1"),
        ("::1", "::1", "::2"),
        ("::/0", "2001:db8::1", "10.0.0.1"),
    ])
    private func `a block holds its addresses, up to its borders, and no others`(
        text: String, inside: String, outside: String
    ) throws {
        let block = try #require(AddressBlock(text: text))
        #expect(block.contains(try Self.address(inside)))
        #expect(!block.contains(try Self.address(outside)))
    }

    @Test func `an IPv4 peer of an IPv6 listener is in the IPv4 block`() throws {
        let block = try #require(AddressBlock(text: "10.0.0.0/8"))
        #expect(block.contains(try Self.address("::ffff:10.0.0.1")))
    }

    @Test(arguments: [
        "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8",
        "10.0.0.1/8", "10.0.0/8", "localhost", "::/129", "2001:db8::1/32", "::ffff:10.0.0.0/104",
        "10.0.0.0/0008", "[::1]", "10.0.0.1:80", " 10.0.0.1",
    ])
    private func `anything else is refused`(text: String) {
        #expect(AddressBlock(text: text) == nil)
    }

    @Test(arguments: ["10.0.0.0/8", "127.0.0.1", "2001:db8::/32", "::1", "0.0.0.0/0"])
    private func `it is described as it is written`(text: String) {
        #expect(AddressBlock(text: text)?.description == text)
    }
}
