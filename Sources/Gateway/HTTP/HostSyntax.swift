/// The form of `Host` and of an authority: `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2),
/// without the user information that RFC 9110 §4.2.4 tells recipients to refuse.
enum HostSyntax {
    /// An empty host is valid: `Host:` stands alone when the target has no authority.
    static func isValid(_ range: Range<Int>, in bytes: borrowing Span<UInt8>) -> Bool {
        var index = range.lowerBound
        if index < range.upperBound, bytes[index] == UInt8(ascii: "[") {
            index += 1
            while index < range.upperBound, isAddressCharacter(bytes[index]) { index += 1 }
            guard index > range.lowerBound + 1, index < range.upperBound,
                bytes[index] == UInt8(ascii: "]")
            else { return false }
            index += 1
        } else {
            while index < range.upperBound, isNameCharacter(bytes[index]) { index += 1 }
        }
        guard index < range.upperBound else { return true }
        guard bytes[index] == UInt8(ascii: ":") else { return false }
        for index in index + 1..<range.upperBound where !ASCII.isDigit(bytes[index]) {
            return false
        }
        return true
    }

    /// Of an IPv6 address between its brackets.
    private static func isAddressCharacter(_ byte: UInt8) -> Bool {
        ASCII.hexadecimalValue(of: byte) != nil || byte == UInt8(ascii: ":")
            || byte == UInt8(ascii: ".")
    }

    /// Of a name or an IPv4 address: unreserved, sub-delims and percent-encoded characters.
    private static func isNameCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ";"), UInt8(ascii: "="),
            UInt8(ascii: ","):
            true
        case UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "#"):
            false
        default:
            ASCII.isTokenCharacter(byte)  // The rest of both sets coincides with this one.
        }
    }
}
