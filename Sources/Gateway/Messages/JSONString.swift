package import Reactor

/// JSON strings (RFC 8259 §7), written.
package enum JSONString {
    /// Appends `text` as a JSON string, the quotes included.
    ///
    /// `"`, `\` and the control characters are escaped; everything else passes as it is. `text`
    /// should be UTF-8; each ill-formed part of it becomes one U+FFFD (Unicode §3.9, maximal
    /// subparts), so that the document stays well-formed whatever a peer sent.
    ///
    /// Hot path.
    package static func write(_ text: borrowing Span<UInt8>, into buffer: inout ByteBuffer) {
        buffer.append(UInt8(ascii: "\""))
        var runStart = 0
        var index = 0
        while let next = ByteSearch.firstOutsidePlainText(in: index..<text.count, of: text) {
            index = next
            let byte = text[index]
            if byte < 0x80 {
                buffer.append(text.extracting(runStart..<index))
                writeEscape(of: byte, into: &buffer)
                index += 1
                runStart = index
            } else {
                let sequence = UTF8Sequence(at: index, in: text)
                if !sequence.isWellFormed {
                    buffer.append(text.extracting(runStart..<index))
                    buffer.append("\u{FFFD}")
                    runStart = index + sequence.count
                }
                index += sequence.count
            }
        }
        buffer.append(text.extracting(runStart..<text.count))
        buffer.append(UInt8(ascii: "\""))
    }

    @inline(never)
    private static func writeEscape(of byte: UInt8, into buffer: inout ByteBuffer) {
        switch byte {
        case UInt8(ascii: "\""): buffer.append("\\\"")
        case UInt8(ascii: "\\"): buffer.append("\\\\")
        case 0x08: buffer.append("\\b")
        case 0x09: buffer.append("\\t")
        case 0x0A: buffer.append("\\n")
        case 0x0C: buffer.append("\\f")
        case 0x0D: buffer.append("\\r")
        default:
            let low = byte & 0xF
            buffer.append("\\u00")
            buffer.append(UInt8(ascii: "0") + byte >> 4)
            buffer.append(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") + low - 10)
        }
    }
}

/// What stands at one place of a text where a byte above ASCII begins.
private struct UTF8Sequence: BitwiseCopyable {
    /// Bytes of the character, or of the ill-formed part: its longest beginning of a character,
    /// at least one byte.
    var count: Int
    var isWellFormed: Bool

    /// Reads by the table of well-formed sequences (Unicode §3.9, table 3-7), which leaves out
    /// overlong forms, surrogates and everything over U+10FFFF.
    init(at start: Int, in text: borrowing Span<UInt8>) {
        let total: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        let lead = text[start]
        switch lead {
        case 0xC2...0xDF: total = 2
        case 0xE0...0xEF:
            total = 3
            if lead == 0xE0 { second = 0xA0...0xBF }
            if lead == 0xED { second = 0x80...0x9F }
        case 0xF0...0xF4:
            total = 4
            if lead == 0xF0 { second = 0x90...0xBF }
            if lead == 0xF4 { second = 0x80...0x8F }
        default:
            self.count = 1
            self.isWellFormed = false
            return
        }
        var count = 1
        while count < total, start + count < text.count {
            let allowed = count == 1 ? second : 0x80...0xBF
            guard allowed.contains(text[start + count]) else { break }
            count += 1
        }
        self.count = count
        self.isWellFormed = count == total
    }
}
