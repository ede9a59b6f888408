import Reactor
import Testing

@Suite struct NetworkAddressBehaviour {
    private static func network(_ host: String) throws -> NetworkAddress {
        NetworkAddress(try #require(SocketAddress(host: host, port: 1)))
    }

    @Test(arguments: ["64:ff9b::192.0.2.33", "64:ff9b::c000:221", "::ffff:192.0.2.33"])
    func `an IPv4 address that was translated counts as itself (RFC 6052 §2.1)`(
        host: String
    ) throws {
        #expect(try Self.network(host) == Self.network("192.0.2.33"))
        #expect(try Self.network(host).description == "192.0.2.33")
    }

    @Test func `two addresses behind a NAT64 are two`() throws {
        #expect(try Self.network("64:ff9b::192.0.2.1") != Self.network("64:ff9b::192.0.2.2"))
    }

    @Test(arguments: ["64:ff9b::1:c000:221", "64:ff9b:1::c000:221", "64:ff9c::c000:221"])
    func `only that prefix is a NAT64's`(host: String) throws {
        let other = try Self.network(host.replacingLast(with: "222"))
        #expect(try Self.network(host) == other)
        #expect(try Self.network(host) != Self.network("192.0.2.33"))
    }
}

extension String {
    /// With another last three characters.
    fileprivate func replacingLast(with text: String) -> String { dropLast(3) + text }
}
