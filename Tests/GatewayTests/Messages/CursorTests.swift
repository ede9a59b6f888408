import Gateway
import Reactor
import Testing

@Suite struct CursorBehaviour {
    private func cursor(_ text: String) -> Cursor? {
        let bytes = Array(text.utf8)
        return Cursor(bytes.span)
    }

    @Test(arguments: [("0", UInt64(0)), ("812", 812), ("18446744073709551615", .max)])
    func `decimal digits are a cursor, and written as they were`(text: String, number: UInt64)
        throws
    {
        let read = try #require(cursor(text))
        #expect(read.transaction == number)
        var buffer = ByteBuffer()
        Cursor.write(read, to: &buffer)
        #expect(String(decoding: buffer) == "\"\(text)\"")
    }

    @Test(arguments: [
        "", " 1", "1 ", "-1", "+1", "1.0", "0x1", "١", "18446744073709551616",
        "99999999999999999999", "000000000000000000001", "1\u{0}", "00", "0812",
        "00000000000000000001",
    ])
    func `anything else isn't`(text: String) {
        #expect(cursor(text) == nil)
        let bytes = Array(text.utf8)
        #expect(Since(bytes.span) == .malformed)
    }

    @Test func `no cursor is written as null`() {
        var buffer = ByteBuffer()
        Cursor.write(nil, to: &buffer)
        #expect(String(decoding: buffer) == "null")
    }
}
