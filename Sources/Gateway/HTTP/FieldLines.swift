/// Walks the field lines of a head that `RequestHeadParser` found complete.
package struct FieldLines: BitwiseCopyable {
    private var position: Int
    private let end: Int

    /// One field line (RFC 9112 §5).
    package struct Line {
        package var name: Range<Int>
        /// Without the white space around it.
        package var value: Range<Int>
    }

    package init(of head: RequestHead) {
        self.position = Int(head.fieldsStart)
        self.end = Int(head.fieldsEnd)
    }

    /// The next line, `nil` after the last. `bytes` are the head's.
    package mutating func next(in bytes: borrowing Span<UInt8>) -> Line? {
        let rest = position..<end
        guard let lineFeed = ByteSearch.firstIndex(of: ASCII.lineFeed, in: rest, of: bytes),
            let colon = ByteSearch.firstIndex(
                of: UInt8(ascii: ":"), in: position..<lineFeed, of: bytes)
        else { return nil }
        let line = Line(
            name: position..<colon,
            // The carriage return before the line feed is no part of it; the colon precedes both.
            value: ASCII.trimmed(colon + 1..<lineFeed - 1, in: bytes))
        position = lineFeed + 1
        return line
    }
}

/// Walks the elements of a comma-separated field value (RFC 9110 §5.6.1): empty ones are passed
/// over, as the standard demands of recipients. Quoted strings aren't understood: the fields that
/// we read hold tokens.
package struct ListElements: BitwiseCopyable {
    private var position: Int
    private let end: Int

    package init(of value: Range<Int>) {
        self.position = value.lowerBound
        self.end = value.upperBound
    }

    /// The next element without the white space around it, `nil` after the last.
    package mutating func next(in bytes: borrowing Span<UInt8>) -> Range<Int>? {
        while position < end {
            let comma = ByteSearch.firstIndex(of: UInt8(ascii: ","), in: position..<end, of: bytes)
            let element = ASCII.trimmed(position..<(comma ?? end), in: bytes)
            position = comma.map { $0 + 1 } ?? end
            if !element.isEmpty { return element }
        }
        return nil
    }
}
