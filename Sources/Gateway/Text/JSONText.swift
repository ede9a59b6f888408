internal import Reactor

/// Where values stand in a text that is JSON, for passing them on as they are; or in one that was to be.
enum JSONText {
    /// Where the value of the root's member lies; `nil` when it has none whose key is written just so,
    /// without escapes.
    static func member(_ key: StaticString, in text: borrowing Span<UInt8>) -> Range<Int>? {
        var members = Members()
        while let member = members.next(in: text) {
            if text.extracting(member.key).isEqual(to: key) { return member.value }
        }
        return nil
    }

    /// The root's members, one after the other. Of what isn't well-formed, those before the fault that is
    /// noticed, which needn't be the first one.
    struct Members {
        struct Member {
            /// Without its quotation marks, as it is written.
            let key: Range<Int>
            let value: Range<Int>
        }

        private var index = 0
        private var hasBegun = false

        mutating func next(in text: borrowing Span<UInt8>) -> Member? {
            index = endOfSpace(in: text, from: index)
            let expected = hasBegun ? UInt8(ascii: ",") : UInt8(ascii: "{")
            guard index < text.count, text[index] == expected else { return nil }
            hasBegun = true
            let keyStart = endOfSpace(in: text, from: index + 1)
            guard let keyEnd = endOfString(in: text, from: keyStart) else { return nil }
            index = endOfSpace(in: text, from: keyEnd)
            guard index < text.count, text[index] == UInt8(ascii: ":") else { return nil }
            let start = endOfSpace(in: text, from: index + 1)
            guard let end = endOfValue(in: text, from: start) else { return nil }
            index = end
            return Member(key: (keyStart + 1)..<(keyEnd - 1), value: start..<end)
        }
    }

    private static func endOfSpace(in text: borrowing Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                index += 1
            default: return index
            }
        }
        return index
    }

    /// Behind the closing quotation mark; `nil` where no whole string begins.
    private static func endOfString(in text: borrowing Span<UInt8>, from start: Int) -> Int? {
        guard start < text.count, text[start] == UInt8(ascii: "\"") else { return nil }
        var index = start + 1
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "\""): return index + 1
            case UInt8(ascii: "\\"): index += 2
            default: index += 1
            }
        }
        return nil
    }

    private static func endOfValue(in text: borrowing Span<UInt8>, from start: Int) -> Int? {
        var depth = 0
        var index = start
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "\""):
                guard let end = endOfString(in: text, from: index) else { return nil }
                index = end
                if depth == 0 { return index }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                index += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return index > start ? index : nil }
                depth -= 1
                index += 1
                if depth == 0 { return index }
            case UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"),
                UInt8(ascii: "\r"):
                if depth == 0 { return index > start ? index : nil }
                index += 1
            default: index += 1
            }
        }
        return nil
    }
}
