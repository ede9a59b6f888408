/// A block of addresses in the notation of CIDR (RFC 4632 §3.1): `10.0.0.0/8`, `2001:db8::/32`, or
/// a single address.
public struct AddressBlock: Hashable, BitwiseCopyable, Sendable {
    private let high: UInt64
    private let low: UInt64
    /// Leading bits that count, of the 128 of the IPv6 form.
    private let prefixLength: UInt8

    /// Bits before the address in the IPv6 form of an IPv4 address.
    private static let mappedBits: UInt8 = 96

    /// `nil` for anything else: a name, a prefix that is too long, or one with bits set behind it,
    /// which is a mistake of whoever wrote it and would be guessed at.
    public init?(text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first,
            let address = SocketAddress(host: String(first), port: 0)
        else { return nil }
        // An IPv4 address in IPv6 notation counts its prefix in neither of the two ways for sure.
        guard first.contains(":") != address.isIPv4 else { return nil }
        let base = address.isIPv4 ? Self.mappedBits : 0
        var length: UInt8 = 128
        if parts.count == 2 {
            guard !parts[1].isEmpty, parts[1].utf8.count <= 3,
                parts[1].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                let written = UInt8(parts[1]), written <= 128 - base
            else { return nil }
            length = base + written
        }
        high = address.high
        low = address.low
        prefixLength = length
        guard high & ~Self.highMask(length) == 0, low & ~Self.lowMask(length) == 0 else {
            return nil
        }
    }

    public func contains(_ address: SocketAddress) -> Bool {
        // `::/0` is all of IPv6, not all of IPv4 beside it.
        guard address.isIPv4 == isIPv4 else { return false }
        return address.high & Self.highMask(prefixLength) == high
            && address.low & Self.lowMask(prefixLength) == low
    }

    private var isIPv4: Bool {
        prefixLength >= Self.mappedBits
            && SocketAddress(high: high, low: low, port: 0).isIPv4
    }

    /// A shift by all 64 bits of a word gives zero in Swift.
    private static func highMask(_ length: UInt8) -> UInt64 {
        length >= 64 ? .max : ~(UInt64.max >> UInt64(length))
    }

    private static func lowMask(_ length: UInt8) -> UInt64 {
        length <= 64 ? 0 : ~(UInt64.max >> UInt64(length - 64))
    }
}

extension AddressBlock: CustomStringConvertible {
    /// As it may be written; a single address without a prefix.
    public var description: String {
        let address = SocketAddress(high: high, low: low, port: 0)
        let host = String(address.description.dropLast(2))  // Without ":0".
        let bare = isIPv4 ? host : String(host.dropFirst().dropLast())
        let length = isIPv4 ? prefixLength - Self.mappedBits : prefixLength
        return prefixLength == 128 ? bare : "\(bare)/\(length)"
    }
}
