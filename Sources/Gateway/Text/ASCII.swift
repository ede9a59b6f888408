/// Questions about bytes of ASCII text that the codecs share.
package enum ASCII {
    static let carriageReturn: UInt8 = 0x0D
    static let lineFeed: UInt8 = 0x0A
    static let horizontalTab: UInt8 = 0x09
    static let space: UInt8 = 0x20

    /// Whether `bytes[range]` is `text`.
    package static func isEqual(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to text: StaticString
    ) -> Bool {
        bytes.extracting(range).isEqual(to: text)
    }

    /// Whether `bytes[range]` is `text` but for the case of letters; `text` is in lower case.
    @safe
    package static func isEqualIgnoringCase(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, to text: StaticString
    ) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        for offset in 0..<range.count {
            let character = unsafe text.utf8Start[offset]
            guard lowercased(bytes[range.lowerBound + offset]) == character else { return false }
        }
        return true
    }

    /// Whether `bytes[range]` begins with `text`.
    package static func hasPrefix(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, _ text: StaticString
    ) -> Bool {
        let count = text.utf8CodeUnitCount
        guard range.count >= count else { return false }
        return isEqual(bytes, range.lowerBound..<range.lowerBound + count, to: text)
    }

    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }

    /// DIGIT (RFC 5234 §B.1).
    static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    /// The value of a hexadecimal digit in either case, `nil` for anything else.
    static func hexadecimalValue(of byte: UInt8) -> UInt8? {
        let digit = byte &- UInt8(ascii: "0")
        if digit < 10 { return digit }
        let letter = (byte | 0x20) &- UInt8(ascii: "a")  // In lower case.
        return letter < 6 ? letter + 10 : nil
    }

    /// `tchar` (RFC 9110 §5.6.2): what methods and field names are made of.
    static func isTokenCharacter(_ byte: UInt8) -> Bool {
        guard byte < 0x80 else { return false }
        // One bit for each character below 128; two constants instead of a table in memory.
        let low: UInt64 = 0x03FF_6CFA_0000_0000  // ! # $ % & ' * + - . 0 to 9
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE  // A to Z ^ _ ` a to z | ~
        let word = byte < 64 ? low : high
        return word >> UInt64(byte & 63) & 1 == 1
    }

    /// `range` without the spaces and tabs at its ends (OWS, RFC 9110 §5.6.3).
    static func trimmed(_ range: Range<Int>, in bytes: borrowing Span<UInt8>) -> Range<Int> {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, isBlank(bytes[start]) { start += 1 }
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return start..<end
    }

    static func isBlank(_ byte: UInt8) -> Bool {
        byte == space || byte == horizontalTab
    }
}
