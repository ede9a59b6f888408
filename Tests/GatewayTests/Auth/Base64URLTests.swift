import Gateway
import Reactor
import Testing

@Suite struct Base64URLBehaviour {
    @Test(arguments: [
        ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
    ])
    func `gives the vectors of RFC 4648 §10 without padding`(plain: String, text: String) {
        #expect(encode(Array(plain.utf8)) == text)
        #expect(decode(text) == Array(plain.utf8))
    }

    @Test func `uses the two letters for URLs`() {
        #expect(encode([0xFB, 0xFF]) == "-_8")
        #expect(decode("-_8") == [0xFB, 0xFF])
        #expect(decode("+/8") == nil)
    }

    @Test func `every byte at every place comes back`() {
        for byte in UInt8.min...UInt8.max {
            for bytes in [[byte], [0, byte], [0xFF, 0, byte], [byte, byte, byte, byte]] {
                #expect(decode(encode(bytes)) == bytes)
            }
        }
    }

    @Test(arguments: [
        "Z", "Zm9vY", "Zg==", "Zm8=", "Zg=", "=", "Zg ", " Zg", "Z g", "Zg\n", "Zm9v\r\n", "Zm.8",
        "Zh", "Zv", "Zm9", "Zm9vYh", "Zm\u{E9}v", "Zm9\u{0}",
    ])
    func `refuses padding, white space, strays and bits that belong to no byte`(text: String) {
        var buffer = ByteBuffer()
        buffer.append("kept")
        let accepted = Base64URL.decode(text.utf8Span.span, into: &buffer)
        #expect(!accepted)
        let content = String(decoding: buffer)
        #expect(content == "kept")
    }

    @Test func `a stray at any place of texts of any length is noticed`() {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        for count in [2, 3, 4, 6, 7, 8, 10, 16, 19, 24] {
            let good = [UInt8](repeating: UInt8(ascii: "A"), count: count)
            for place in 0..<count {
                for stray in UInt8.min...UInt8.max where !alphabet.contains(stray) {
                    var text = good
                    text[place] = stray
                    var buffer = ByteBuffer(capacity: 1)
                    let isAccepted = Base64URL.decode(text.span, into: &buffer)
                    #expect(!isAccepted, "\(stray) at \(place) of \(count)")
                    let left = buffer.count
                    #expect(left == 0)
                }
            }
        }
    }

    @Test func `bytes of every length come back, behind what the buffer holds`() {
        var generator = SystemRandomNumberGenerator()
        for count in 0...200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let text = encode(bytes)
            var buffer = ByteBuffer(capacity: 1)
            buffer.append("kept")
            let isAccepted = Base64URL.decode(text.utf8Span.span, into: &buffer)
            let content = buffer.copy()
            #expect(isAccepted && content == Array("kept".utf8) + bytes, "\(bytes)")
        }
    }

    @Test func `of the 64 last letters only those without spare bits are taken`() {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        let afterOne = letters.filter { decode("A\($0)") != nil }
        #expect(afterOne == "AQgw")
        let afterTwo = letters.filter { decode("AA\($0)") != nil }
        #expect(afterTwo == "AEIMQUYcgkosw048")
    }

    private func encode(_ bytes: [UInt8]) -> String {
        var buffer = ByteBuffer()
        Base64URL.encode(bytes.span, into: &buffer)
        return String(decoding: buffer)
    }

    private func decode(_ text: String) -> [UInt8]? {
        var buffer = ByteBuffer()
        guard Base64URL.decode(text.utf8Span.span, into: &buffer) else { return nil }
        let bytes = buffer.bytes
        return (0..<bytes.count).map { bytes[$0] }
    }
}
