/// Where a script comes from that opens a WebSocket (RFC 6454 §6.2), as places in the bytes that it
/// was read from: `https://app.example.com:8443`.
package struct Origin: Sendable {
    /// Compared without case.
    package let scheme: Range<Int>
    /// A name, an IPv4 address, or an IPv6 address in its brackets; compared without case.
    package let host: Range<Int>
    /// The one that is written, or the scheme's own; `nil` for a scheme that has none.
    package let port: UInt16?

    /// Reads what is all of `bytes[range]`. `nil` for `null`, for a list, and for anything with a
    /// path or a user.
    package init?(_ range: Range<Int>, in bytes: borrowing Span<UInt8>) {
        guard let colon = ByteSearch.firstIndex(of: UInt8(ascii: ":"), in: range, of: bytes),
            colon > range.lowerBound,
            ASCII.hasPrefix(bytes, colon..<range.upperBound, "://")
        else { return nil }
        for index in range.lowerBound..<colon where !ASCII.isTokenCharacter(bytes[index]) {
            return nil
        }
        guard let authority = Authority(colon + 3..<range.upperBound, in: bytes) else {
            return nil
        }
        scheme = range.lowerBound..<colon
        host = authority.host
        port = authority.port ?? Self.defaultPort(of: scheme, in: bytes)
    }

    /// The port that a URL of the scheme means without saying so.
    static func defaultPort(
        of scheme: Range<Int>, in bytes: borrowing Span<UInt8>
    ) -> UInt16? {
        if ASCII.isEqualIgnoringCase(bytes, scheme, to: "https") { return 443 }
        if ASCII.isEqualIgnoringCase(bytes, scheme, to: "http") { return 80 }
        return nil
    }
}
