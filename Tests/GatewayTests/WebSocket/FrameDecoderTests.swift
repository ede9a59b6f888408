import Gateway
import Testing

@Suite struct FrameDecoderBehaviour {
    private typealias Tools = WebSocketTesting

    @Test func `takes at most 24 bytes, all zero between messages`() {
        #expect(MemoryLayout<FrameDecoder>.size <= 24)
        var decoder = FrameDecoder()
        #expect(Tools.isZero(decoder))
        let frames = [
            Tools.frame(0x81, "é"), Tools.frame(0x01, [0xC3]), Tools.frame(0x89, "ping"),
            Tools.frame(0x80, [0xA9]), Tools.frame(0x02, []), Tools.frame(0x80, "x"),
        ]
        let idleAfter = [true, false, false, true, false, true]
        for (frame, isIdle) in zip(frames, idleAfter) {
            var buffer = frame
            var position = 0
            while position < buffer.count {
                var bytes = buffer.mutableSpan
                _ = decoder.next(in: &bytes, at: &position, limits: Tools.limits())
            }
            #expect(decoder.isIdle == isIdle)
            #expect(Tools.isZero(decoder) == isIdle)
        }
    }

    @Test func `reads the examples of RFC 6455 §5.7`() {
        let client = Tools.limits(role: .client)
        let hello = Array("Hello".utf8)
        let plain: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
        #expect(Tools.decode(plain, limits: client) == [.message(.text, hello)])
        let masked: [UInt8] = [
            0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
        ]
        #expect(Tools.decode(masked) == [.message(.text, hello)])
        let fragmented: [UInt8] = [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F]
        #expect(Tools.decode(fragmented, limits: client) == [.message(.text, hello)])
        let ping: [UInt8] = [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
        #expect(Tools.decode(ping, limits: client) == [.control(.ping, hello)])
        let pong: [UInt8] = [0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]
        #expect(Tools.decode(pong) == [.control(.pong, hello)])
        let block = (0..<256).map { UInt8($0) }
        let medium: [UInt8] = [0x82, 0x7E, 0x01, 0x00] + block
        #expect(Tools.decode(medium, limits: client) == [.message(.binary, block)])
        let large = [UInt8](repeating: 7, count: 65_536)
        let long: [UInt8] = [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + large
        #expect(Tools.decode(long, limits: client) == [.message(.binary, large)])
    }

    @Test func `payload is handed on as it arrives, not when the frame is whole`() {
        var buffer = Array(Tools.frame(0x81, "abcdef").prefix(9))
        var decoder = FrameDecoder()
        var position = 0
        var bytes = buffer.mutableSpan
        let event = decoder.next(in: &bytes, at: &position, limits: Tools.limits())
        guard case .data(let payload, .text, false) = event else {
            Issue.record("\(event)")
            return
        }
        #expect(Array(buffer[payload]) == Array("abc".utf8))
        #expect(position == 9)
        #expect(!decoder.isIdle)
    }

    @Test func `an empty message is one empty piece, empty fragments are none`() {
        #expect(Tools.decode(Tools.frame(0x81, [])) == [.message(.text, [])])
        let fragments = [
            Tools.frame(0x01, []), Tools.frame(0x00, []), Tools.frame(0x00, "a"),
            Tools.frame(0x00, []), Tools.frame(0x80, []),
        ].flatMap(\.self)
        #expect(Tools.decode(fragments) == [.message(.text, [0x61])])
        let empty = Tools.frame(0x02, []) + Tools.frame(0x80, [])
        #expect(Tools.decode(empty) == [.message(.binary, [])])
    }

    @Test func `control frames between fragments don't disturb the message, nor a character`() {
        let input = [
            Tools.frame(0x01, [0xF0, 0x9F]), Tools.frame(0x89, [0xFF]), Tools.frame(0x00, [0x98]),
            Tools.frame(0x8A, []), Tools.frame(0x80, [0x80]),
        ].flatMap(\.self)
        let expected: [Tools.Event] = [
            .control(.ping, [0xFF]), .control(.pong, []), .message(.text, Array("😀".utf8)),
        ]
        #expect(Tools.decode(input) == expected)
    }

    @Test(arguments: [0, 1, 124, 125])
    func `a control frame is taken only whole`(count: Int) {
        let frame = Tools.frame(0x89, [UInt8](repeating: 1, count: count))
        for cut in 0..<frame.count {
            var buffer = Array(frame[..<cut])
            var decoder = FrameDecoder()
            var position = 0
            var bytes = buffer.mutableSpan
            let event = decoder.next(in: &bytes, at: &position, limits: Tools.limits())
            guard case .incomplete = event else {
                Issue.record("\(event)")
                continue
            }
            #expect(position == 0)
            #expect(buffer == Array(frame[..<cut]))
            #expect(Tools.isZero(decoder))
        }
        #expect(frame.count - 1 <= FrameDecoder.leftoverBytesMax)
    }

    @Test func `nothing is delivered after a close frame (RFC 6455 §1.4)`() {
        let close = Tools.frame(0x88, [0x03, 0xE8])
        let input =
            Tools.frame(0x01, "half") + close + Tools.frame(0x80, "rest") + close + [0xFF, 0xFF]
        for cut in 0...input.count {
            let events = Tools.decode(input, cuts: [cut])
            #expect(events == [.control(.close, [0x03, 0xE8])])
        }
    }

    @Test func `a stream gives the same events cut at every byte and byte by byte`() {
        let stream = [
            Tools.frame(0x81, "{\"type\":\"ping\"}"), Tools.frame(0x01, Array("жиз".utf8) + [0xD0]),
            Tools.frame(0x89, [UInt8](repeating: 9, count: 125)), Tools.frame(0x00, []),
            Tools.frame(0x80, [0xBD] + Array("ь".utf8)), Tools.frame(0x82, [0xFF, 0x00]),
            Tools.frame(0x81, [UInt8](repeating: 0x61, count: 126)), Tools.frame(0x8A, []),
            Tools.frame(0x88, [0x03, 0xE9]),
        ].flatMap(\.self)
        let whole = Tools.decode(stream)
        #expect(whole.count == 7)
        #expect(whole == Tools.ReferenceDecoder.decode(stream, limits: Tools.limits()))
        for cut in 0...stream.count { #expect(Tools.decode(stream, cuts: [cut]) == whole) }
        #expect(Tools.decode(stream, cuts: Array(1..<stream.count)) == whole)
    }

    @Test func `a length of 65,536 can be cut anywhere in its header`() {
        let payload = [UInt8](repeating: 0x62, count: 65_536)
        let stream = Tools.frame(0x81, payload)
        for cut in 0...20 {
            #expect(Tools.decode(stream, cuts: [cut]) == [.message(.text, payload)])
        }
        #expect(Tools.decode(stream, cuts: Array(1...20)) == [.message(.text, payload)])
    }

    @Test func `random and mutated streams get the events of a plain second decoder`() {
        var random = Tools.Random.seeded(for: "FrameDecoder")
        var failures = 0
        for round in 0..<12_000 {
            let limits = Tools.limits(
                [0, 20, 150, 70_000][random.below(4)], acceptsBinary: random.below(2) == 0,
                role: random.below(4) == 0 ? .client : .server)
            let input = Tools.stream(from: &random, masked: limits.role == .server)
            let expected = Tools.ReferenceDecoder.decode(input, limits: limits)
            if case .failure = expected.last { failures += 1 }
            #expect(Tools.decode(input, limits: limits) == expected, "round \(round): \(input)")
            let cuts = (0..<random.below(8)).map { _ in random.below(input.count + 1) }.sorted()
            #expect(Tools.decode(input, cuts: cuts, limits: limits) == expected, "round \(round)")
            if round % 4 == 0 {
                let all = Array(0..<input.count)
                #expect(Tools.decode(input, cuts: all, limits: limits) == expected)
            }
        }
        // Both kinds must be plenty, or the comparison says little.
        #expect((3_000...11_000).contains(failures))
    }
}

extension WebSocketTesting {
    /// A few frames that mostly belong together, sometimes with a byte changed, dropped or added.
    static func stream(from random: inout Random, masked: Bool) -> [UInt8] {
        let words = ["", "a", "é", "€uro", "😀", "plain text of some length", "日本語のテキスト"]
        var bytes: [UInt8] = []
        for _ in 0..<random.below(5) {
            var text: [UInt8] = []
            for _ in 0..<random.below(5) { text += words[random.below(words.count)].utf8 }
            if random.below(3) == 0 { text += [UInt8](repeating: 0x78, count: random.below(130)) }
            if random.below(6) == 0 {
                let control: UInt8 = [0x88, 0x89, 0x8A][random.below(3)]
                bytes += frame(control, Array(text.prefix(125)), masked: masked)
            }
            let split = random.below(text.count + 1)
            let opcode: UInt8 = random.below(4) == 0 ? 2 : 1
            if random.below(2) == 0 {
                bytes += frame(0x80 | opcode, text, masked: masked)
                continue
            }
            bytes += frame(opcode, Array(text[..<split]), masked: masked)
            if random.below(3) == 0 { bytes += frame(0x89, "p", masked: masked) }
            bytes += frame(0x80, Array(text[split...]), masked: masked)
        }
        guard !bytes.isEmpty, random.below(3) > 0 else { return bytes }
        for _ in 0..<1 + random.below(2) where !bytes.isEmpty {
            let place = random.below(bytes.count)
            switch random.below(4) {
            case 0: bytes[place] = UInt8(random.below(256))
            case 1: bytes[place] ^= 1 << UInt8(random.below(8))
            case 2: bytes.remove(at: place)
            default: bytes.insert(UInt8(random.below(256)), at: place)
            }
        }
        return bytes
    }
}
