/// Takes an input apart into decisions, front to back. Where it has ended every decision is zero.
struct FuzzInput {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        position += 1
        return bytes[position - 1]
    }

    /// A number from zero to below `bound`, which is at most 256.
    mutating func below(_ bound: Int) -> Int { Int(byte()) % bound }

    /// The next bytes, fewer if there are no more.
    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(bytes[position...].prefix(count))
        position += taken.count
        return taken
    }

    mutating func rest() -> [UInt8] { take(bytes.count - position) }
}

extension [UInt8] {
    /// A place in the bytes, or their end, that every byte has a say in. So an input is nothing but
    /// what a peer would send, and decides all the same where it is cut.
    var cut: Int {
        var sum: UInt32 = 2_166_136_261
        for byte in self { sum = (sum ^ UInt32(byte)) &* 16_777_619 }  // FNV-1a, which wraps.
        return Int(sum >> 8) % (count + 1)
    }
}
