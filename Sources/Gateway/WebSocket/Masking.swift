/// The masking of client frames (RFC 6455 §5.3): payload XOR the four bytes of the key, repeated.
/// Applying it twice restores the payload.
///
/// A key is held as a word whose least significant byte masks the first byte of the payload, and
/// is turned as the payload is consumed. So a payload can be unmasked in pieces of any size without
/// remembering how much of it was unmasked.
package enum Masking {
    /// The key as a word, from its four bytes at `offset`.
    package static func key(in bytes: borrowing MutableSpan<UInt8>, at offset: Int) -> UInt32 {
        UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8
            | UInt32(bytes[offset + 2]) << 16 | UInt32(bytes[offset + 3]) << 24
    }

    /// The key for what follows after `count` bytes (or: that starts at that phase of `key`).
    package static func turned(_ key: UInt32, by count: Int) -> UInt32 {
        let bits = UInt32(truncatingIfNeeded: count & 3) * 8
        // `&>>` and `&<<` take the shift modulo 32, so a turn by no bytes gives the key itself.
        return key &>> bits | key &<< (32 - bits)
    }

    /// Masks or unmasks the bytes of `range` in place; the first of them with byte `phase` (modulo
    /// four) of the key.
    ///
    /// By words through a raw pointer: byte loops that carry a key don't vectorise.
    // Hot path.
    package static func apply(
        _ key: UInt32, phase: Int = 0, to bytes: inout MutableSpan<UInt8>, in range: Range<Int>
    ) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        let key = turned(key, by: phase)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            unsafe apply(key, to: start + range.lowerBound, count: range.count)
        }
    }

    /// The memory may have any alignment.
    // Hot path.
    private static func apply(_ key: UInt32, to start: UnsafeMutableRawPointer, count: Int) {
        let word = (UInt64(key) | UInt64(key) << 32).littleEndian
        let wordsEnd = count & ~7
        var offset = 0
        while offset < wordsEnd {
            let masked = unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            unsafe start.storeBytes(of: masked ^ word, toByteOffset: offset, as: UInt64.self)
            offset &+= 8  // Cannot pass `count`: it is below `wordsEnd`, a multiple of eight.
        }
        // Whole words leave the key at its first byte.
        var rest = UInt64(key) | UInt64(key) << 32
        while offset < count {
            let masked = unsafe start.load(fromByteOffset: offset, as: UInt8.self)
            let plain = masked ^ UInt8(truncatingIfNeeded: rest)
            unsafe start.storeBytes(of: plain, toByteOffset: offset, as: UInt8.self)
            rest >>= 8
            offset &+= 1
        }
    }
}
