internal import Reactor

// Text of others, such as names of tables and what a server says, where people read it: it stays on its line, steers no
// terminal, and stands there in the order in which it is read.

extension Unicode.Scalar {
    /// Whether it is shown as an escape: control characters (C0, DEL and C1), what ends a line elsewhere, and format
    /// characters, which turn text around, join it, or can't be seen at all.
    var isEscaped: Bool {
        guard value >= 0x7F else { return value < 0x20 }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return false
        }
    }
}

extension ByteBuffer {
    /// Bytes of the longest escape of one scalar.
    static var escapeBytesMax: Int { 12 }

    /// Appends a scalar as JSON would escape it: `\n`, `\u202e`, two such for one beyond U+FFFF.
    mutating func append(escaping scalar: Unicode.Scalar) {
        switch scalar {
        case "\n": append("\\n")
        case "\r": append("\\r")
        case "\t": append("\\t")
        default:
            for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                append("\\u")
                for shift in [12, 8, 4, 0] as [UInt16] {
                    append(Self.digit(UInt8(truncatingIfNeeded: unit >> shift & 0xF)))
                }
            }
        }
    }

    /// Appends text with escapes for what isn't shown.
    mutating func append(visible text: String) {
        for scalar in text.unicodeScalars {
            if scalar.isEscaped {
                append(escaping: scalar)
            } else {
                append(scalar: scalar)
            }
        }
    }

    /// Appends a scalar in UTF-8.
    mutating func append(scalar: Unicode.Scalar) {
        for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { append(byte) }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

extension String {
    /// The same with escapes for what isn't shown.
    package var visible: String {
        guard unicodeScalars.contains(where: \.isEscaped) else { return self }
        var buffer = ByteBuffer(capacity: 64)
        buffer.append(visible: self)
        return String(decoding: buffer)
    }
}
