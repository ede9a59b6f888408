/// One origin that may connect, or all below a domain: `https://app.example.com`,
/// `https://*.example.com`.
struct OriginRule: Equatable, Sendable {
    /// As it was written, in lower case.
    let text: String
    private let scheme: [UInt8]
    /// In lower case; with a wildcard it begins with the dot behind the asterisk.
    private let host: [UInt8]
    private let isWildcard: Bool
    private let port: UInt16?

    /// `nil` for what is no rule. `text` is in lower case.
    init?(_ text: String) {
        var bytes = Array(text.utf8)
        let wildcard = Array("://*.".utf8)
        let mark = bytes.indices.first { bytes[$0...].starts(with: wildcard) }
        // Without its asterisk and dot it has to be an origin.
        if let mark { bytes.removeSubrange(mark + 3..<mark + 5) }
        guard let origin = Origin(0..<bytes.count, in: bytes.span) else { return nil }
        self.text = text
        scheme = Array(bytes[origin.scheme])
        isWildcard = mark != nil
        host = (isWildcard ? [UInt8(ascii: ".")] : []) + bytes[origin.host]
        port = origin.port
        // An asterisk anywhere else would be taken for a part of a name.
        guard !host.contains(UInt8(ascii: "*")) else { return nil }
    }

    func matches(_ origin: Origin, in bytes: borrowing Span<UInt8>) -> Bool {
        guard origin.port == port, isEqual(scheme, origin.scheme, in: bytes) else { return false }
        guard isWildcard else { return isEqual(host, origin.host, in: bytes) }
        // At least one character has to stand for the asterisk.
        guard origin.host.count > host.count else { return false }
        return isEqual(
            host, origin.host.upperBound - host.count..<origin.host.upperBound, in: bytes)
    }

    private func isEqual(
        _ expected: [UInt8], _ range: Range<Int>, in bytes: borrowing Span<UInt8>
    ) -> Bool {
        guard range.count == expected.count else { return false }
        for offset in 0..<range.count
        where ASCII.lowercased(bytes[range.lowerBound + offset]) != expected[offset] {
            return false
        }
        return true
    }
}
