package import Reactor

/// Base64 with the alphabet for URLs and without padding (RFC 4648 §5, RFC 7515 §2): the form of
/// the parts of a token.
package enum Base64URL {
    // Hot path.
    /// Appends the bytes that `text` stands for and returns true, or appends nothing and returns
    /// false. Strict: no padding, no white space, and no bits set that belong to no byte, so that
    /// there is exactly one text for any bytes.
    ///
    /// Eight characters at a time, by arithmetic on words of eight bytes: a quarter of the
    /// instructions of comparing each one with the ranges of the alphabet.
    package static func decode(
        _ text: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) -> Bool {
        let rest = text.count % 4
        guard rest != 1 else { return false }
        let start = buffer.count
        let decodedCount = text.count / 4 * 3 + max(0, rest - 1)
        // Eight bytes are written at a time, of which at most six count.
        buffer.append(zeros: decodedCount + 8)
        let isDecoded = decode(text, at: start, of: &buffer)
        buffer.truncate(to: isDecoded ? start + decodedCount : start)
        return isDecoded
    }

    private static func decode(
        _ text: borrowing Span<UInt8>, at start: Int, of buffer: inout ByteBuffer
    ) -> Bool {
        var span = buffer.mutableBytes
        var target = unsafe span.mutableBytes
        let source = unsafe text.bytes
        var position = start
        var index = 0
        while index + 8 <= text.count {
            let word = unsafe source.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            guard let bits = bits(of: UInt64(littleEndian: word)) else { return false }
            target.storeBytes(of: bits.bigEndian, toByteOffset: position, as: UInt64.self)
            index += 8
            position += 6
        }
        let restCount = text.count - index
        guard restCount > 0 else { return true }
        // As if it went on with the character that stands for zero.
        var word = repeated(UInt8(ascii: "A"))
        for place in 0..<restCount {
            word = word << 8 | UInt64(text[text.count - 1 - place])
        }
        guard let bits = bits(of: word), bits << UInt64(restCount * 6 / 8 * 8) == 0 else {
            return false  // The second: bits are set that belong to no byte.
        }
        target.storeBytes(of: bits.bigEndian, toByteOffset: position, as: UInt64.self)
        return true
    }

    /// The 48 bits that eight characters stand for, the first one's on top; `nil` if one of them
    /// isn't in the alphabet.
    ///
    /// - Parameter word: the characters, the first one in the lowest byte.
    @inline(__always)
    private static func bits(of word: UInt64) -> UInt64? {
        guard word & topBits == 0 else { return nil }
        let upper = marks(word, from: UInt8(ascii: "A"), to: UInt8(ascii: "Z"))
        let lower = marks(word, from: UInt8(ascii: "a"), to: UInt8(ascii: "z"))
        let digit = marks(word, from: UInt8(ascii: "0"), to: UInt8(ascii: "9"))
        let dash = marks(word, from: UInt8(ascii: "-"), to: UInt8(ascii: "-"))
        let line = marks(word, from: UInt8(ascii: "_"), to: UInt8(ascii: "_"))
        guard upper | lower | digit | dash | line == topBits >> 7 else { return nil }
        // Each byte is of one kind and becomes a number under 64, so none borrows or carries.
        var values = word &- upper &* 65 &- lower &* 71 &- line &* 32 &+ digit &* 4 &+ dash &* 17
        // Numbers of 6 bits become such of 12, of 24, and of 48.
        values = values.byteSwapped
        values = values & 0x003F_003F_003F_003F | (values & 0x3F00_3F00_3F00_3F00) >> 2
        values = values & 0x0000_0FFF_0000_0FFF | (values & 0x0FFF_0000_0FFF_0000) >> 4
        values = values & 0x00FF_FFFF | (values & 0x00FF_FFFF_0000_0000) >> 8
        return values << 16
    }

    /// A one in each byte that is in the range. Bytes and bounds are under 0x80, so no sum carries
    /// into the next byte.
    @inline(__always)
    private static func marks(_ word: UInt64, from first: UInt8, to last: UInt8) -> UInt64 {
        let atLeast = word &+ repeated(0x80 - first)
        let beyond = word &+ repeated(0x7F - last)
        return (atLeast & ~beyond & topBits) >> 7
    }

    private static let topBits: UInt64 = 0x8080_8080_8080_8080

    @inline(__always)
    private static func repeated(_ byte: UInt8) -> UInt64 {
        UInt64(byte) &* 0x0101_0101_0101_0101  // 255 times this is the largest number.
    }

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
