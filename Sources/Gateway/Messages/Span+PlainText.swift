extension Span<UInt8> {
    /// Where the run of bytes ends that begins at `start` and can stand in a JSON string as they are
    /// (RFC 8259 §7): the index of the first quotation mark, backslash, control character or byte
    /// above ASCII; `count` if there is none.
    ///
    /// Hot path: eight bytes at a time.
    package func endOfPlainText(from start: Int) -> Int {
        var index = start
        while count - index >= 8 {
            let word = UInt64(
                littleEndian: unsafe bytes.unsafeLoadUnaligned(
                    fromByteOffset: index, as: UInt64.self))
            let marks = PlainText.marks(of: word)
            guard marks == 0 else { return index + marks.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count, PlainText.isPlain(self[index]) { index += 1 }
        return index
    }
}

private enum PlainText {
    private static var ones: UInt64 { 0x0101_0101_0101_0101 }
    private static var highBits: UInt64 { 0x8080_8080_8080_8080 }

    /// The high bit of each byte that isn't plain is set, the lowest one being exact: those above it
    /// may be there because of a borrow.
    static func marks(of word: UInt64) -> UInt64 {
        let control = below(0x20, word)
        let quotationMark = below(1, word ^ ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = below(1, word ^ ones &* UInt64(UInt8(ascii: "\\")))
        return (word | control | quotationMark | backslash) & highBits
    }

    /// The high bit of each byte that is less than `limit`.
    private static func below(_ limit: UInt64, _ word: UInt64) -> UInt64 {
        (word &- ones &* limit) & ~word
    }

    static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
}
