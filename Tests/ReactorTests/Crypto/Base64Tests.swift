import Reactor
import Testing

@Suite struct Base64Behaviour {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func `the test vectors of RFC 4648 §10 come out`(text: String, expected: String) {
        var buffer = ByteBuffer()
        Base64.encode(text.utf8Span.span, into: &buffer)
        let encoded = String(decoding: buffer)
        #expect(encoded == expected)
    }

    @Test(arguments: [47, 48, 49, 50, 51, 95, 96, 97, 144, 145])
    func `inputs longer than a block join without padding or breaks between`(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        var whole = ByteBuffer()
        Base64.encode(bytes.span, into: &whole)
        var pieces = ByteBuffer()
        for start in stride(from: 0, to: count, by: 3) {
            Base64.encode(bytes[start..<min(start + 3, count)].span, into: &pieces)
        }
        let encoded = String(decoding: whole)
        let expected = String(decoding: pieces)
        #expect(encoded == expected)
        #expect(encoded.utf8.count == Base64.encodedCount(of: count))
    }
}
