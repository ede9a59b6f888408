extension WebSocketTesting {
    /// Judges a character's bytes by arithmetic: whether any scalar value that is allowed in so many
    /// bytes can still come of them. Shares no table with the validator.
    package enum UTF8Oracle {
        package enum Verdict { case whole, unfinished, bad }

        package static func judge(_ bytes: [UInt8]) -> Verdict {
            guard let lead = bytes.first else { return .unfinished }
            let size = (~lead).leadingZeroBitCount
            if size == 0 { return .whole }
            guard (2...4).contains(size), bytes.count <= size else { return .bad }
            var value = Int(lead) & (0x7F >> size)
            for byte in bytes.dropFirst() {
                guard byte >> 6 == 0b10 else { return .bad }
                value = value * 64 + Int(byte & 0x3F)
            }
            let missing = (size - bytes.count) * 6
            let reachable = value << missing...(value << missing) + (1 << missing) - 1
            let allowed =
                switch size {
                case 2: [0x80...0x7FF]
                case 3: [0x800...0xD7FF, 0xE000...0xFFFF]
                default: [0x1_0000...0x10_FFFF]
                }
            guard allowed.contains(where: { $0.overlaps(reachable) }) else { return .bad }
            return missing == 0 ? .whole : .unfinished
        }

        /// How many of `text`'s bytes stand before the first bad one.
        package static func acceptedCount(_ text: [UInt8]) -> Int {
            var character: [UInt8] = []
            for (index, byte) in text.enumerated() {
                character.append(byte)
                switch judge(character) {
                case .whole: character = []
                case .unfinished: break
                case .bad: return index
                }
            }
            return text.count
        }
    }
}
