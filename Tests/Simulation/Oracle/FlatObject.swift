/// A JSON object as strictly as RFC 8259 has it, with the texts of its own members: enough to judge
/// what the gateway says, and nothing of the gateway's own.
struct FlatObject {
    /// Members of the object itself; strings without their quotes, escapes as they are.
    private(set) var members: [(key: String, value: String)] = []

    /// `nil` for anything else than one object.
    init?(_ text: ArraySlice<UInt8>) {
        var reader = Reader(rest: text)
        guard let members = reader.readObject(), reader.rest.isEmpty else { return nil }
        self.members = members
    }

    subscript(key: String) -> String? {
        members.first { $0.key == key }?.value
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        private mutating func take(_ character: Character) -> Bool {
            guard rest.first == character.asciiValue else { return false }
            rest.removeFirst()
            return true
        }

        mutating func readObject() -> [(key: String, value: String)]? {
            var members: [(key: String, value: String)] = []
            guard take("{") else { return nil }
            if take("}") { return members }
            repeat {
                guard let key = readString(), take(":"), let value = readValue() else {
                    return nil
                }
                guard !members.contains(where: { $0.key == key }) else { return nil }
                members.append((key, value))
            } while take(",")
            return take("}") ? members : nil
        }

        private mutating func readString() -> String? {
            guard take("\"") else { return nil }
            let whole = rest
            while let byte = rest.first, byte != UInt8(ascii: "\"") {
                guard byte >= 0x20 else { return nil }
                rest.removeFirst()
                if byte == UInt8(ascii: "\\") {
                    guard let escaped = rest.first, #""\/bfnrtu"#.utf8.contains(escaped) else {
                        return nil
                    }
                    rest.removeFirst()
                }
            }
            let bytes = whole.dropLast(rest.count)
            guard take("\"") else { return nil }
            return String(validating: bytes, as: UTF8.self)
        }

        private mutating func readArray() -> Bool {
            guard take("[") else { return false }
            if take("]") { return true }
            repeat {
                guard readValue() != nil else { return false }
            } while take(",")
            return take("]")
        }

        private mutating func readValue() -> String? {
            let before = rest
            switch rest.first {
            case UInt8(ascii: "\""): return readString()
            case UInt8(ascii: "{"):
                guard readObject() != nil else { return nil }
                return String(decoding: before.dropLast(rest.count), as: UTF8.self)
            case UInt8(ascii: "["):
                guard readArray() else { return nil }
                return String(decoding: before.dropLast(rest.count), as: UTF8.self)
            default:
                let word = rest.prefix { !",}]".utf8.contains($0) }
                rest.removeFirst(word.count)
                let text = String(decoding: word, as: UTF8.self)
                let isWord = ["true", "false", "null"].contains(text)
                return isWord || UInt64(text).map { "\($0)" } == text ? text : nil
            }
        }
    }
}
