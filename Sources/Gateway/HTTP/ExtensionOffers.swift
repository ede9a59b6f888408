/// Walks what `Sec-WebSocket-Extensions` offers (RFC 6455 §9.1): extensions between commas, each a
/// name and its parameters between semicolons, a parameter a name with a value or without one.
///
/// One value for one field line. A line that isn't of that form is refused as a whole.
struct ExtensionOffers: BitwiseCopyable {
    /// What comes next, as places in the bytes.
    enum Item {
        case name(Range<Int>)
        /// `value` is `nil` without an equals sign; of a quoted one, what stands between the quotes.
        case parameter(Range<Int>, value: Range<Int>?)
        case end
    }

    /// The line breaks the grammar.
    struct Malformed: Error {}

    private var position: Int
    private let end: Int
    private var expectsName = true
    private var isAfterItem = false

    init(of value: Range<Int>) {
        position = value.lowerBound
        end = value.upperBound
    }

    mutating func next(in bytes: borrowing Span<UInt8>) throws(Malformed) -> Item {
        try parseSeparators(in: bytes)
        guard position < end else {
            // The last thing was a semicolon.
            if !expectsName { throw Malformed() }
            return .end
        }
        let name = try parseToken(in: bytes)
        isAfterItem = true
        if expectsName {
            expectsName = false
            return .name(name)
        }
        skipBlanks(in: bytes)
        guard position < end, bytes[position] == UInt8(ascii: "=") else {
            return .parameter(name, value: nil)
        }
        position += 1
        skipBlanks(in: bytes)
        return .parameter(name, value: try parseValue(in: bytes))
    }

    /// Goes on behind a comma or a semicolon, and notes which of them it was. Empty elements of the
    /// list are passed over (RFC 9110 §5.6.1).
    private mutating func parseSeparators(in bytes: borrowing Span<UInt8>) throws(Malformed) {
        skipBlanks(in: bytes)
        guard isAfterItem, position < end else {
            expectsName = true
            skipCommas(in: bytes)
            return
        }
        switch bytes[position] {
        case UInt8(ascii: ";"):
            position += 1
            expectsName = false
            skipBlanks(in: bytes)
        case UInt8(ascii: ","):
            expectsName = true
            skipCommas(in: bytes)
        default:
            throw Malformed()
        }
    }

    private mutating func skipCommas(in bytes: borrowing Span<UInt8>) {
        while position < end, bytes[position] == UInt8(ascii: ",") || ASCII.isBlank(bytes[position])
        {
            position += 1
        }
    }

    private mutating func skipBlanks(in bytes: borrowing Span<UInt8>) {
        while position < end, ASCII.isBlank(bytes[position]) { position += 1 }
    }

    private mutating func parseToken(
        in bytes: borrowing Span<UInt8>
    ) throws(Malformed) -> Range<Int> {
        let start = position
        while position < end, ASCII.isTokenCharacter(bytes[position]) { position += 1 }
        guard position > start else { throw Malformed() }
        return start..<position
    }

    /// A token, or one between quotes. Escapes aren't parsed: no parameter that we know needs any.
    private mutating func parseValue(
        in bytes: borrowing Span<UInt8>
    ) throws(Malformed) -> Range<Int> {
        guard position < end, bytes[position] == UInt8(ascii: "\"") else {
            return try parseToken(in: bytes)
        }
        position += 1
        let value = try parseToken(in: bytes)
        guard position < end, bytes[position] == UInt8(ascii: "\"") else { throw Malformed() }
        position += 1
        return value
    }
}
