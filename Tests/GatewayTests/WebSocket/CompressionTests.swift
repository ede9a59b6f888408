import Gateway
import Reactor
import Testing

/// RSV1 in what a peer sends (RFC 7692 §6).
@Suite struct CompressedFrameBehaviour {
    private typealias Tools = WebSocketTesting

    private let limits = WebSocketTesting.limits(acceptsCompressed: true)

    private func decode(_ input: [UInt8]) -> [Tools.Event] {
        let whole = Tools.decode(input, limits: limits)
        #expect(whole == Tools.decode(input, cuts: Array(0..<input.count), limits: limits))
        return whole
    }

    @Test func `RSV1 marks a compressed message, whose bytes nobody looks at yet`() {
        // No UTF-8, which is nothing to complain of here.
        let payload: [UInt8] = [0xFF, 0xC0, 0x00]
        #expect(decode(Tools.frame(0xC1, payload)) == [.compressed(.text, payload)])
        #expect(decode(Tools.frame(0xC2, payload)) == [.compressed(.binary, payload)])
        #expect(decode(Tools.frame(0xC1, [])) == [.compressed(.text, [])])
    }

    @Test func `messages that aren't compressed come beside those that are`() {
        let input =
            Tools.frame(0x81, "a") + Tools.frame(0xC1, [0x00]) + Tools.frame(0x82, [1])
        #expect(
            decode(input) == [
                .message(.text, [0x61]), .compressed(.text, [0]), .message(.binary, [1]),
            ]
        )
        let bad = Tools.frame(0xC1, [0x00]) + Tools.frame(0x81, [0xFF])
        #expect(decode(bad).last == .failure(1007, at: 13))
    }

    @Test func `only the first fragment bears the mark, and control frames may come between`() {
        let input =
            Tools.frame(0x41, [1, 2]) + Tools.frame(0x89, "p") + Tools.frame(0x00, [])
            + Tools.frame(0x80, [3])
        #expect(decode(input) == [.control(.ping, [0x70]), .compressed(.text, [1, 2, 3])])
    }

    @Test func `every first byte with reserved bits, but for a first data frame's RSV1, is 1002`() {
        let fragment = Tools.frame(0x41, [1])
        for first in UInt8.min...UInt8.max where first & 0x70 != 0 {
            let isData = first & 0x0F == 1 || first & 0x0F == 2
            let isAllowed = first & 0x70 == 0x40 && isData
            #expect(decode([first]) == (isAllowed ? [] : [.failure(1002, at: 0)]))
            // Within a message nothing may have them.
            #expect(decode(fragment + [first]).last == .failure(1002, at: fragment.count))
        }
    }

    @Test func `without an agreement RSV1 is 1002`() {
        #expect(Tools.decode(Tools.frame(0xC1, [0x00])) == [.failure(1002, at: 0)])
    }

    @Test func `what is compressed counts against the limit as it is`() {
        let limits = Tools.limits(3, acceptsCompressed: true)
        let fits = Tools.frame(0x41, [1, 2]) + Tools.frame(0x80, [3])
        #expect(Tools.decode(fits, limits: limits) == [.compressed(.text, [1, 2, 3])])
        let input = Tools.frame(0x41, [1, 2]) + Tools.frame(0x80, [3, 4])
        #expect(Tools.decode(input, limits: limits).last == .failure(1009, at: 9))
    }
}

@Suite struct MessageCompressionBehaviour {
    private typealias Tools = WebSocketTesting

    private static func frames(_ texts: [String]) -> [UInt8] {
        texts.flatMap { Tools.frame(0x81, $0, masked: false) }
    }

    private static let long =
        #"{"type":"cache_invalidate","resource":"tasks","action":"UPDATE","project_id":"#
        + #""00000000-0000-0001-0000-000000000001","data":{"id":"7","timestamp":"…"}}"#

    @Test func `messages of a run are compressed one by one, and short ones left alone`() {
        var compressor = MessageCompressor()
        var decompressor = MessageDecompressor()
        var run = ByteBuffer()
        let input = Tools.frame(0x89, "", masked: false) + Self.frames([Self.long, "short"])
        let count = compressor.compress(input.span, into: &run)
        #expect(count == 1)
        let limits = Tools.limits(acceptsCompressed: true, role: .client)
        let events = Tools.decode(run.copy(), limits: limits)
        #expect(events.count == 3)
        #expect(events.first == .control(.ping, []))
        #expect(events.last == .message(.text, Array("short".utf8)))
        guard events.count == 3, case .compressed(.text, let payload) = events[1] else {
            Issue.record("\(events)")
            return
        }
        #expect(payload.count < Self.long.utf8.count)
        let outcome = decompressor.decompress(payload.span, opcode: .text, bytesMax: 1_000)
        guard case .done = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(String(decoding: decompressor.message) == Self.long)
    }

    @Test func `what would grow is sent as it is`() {
        var random = Tools.Random.seeded(for: "incompressible messages")
        let noise = random.bytes(MessageCompressor.messageBytesMin)
        var compressor = MessageCompressor()
        var buffer = ByteBuffer()
        let isCompressed = compressor.write(noise.span, opcode: .binary, into: &buffer)
        #expect(!isCompressed)
        #expect(buffer.copy() == Tools.frame(0x82, noise, masked: false))
    }

    @Test func `a message is compressed from its smallest size on`() {
        var compressor = MessageCompressor()
        let least = MessageCompressor.messageBytesMin
        for count in [least - 1, least, least + 1] {
            var buffer = ByteBuffer()
            let message = Array(repeating: UInt8(ascii: "a"), count: count)
            let isCompressed = compressor.write(message.span, opcode: .text, into: &buffer)
            #expect(isCompressed == (count >= least))
        }
    }

    private func failure(_ message: [UInt8], bytesMax: Int = 1_000) -> CloseCode? {
        var deflater = Deflater(windowBits: 15)
        var payload = ByteBuffer()
        deflater.compress(message.span, into: &payload)
        var decompressor = MessageDecompressor()
        let outcome = decompressor.decompress(payload.bytes, opcode: .text, bytesMax: bytesMax)
        if case .failure(let code, _) = outcome { return code }
        return nil
    }

    @Test func `text must be whole characters of UTF-8 once it is decompressed`() {
        #expect(failure(Array("grün 🚲".utf8)) == nil)
        #expect(failure([0x61, 0xFF]) == .invalidPayload)
        #expect(failure([0x61, 0xF0, 0x9F, 0x9A]) == .invalidPayload)
    }

    @Test func `a bomb is 1009, and what is no DEFLATE is 1007`() {
        #expect(failure(Array(repeating: 0x61, count: 1_000)) == nil)
        #expect(failure(Array(repeating: 0x61, count: 1_001)) == .messageTooBig)
        var decompressor = MessageDecompressor()
        let corrupt: [UInt8] = [0x07]
        let outcome = decompressor.decompress(corrupt.span, opcode: .binary, bytesMax: 10)
        guard case .failure(.invalidPayload, _) = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }
}
