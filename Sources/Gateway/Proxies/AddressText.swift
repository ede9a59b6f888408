package import Reactor

/// Reads addresses as proxies write them.
package enum AddressText {
    /// The longest address: an IPv6 one with an IPv4 one for its end.
    static let countMax = 45

    /// A numeric IPv4 or IPv6 address that is all of `bytes[range]`; `nil` for anything else.
    package static func address(
        _ range: Range<Int>, in bytes: borrowing Span<UInt8>, port: UInt16 = 0
    ) -> SocketAddress? {
        guard !range.isEmpty, range.count <= countMax else { return nil }
        var text = ""
        for index in range {
            // Only these, so that neither a zone nor a zero byte gets as far as the C library.
            guard isAddressCharacter(bytes[index]) else { return nil }
            text.unicodeScalars.append(Unicode.Scalar(bytes[index]))
        }
        return SocketAddress(host: text, port: port)
    }

    /// An address that may have a port behind it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
    /// `[2001:db8::1]`, `[2001:db8::1]:80`. The port is checked and left out.
    package static func addressWithPort(
        _ range: Range<Int>, in bytes: borrowing Span<UInt8>
    ) -> SocketAddress? {
        guard !range.isEmpty else { return nil }
        if bytes[range.lowerBound] == UInt8(ascii: "[") {
            guard
                let end = ByteSearch.firstIndex(of: UInt8(ascii: "]"), in: range, of: bytes),
                isPortOrNothing(end + 1..<range.upperBound, in: bytes),
                let address = address(range.lowerBound + 1..<end, in: bytes),
                ByteSearch.firstIndex(of: UInt8(ascii: ":"), in: range.lowerBound..<end, of: bytes)
                    != nil
            else { return nil }
            return address
        }
        guard let colon = ByteSearch.firstIndex(of: UInt8(ascii: ":"), in: range, of: bytes)
        else { return address(range, in: bytes) }
        let rest = colon + 1..<range.upperBound
        // One colon stands before a port, two or more are an IPv6 address.
        guard ByteSearch.firstIndex(of: UInt8(ascii: ":"), in: rest, of: bytes) == nil else {
            return address(range, in: bytes)
        }
        guard isPortOrNothing(colon..<range.upperBound, in: bytes) else { return nil }
        return address(range.lowerBound..<colon, in: bytes)
    }

    private static func isPortOrNothing(
        _ range: Range<Int>, in bytes: borrowing Span<UInt8>
    ) -> Bool {
        guard !range.isEmpty else { return true }
        guard bytes[range.lowerBound] == UInt8(ascii: ":") else { return false }
        return Authority.port(range.lowerBound + 1..<range.upperBound, in: bytes) != nil
    }

    private static func isAddressCharacter(_ byte: UInt8) -> Bool {
        ASCII.hexadecimalValue(of: byte) != nil || byte == UInt8(ascii: ":")
            || byte == UInt8(ascii: ".")
    }
}
