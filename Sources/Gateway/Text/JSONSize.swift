internal import Reactor

/// What a JSON text costs to read, seen without reading it: its values, not its bytes, are what is
/// dear.
enum JSONSize {
    /// Whether the text is an object, if it is JSON at all.
    static func beginsObject(_ text: borrowing Span<UInt8>) -> Bool {
        for position in 0..<text.count {
            switch text[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                continue
            case let byte:
                return byte == UInt8(ascii: "{")
            }
        }
        return false
    }

    /// Whether there may be more than so many values: each but the first of its object or array
    /// stands behind a comma, and each object and array has a bracket. Those in strings count as well.
    static func hasMoreValues(than most: Int, in text: borrowing Span<UInt8>) -> Bool {
        var count = 0
        for position in 0..<text.count {
            switch text[position] {
            case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"):
                count += 1
                if count > most { return true }
            default:
                continue
            }
        }
        return false
    }
}
