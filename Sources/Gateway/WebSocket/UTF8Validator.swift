/// Checks UTF-8 that arrives in pieces, and finds the first byte that no well-formed text can have
/// at its place: overlong forms, surrogates and what lies beyond U+10FFFF are refused at the byte
/// that shows it, not at the end of the character (RFC 3629 §4; Unicode, table 3-7).
///
/// One byte of state, zero at a character's boundary.
package struct UTF8Validator: BitwiseCopyable, Sendable {
    private var expected = Expectation.character

    package init() {}

    /// Whether everything accepted so far is whole characters.
    package var isAtBoundary: Bool { expected == .character }

    /// Takes the next bytes of the text, and returns how many of them are well-formed. If that is
    /// less than all, the next one is the first bad byte and the text is beyond repair.
    // Hot path.
    package mutating func accept(_ bytes: borrowing Span<UInt8>) -> Int {
        var index = 0
        if expected == .character {
            index = Self.endOfASCII(in: bytes, from: 0)
            if index == bytes.count { return index }
        }
        index = acceptWords(of: bytes, from: index)
        while index < bytes.count {
            guard let next = expected.after(bytes[index]) else { break }
            expected = next
            index += 1
        }
        return index
    }

    /// Accepts eight bytes at a time, and stops before a word that holds a bad byte.
    ///
    /// The table makes the step for a byte a shift: no branch to mispredict in mixed text.
    // Hot path.
    private mutating func acceptWords(of bytes: borrowing Span<UInt8>, from index: Int) -> Int {
        let end = bytes.count
        var state = UInt64(expected.rawValue) * Transitions.stateBits
        let accepted = unsafe bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return index }
            var index = index
            while end - index >= 8 {
                let word = UInt64(
                    littleEndian: unsafe start.loadUnaligned(
                        fromByteOffset: index, as: UInt64.self))
                if state == 0 && word & Self.highBits == 0 {
                    index += 8
                    continue
                }
                let next = Transitions.after(word, from: state)
                if next == Transitions.bad { break }
                state = next
                index += 8
            }
            return index
        }
        guard let reached = Expectation(rawValue: UInt8(state / Transitions.stateBits)) else {
            preconditionFailure("not a state: \(state)")
        }
        expected = reached
        return accepted
    }

    /// The first place at or after `index` that holds no ASCII byte, or the end.
    // Hot path.
    private static func endOfASCII(in bytes: borrowing Span<UInt8>, from index: Int) -> Int {
        let end = bytes.count
        return unsafe bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return end }
            var index = index
            while end - index >= 32 {
                let block = unsafe start.loadUnaligned(
                    fromByteOffset: index, as: SIMD4<UInt64>.self)
                if (block[0] | block[1] | block[2] | block[3]) & highBits != 0 { break }
                index += 32
            }
            while end - index >= 8 {
                let word = unsafe start.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                let high = UInt64(littleEndian: word) & highBits
                if high != 0 { return index + high.trailingZeroBitCount / 8 }
                index += 8
            }
            while index < end, unsafe start.load(fromByteOffset: index, as: UInt8.self) < 0x80 {
                index += 1
            }
            return index
        }
    }

    /// The bit of each byte of a word that no ASCII character has.
    private static let highBits: UInt64 = 0x8080_8080_8080_8080
}

extension UTF8Validator {
    /// The rules of `Expectation` as one word per byte: shifted right by a state, it has the next
    /// state in its lowest bits. A state is the place of its own entry: the expectation's number,
    /// times the six bits that such a place takes. Nine of them fit into a word.
    private enum Transitions {
        static let stateBits: UInt64 = 6
        /// The ninth state: nothing leads out of it.
        static let bad: UInt64 = 8 * stateBits

        private static let words: InlineArray<256, UInt64> = {
            var words = InlineArray<256, UInt64>(repeating: 0)
            for byte in UInt8.min...UInt8.max {
                var word = bad << bad
                for number in UInt8(0)..<8 {
                    let next = Expectation(rawValue: number)?.after(byte)
                    let state = next.map { UInt64($0.rawValue) * stateBits } ?? bad
                    word |= state << (UInt64(number) * stateBits)
                }
                words[Int(byte)] = word
            }
            return words
        }()

        /// The state after the eight bytes of `word`, the least significant first.
        // Hot path.
        @inline(__always)
        static func after(_ word: UInt64, from state: UInt64) -> UInt64 {
            var state = state
            var rest = word
            for _ in 0..<8 {
                // `&>>` looks at the lowest six bits only, so what stands above them may stay.
                state = words[Int(rest & 0xFF)] &>> state
                rest >>= 8
            }
            return state & 0x3F
        }
    }
}

extension UTF8Validator {
    /// What may come next. The first continuation byte has a narrower range after four of the lead
    /// bytes; that is what rules overlong forms, surrogates and too large values out.
    private enum Expectation: UInt8 {
        /// A character's first byte. The first case, so that it is zero in memory.
        case character
        /// So many continuation bytes, 80 to BF.
        case one, two, three
        /// A0 to BF, then one more; less would be overlong.
        case afterE0
        /// 80 to 9F, then one more; above are the surrogates.
        case afterED
        /// 90 to BF, then two more; less would be overlong.
        case afterF0
        /// 80 to 8F, then two more; above is beyond U+10FFFF.
        case afterF4

        /// `nil` if the byte cannot stand here.
        func after(_ byte: UInt8) -> Expectation? {
            switch self {
            case .character: Expectation(afterLead: byte)
            case .one: 0x80...0xBF ~= byte ? .character : nil
            case .two: 0x80...0xBF ~= byte ? .one : nil
            case .three: 0x80...0xBF ~= byte ? .two : nil
            case .afterE0: 0xA0...0xBF ~= byte ? .one : nil
            case .afterED: 0x80...0x9F ~= byte ? .one : nil
            case .afterF0: 0x90...0xBF ~= byte ? .two : nil
            case .afterF4: 0x80...0x8F ~= byte ? .two : nil
            }
        }

        private init?(afterLead byte: UInt8) {
            switch byte {
            case 0x00...0x7F: self = .character
            case 0xC2...0xDF: self = .one
            case 0xE0: self = .afterE0
            case 0xED: self = .afterED
            case 0xE1...0xEF: self = .two
            case 0xF0: self = .afterF0
            case 0xF1...0xF3: self = .three
            case 0xF4: self = .afterF4
            default: return nil
            }
        }
    }
}
