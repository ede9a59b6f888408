import Reactor
import Testing

@Suite struct SHA1Behaviour {
    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
    ])
    func `the digests of FIPS 180's examples come out`(message: String, expected: String) throws {
        let digest = try SHA1.digest(message.utf8Span.span)
        var text = ""
        for index in digest.indices {
            let digits = String(digest[index], radix: 16)
            text += digits.count == 1 ? "0" + digits : digits
        }
        #expect(text == expected)
    }
}
