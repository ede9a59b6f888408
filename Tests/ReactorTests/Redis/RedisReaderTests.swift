import Reactor
import Testing

@Suite struct RedisReaderBehaviour {
    private static let replies: [(text: String, reply: RedisReply)] = [
        ("+OK\r\n", RedisReply(kind: .status, texts: [Array("OK".utf8)])),
        ("-ERR no\r\n", RedisReply(kind: .error, texts: [Array("ERR no".utf8)])),
        (":42\r\n", RedisReply(kind: .integer, integer: 42)),
        ("$0\r\n\r\n", RedisReply(kind: .text, texts: [[]])),
        ("$3\r\na\r\n\r\n", RedisReply(kind: .text, texts: [Array("a\r\n".utf8)])),
        ("$-1\r\n", RedisReply(kind: .null)),
        ("*-1\r\n", RedisReply(kind: .null)),
        ("*0\r\n", RedisReply(kind: .array)),
        (
            "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\n\u{0}x\r\n",
            RedisReply(kind: .array, texts: [Array("message".utf8), Array("c".utf8), [0, 120]])
        ),
        // As ROLE is answered: what stands deeper than its first level is passed over.
        (
            "*3\r\n$6\r\nmaster\r\n:7\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
            RedisReply(kind: .array, texts: [Array("master".utf8)])
        ),
    ]

    private static func read(_ reader: inout RedisReader, _ piece: [UInt8]) throws(RedisFault)
        -> [RedisReply]
    {
        try reader.feed(piece.span)
        var replies: [RedisReply] = []
        while let reply = try reader.next() { replies.append(reply) }
        return replies
    }

    /// The replies behind each piece, up to a fault.
    private static func read(_ pieces: [[UInt8]]) -> (replies: [[RedisReply]], fault: RedisFault?) {
        guard var reader = RedisReader() else { return ([], .outOfMemory) }
        var replies: [[RedisReply]] = []
        for piece in pieces {
            do throws(RedisFault) {
                replies.append(try read(&reader, piece))
            } catch {
                return (replies, error)
            }
        }
        return (replies, nil)
    }

    @Test(arguments: replies.indices)
    func `a reply is read whole, and byte by byte`(position: Int) {
        let (text, expected) = Self.replies[position]
        let whole = Self.read([Array(text.utf8)])
        #expect(whole.replies == [[expected]] && whole.fault == nil)
        let slow = Self.read(text.utf8.map { [$0] })
        #expect(slow.replies.last == [expected] && slow.fault == nil)
        let early = slow.replies.dropLast().flatMap { $0 }
        #expect(early.isEmpty)
    }

    @Test func `many in one piece come one after the other`() {
        let found = Self.read([Self.replies.flatMap { Array($0.text.utf8) }])
        #expect(found.replies == [Self.replies.map(\.reply)])
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n", "*x\r\n", "*1025\r\n", "*2147483647\r\n",
        "*9223372036854775807\r\n", "$-2\r\n", "$99999999999999999999\r\n",
        String(repeating: "*1\r\n", count: RedisReader.depthMax + 1) + ":1\r\n",
    ])
    func `what isn't the protocol, or larger than any answer, is malformed`(text: String) {
        let found = Self.read([Array(text.utf8)])
        #expect(found.fault == .malformed, "\(found.replies)")
    }

    @Test func `arrays in arrays are read up to a depth`() {
        let text = String(repeating: "*1\r\n", count: RedisReader.depthMax) + ":1\r\n"
        let found = Self.read([Array(text.utf8)])
        #expect(found.replies.first?.first?.kind == .array && found.fault == nil)
    }

    @Test func `bytes without an end are given up`() {
        let chunk = [UInt8](repeating: 120, count: 65_536)
        let found = Self.read(
            [Array("$500000000\r\n".utf8)] + Array(repeating: chunk, count: 100))
        #expect(found.fault == .flooded)
        #expect(found.replies.count * chunk.count <= RedisReader.pendingBytesMax + 2 * chunk.count)
    }

    @Test func `noise ends in a fault or in replies, whatever it is`() {
        var random = Jitter(seed: 7)
        let alphabet = Array("*$:+-0123456789\r\n".utf8)
        for _ in 0..<2_000 {
            let bytes = (0..<random.next() % 60).map { _ in
                alphabet[Int(random.next() % UInt64(alphabet.count))]
            }
            let found = Self.read([bytes])
            #expect(found.fault == nil || found.fault == .malformed)
        }
    }
}

@Suite struct RedisCommandBehaviour {
    @Test func `words go out with their lengths, whatever bytes they have`() {
        var buffer = ByteBuffer()
        let isMade = RedisCommand.append(
            [Array("PUBLISH".utf8), [], [0, 13, 10, 255]], to: &buffer)
        #expect(isMade)
        let bytes = buffer.copy()
        #expect(
            bytes == Array("*3\r\n$7\r\nPUBLISH\r\n$0\r\n\r\n$4\r\n".utf8) + [
                0, 13, 10, 255, 13, 10,
            ])
        buffer.removeAll()
        let isEmptyMade = RedisCommand.append([[]], to: &buffer)
        #expect(isEmptyMade)
        let text = String(decoding: buffer)
        #expect(text == "*1\r\n$0\r\n\r\n")
    }
}
