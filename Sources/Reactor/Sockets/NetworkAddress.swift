/// Where a peer comes from, as limits and logs see it: an IPv4 address, or the 64-bit network of an
/// IPv6 address, which is the least that one subscriber is given (RFC 6177). Eight bytes.
///
/// An address that a NAT64 made of an IPv4 one is that one: all of them share one network
/// (`64:ff9b::/96`, RFC 6052 §2.1), and are as many subscribers as there are IPv4 addresses.
public struct NetworkAddress: Hashable, BitwiseCopyable, Sendable {
    /// The network's bits; for IPv4 `0:ffff` and the address, which no IPv6 network begins with.
    public let raw: UInt64

    private static var mappedPrefix: UInt64 { 0x0000_FFFF_0000_0000 }

    private static var translatedPrefix: UInt64 { 0x0064_FF9B_0000_0000 }

    /// This host itself, over a Unix socket or from ::1.
    public static let local = NetworkAddress(raw: 0)

    private init(raw: UInt64) {
        self.raw = raw
    }

    public init(_ address: SocketAddress) {
        let isTranslated = address.high == Self.translatedPrefix && address.low >> 32 == 0
        raw =
            address.isIPv4 || isTranslated
            ? Self.mappedPrefix | address.low & 0xFFFF_FFFF : address.high
    }
}

extension NetworkAddress: CustomStringConvertible {
    /// `192.0.2.1`, `2001:db8:0:1::/64` or `local`.
    public var description: String {
        if self == .local { return "local" }
        if raw >> 32 == Self.mappedPrefix >> 32 {
            return (0..<4).map { "\(raw >> UInt64(24 - $0 * 8) & 0xFF)" }.joined(separator: ".")
        }
        let groups = (0..<4).map {
            String(raw >> UInt64(48 - $0 * 16) & 0xFFFF, radix: 16)
        }
        return groups.joined(separator: ":") + "::/64"
    }
}
