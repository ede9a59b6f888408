package import Reactor

/// Base64 with the alphabet for URLs and without padding (RFC 4648 §5, RFC 7515 §2): the form of
/// the parts of a token.
package enum Base64URL {
    /// Appends the bytes that `text` stands for and returns true, or appends nothing and returns
    /// false. Strict: no padding, no white space, and no bits set that belong to no byte, so that
    /// there is exactly one text for any bytes.
    package static func decode(
        _ text: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) -> Bool {
        let start = buffer.count
        guard text.count % 4 != 1 else { return false }
        var pending: UInt32 = 0
        var pendingBits: UInt32 = 0
        for index in 0..<text.count {
            guard let value = value(ofCharacter: text[index]) else {
                buffer.truncate(to: start)
                return false
            }
            pending = pending << 6 | value
            pendingBits += 6
            if pendingBits >= 8 {
                pendingBits -= 8
                buffer.append(UInt8(truncatingIfNeeded: pending >> pendingBits))
                pending &= (1 << pendingBits) - 1
            }
        }
        guard pending == 0 else {
            buffer.truncate(to: start)
            return false
        }
        return true
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

    private static func value(ofCharacter character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
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
