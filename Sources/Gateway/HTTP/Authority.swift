/// A host, and a port when one is written.
struct Authority {
    let host: Range<Int>
    let port: UInt16?

    /// `nil` without a host, and when what stands behind it is no port.
    init?(_ range: Range<Int>, in bytes: borrowing Span<UInt8>) {
        guard !range.isEmpty, HostSyntax.isValid(range, in: bytes) else { return nil }
        // The last colon that isn't part of an IPv6 address.
        var end = range.upperBound
        while end > range.lowerBound, ASCII.isDigit(bytes[end - 1]) { end -= 1 }
        guard end > range.lowerBound, bytes[end - 1] == UInt8(ascii: ":") else {
            host = range
            port = nil
            return
        }
        let digits = end..<range.upperBound
        host = range.lowerBound..<end - 1
        guard !host.isEmpty else { return nil }
        if digits.isEmpty {
            port = nil
        } else {
            guard let port = Self.port(digits, in: bytes) else { return nil }
            self.port = port
        }
    }

    /// A port number in decimal digits without leading zeros; `nil` for anything else.
    static func port(_ range: Range<Int>, in bytes: borrowing Span<UInt8>) -> UInt16? {
        guard !range.isEmpty, range.count <= 5 else { return nil }
        var value: UInt32 = 0
        for index in range {
            guard ASCII.isDigit(bytes[index]) else { return nil }
            value = value * 10 + UInt32(bytes[index] - UInt8(ascii: "0"))
        }
        if range.count > 1, bytes[range.lowerBound] == UInt8(ascii: "0") { return nil }
        return UInt16(exactly: value)
    }
}
