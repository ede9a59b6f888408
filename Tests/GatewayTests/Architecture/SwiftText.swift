/// Swift source as far as the tests of the architecture understand it: words, and which of them
/// declare types.
struct SwiftText {
    /// Names that the file declares at its top level for others; extensions declare nothing.
    private(set) var declared: Set<String> = []
    /// Types within types.
    private(set) var nested: Set<String> = []
    /// All words outside of comments and strings.
    private(set) var words: Set<String> = []

    private static let keywords: Set<Substring> = [
        "struct", "enum", "protocol", "typealias", "class", "actor",
    ]
    private static let modifiers: Set<Substring> = [
        "public", "package", "internal", "fileprivate", "private", "final", "indirect",
    ]

    init(_ text: String) {
        for line in Self.code(of: text).split(separator: "\n") {
            let tokens = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "@" }
            words.formUnion(tokens.map(String.init))
            let rest = tokens.drop { Self.modifiers.contains($0) || $0.hasPrefix("@") }
            guard let keyword = rest.first, Self.keywords.contains(keyword),
                let name = rest.dropFirst().first
            else { continue }
            if line.first == " " {
                nested.insert(String(name))
            } else if !tokens.contains("private"), !tokens.contains("fileprivate") {
                declared.insert(String(name))
            }
        }
    }

    /// The text without comments, and with strings emptied. What is interpolated into a string is
    /// taken for a part of it.
    static func code(of text: String) -> String {
        var code: [UInt8] = []
        let bytes = Array(text.utf8)
        var position = 0
        let (slash, quote, hash) = (UInt8(ascii: "/"), UInt8(ascii: "\""), UInt8(ascii: "#"))
        func starts(_ mark: String, at offset: Int) -> Bool {
            bytes[min(offset, bytes.count)...].starts(with: mark.utf8)
        }
        func skip(to mark: String, from offset: Int, escapes: Bool) -> Int {
            var end = offset
            let first = mark.utf8.first
            while end < bytes.count, bytes[end] != first || !starts(mark, at: end) {
                end += escapes && bytes[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            return min(end + mark.utf8.count, bytes.count)
        }
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == slash || byte == quote || byte == hash else {
                code.append(byte)
                position += 1
                continue
            }
            if starts("//", at: position) {
                position = skip(to: "\n", from: position, escapes: false) - 1
            } else if starts("/*", at: position) {
                position = skip(to: "*/", from: position, escapes: false)
            } else if starts("#\"\"\"", at: position) {
                position = skip(to: "\"\"\"#", from: position + 4, escapes: false)
            } else if starts("\"\"\"", at: position) {
                position = skip(to: "\"\"\"", from: position + 3, escapes: true)
            } else if starts("#\"", at: position) {
                position = skip(to: "\"#", from: position + 2, escapes: false)
            } else if starts("\"", at: position) {
                position = skip(to: "\"", from: position + 1, escapes: true)
            } else {
                code.append(bytes[position])
                position += 1
            }
        }
        return String(decoding: code, as: UTF8.self)
    }
}
