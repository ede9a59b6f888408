internal import CEpollShim

/// Bits from the kernel's generator (getrandom(2)).
public enum Random {
    public static func word() -> UInt64 {
        var word: UInt64 = 0
        var count: Int
        repeat {
            count = unsafe getrandom(&word, MemoryLayout<UInt64>.size, 0)
        } while count < 0 && ces_errno() == EINTR
        precondition(count == MemoryLayout<UInt64>.size)  // Up to 256 bytes never come short.
        return word
    }

    /// Fills `bytes` with random ones, at most 256.
    public static func fill(_ bytes: consuming MutableSpan<UInt8>) {
        precondition(bytes.count <= 256)
        for place in bytes.indices { bytes[place] = UInt8(truncatingIfNeeded: word()) }
    }
}

/// A fast generator for phases and jitter, not for secrets: SplitMix64 (Steele, Lea, Flood 2014).
/// A value, so that a simulation can seed it.
public struct Jitter: RandomNumberGenerator, BitwiseCopyable, Sendable {
    private var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        // Wrapping is how the generator is defined.
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
