package import Reactor

/// A universally unique identifier (RFC 9562) as two words: what projects, users and rows are
/// keyed by. Compared and ordered as its sixteen bytes are.
package struct UUID: Hashable, BitwiseCopyable, Sendable {
    /// The first eight bytes, most significant first.
    package let high: UInt64
    /// The last eight bytes, most significant first.
    package let low: UInt64

    /// The number of characters of the text form, `8-4-4-4-12`.
    package static let textCount = 36

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads the hyphenated text form, in either case and nothing else: no braces, no `urn:uuid:`,
    /// no surrounding white space. `nil` for anything different.
    package init?(_ text: borrowing Span<UInt8>) {
        guard text.count == Self.textCount, text[8] == UInt8(ascii: "-"),
            text[13] == UInt8(ascii: "-"), text[18] == UInt8(ascii: "-"),
            text[23] == UInt8(ascii: "-"),
            let timeLow = Self.value(ofHexadecimalDigits: text.extracting(0..<8)),
            let timeMid = Self.value(ofHexadecimalDigits: text.extracting(9..<13)),
            let timeHigh = Self.value(ofHexadecimalDigits: text.extracting(14..<18)),
            let sequence = Self.value(ofHexadecimalDigits: text.extracting(19..<23)),
            let node = Self.value(ofHexadecimalDigits: text.extracting(24..<36))
        else { return nil }
        self.init(high: timeLow << 32 | timeMid << 16 | timeHigh, low: sequence << 48 | node)
    }

    /// Reads a `String`; for configuration and tests.
    package init?(text: String) {
        self.init(text.utf8Span.span)
    }

    /// Appends the text form in lower case, as PostgreSQL writes it.
    package func write(to buffer: inout ByteBuffer) {
        var text = InlineArray<36, UInt8>(repeating: UInt8(ascii: "-"))
        Self.write(high >> 32, digits: 8, at: 0, of: &text)
        Self.write(high >> 16, digits: 4, at: 9, of: &text)
        Self.write(high, digits: 4, at: 14, of: &text)
        Self.write(low >> 48, digits: 4, at: 19, of: &text)
        Self.write(low, digits: 12, at: 24, of: &text)
        buffer.append(text.span)
    }

    private static func value(ofHexadecimalDigits text: borrowing Span<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for index in 0..<text.count {
            guard let digit = ASCII.hexadecimalValue(of: text[index]) else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }

    /// Writes the lowest hexadecimal digits of `value`.
    private static func write(
        _ value: UInt64, digits: Int, at start: Int, of text: inout InlineArray<36, UInt8>
    ) {
        var rest = value
        for position in stride(from: start + digits - 1, through: start, by: -1) {
            let digit = UInt8(truncatingIfNeeded: rest & 0xF)
            text[position] = digit &+ (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
            rest >>= 4
        }
    }
}

extension UUID: Comparable {
    package static func < (left: UUID, right: UUID) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }
}

extension UUID: CustomStringConvertible {
    /// The text form in lower case; for logs.
    package var description: String {
        var buffer = ByteBuffer(capacity: Self.textCount)
        write(to: &buffer)
        return String(decoding: buffer)
    }
}

/// What clients subscribe to.
package typealias ProjectID = UUID

/// The `sub` of a token.
package typealias UserID = UUID
