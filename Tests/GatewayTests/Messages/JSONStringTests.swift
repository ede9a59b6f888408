import Gateway
import Reactor
import Testing

@Suite struct JSONStringBehaviour {
    private func written(_ bytes: [UInt8]) -> String {
        var buffer = ByteBuffer(capacity: 1)
        JSONString.write(bytes.span, into: &buffer)
        return String(decoding: buffer)
    }

    @Test(arguments: [
        ("", "\"\""),
        ("plain text", "\"plain text\""),
        ("a\"b\\c/d", "\"a\\\"b\\\\c/d\""),
        ("\u{8}\u{9}\u{A}\u{C}\u{D}", "\"\\b\\t\\n\\f\\r\""),
        ("\u{0}\u{1}\u{B}\u{1F}\u{20}\u{7F}", "\"\\u0000\\u0001\\u000b\\u001f \u{7F}\""),
        ("é€😀\u{10FFFF}\u{D7FF}\u{E000}\u{2028}", "\"é€😀\u{10FFFF}\u{D7FF}\u{E000}\u{2028}\""),
    ])
    func `quotes, backslashes and control characters are escaped, the rest passes`(
        text: String, expected: String
    ) {
        #expect(written(Array(text.utf8)) == expected)
    }

    @Test(arguments: [
        [0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xC2], [0xE0, 0x80, 0xAF], [0xE2, 0x82],
        [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80],
        [0xF5, 0x80], [0xFF], [0xE2, 0x82, 0x22, 0x0A], [0xC3, 0xC3, 0xA9],
        [0xF1, 0x80, 0xC3, 0xA9],
    ])
    func `each ill-formed part becomes one replacement character, as Swift repairs it`(
        middle: [UInt8]
    ) {
        let bytes = Array("a".utf8) + middle + Array("z".utf8)
        let repaired = String(decoding: bytes, as: UTF8.self)
        #expect(Array(written(bytes).utf8) == Array(written(Array(repaired.utf8)).utf8))
    }
}
