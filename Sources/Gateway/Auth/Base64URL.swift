package import Reactor

/// Base64 with the alphabet for URLs and without padding (RFC 4648 §5, RFC 7515 §2): the form of
/// the parts of a token.
package enum Base64URL {
    // Hot path.
    /// Appends the bytes that `text` stands for and returns true, or appends nothing and returns
    /// false. Strict: no padding, no white space, and no bits set that belong to no byte, so that
    /// there is exactly one text for any bytes.
    ///
    /// Eight characters at a time, each by a look into a table: a third of what a comparison with
    /// the ranges of the alphabet costs.
    package static func decode(
        _ text: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) -> Bool {
        let rest = text.count % 4
        guard rest != 1 else { return false }
        let start = buffer.count
        let decodedCount = text.count / 4 * 3 + max(0, rest - 1)
        // Words of eight bytes are written of which six count, hence two more.
        buffer.append(zeros: decodedCount + 2)
        let isDecoded = decode(text, at: start, of: &buffer)
        buffer.truncate(to: isDecoded ? start + decodedCount : start)
        return isDecoded
    }

    private static func decode(
        _ text: borrowing Span<UInt8>, at start: Int, of buffer: inout ByteBuffer
    ) -> Bool {
        let values = values
        var span = buffer.mutableBytes
        var target = unsafe span.mutableBytes
        let source = unsafe text.bytes
        var marks: UInt8 = 0
        var position = start
        var index = 0
        while index + 8 <= text.count {
            let word = UInt64(
                littleEndian: unsafe source.unsafeLoadUnaligned(
                    fromByteOffset: index, as: UInt64.self))
            var packed: UInt64 = 0
            for place in 0..<8 {
                let value = values[Int(truncatingIfNeeded: word >> UInt64(place * 8) & 0xFF)]
                marks |= value
                packed = packed << 6 | UInt64(value & 63)
            }
            target.storeBytes(
                of: (packed << 16).bigEndian, toByteOffset: position, as: UInt64.self)
            index += 8
            position += 6
        }
        var pending: UInt32 = 0
        var pendingBits: UInt32 = 0
        while index < text.count {
            let value = values[Int(text[index])]
            marks |= value
            pending = pending << 6 | UInt32(value & 63)
            pendingBits += 6
            if pendingBits >= 8 {
                pendingBits -= 8
                let byte = UInt8(truncatingIfNeeded: pending >> pendingBits)
                target.storeBytes(of: byte, toByteOffset: position, as: UInt8.self)
                position += 1
                pending &= (1 << pendingBits) - 1
            }
            index += 1
        }
        return marks < notInAlphabet && pending == 0
    }

    /// Stands in the table for a character that isn't one of the 64, whose values are below it.
    private static let notInAlphabet: UInt8 = 64

    /// The value of each character.
    private static let values: InlineArray<256, UInt8> = {
        var values = InlineArray<256, UInt8>(repeating: notInAlphabet)
        for value in UInt8.min..<64 { values[Int(character(ofValue: UInt32(value)))] = value }
        return values
    }()

    /// Appends the text for `bytes`.
    package static func encode(_ bytes: borrowing Span<UInt8>, into buffer: inout ByteBuffer) {
        var pending: UInt32 = 0
        var pendingBits: UInt32 = 0
        for index in 0..<bytes.count {
            pending = pending << 8 | UInt32(bytes[index])
            pendingBits += 8
            while pendingBits >= 6 {
                pendingBits -= 6
                buffer.append(character(ofValue: pending >> pendingBits))
                pending &= (1 << pendingBits) - 1
            }
        }
        if pendingBits > 0 {
            buffer.append(character(ofValue: pending << (6 - pendingBits)))
        }
    }

    private static func character(ofValue value: UInt32) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: value & 63)
        return switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + (value - 26)
        case 52..<62: UInt8(ascii: "0") + (value - 52)
        case 62: UInt8(ascii: "-")
        default: UInt8(ascii: "_")
        }
    }
}
