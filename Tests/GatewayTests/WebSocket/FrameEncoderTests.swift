import Gateway
import Reactor
import Testing

@Suite struct FrameEncoderBehaviour {
    @Test(
        arguments: [
            (0, [0x81, 0]), (1, [0x81, 1]), (125, [0x81, 125]), (126, [0x81, 126, 0, 126]),
            (127, [0x81, 126, 0, 127]), (65_535, [0x81, 126, 0xFF, 0xFF]),
            (65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (Int.max, [0x81, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ] as [(Int, [UInt8])])
    func `lengths have their shortest form (RFC 6455 §5.2)`(count: Int, expected: [UInt8]) {
        var buffer = ByteBuffer()
        FrameEncoder.writeHeader(.text, payloadCount: count, into: &buffer)
        let written = WebSocketTesting.bytes(of: buffer)
        #expect(written == expected)
        #expect(FrameEncoder.headerCount(forPayloadCount: count) == expected.count)
    }

    @Test func `the examples of RFC 6455 §5.7 are written as they stand there`() {
        let hello = Array("Hello".utf8)
        var buffer = ByteBuffer()
        FrameEncoder.write(hello.span, opcode: .text, into: &buffer)
        let plain = WebSocketTesting.bytes(of: buffer)
        #expect(plain == [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])

        buffer.removeAll()
        FrameEncoder.writeMasked(hello.span, opcode: .text, key: 0x3D21_FA37, into: &buffer)
        let masked = WebSocketTesting.bytes(of: buffer)
        #expect(masked == [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])

        buffer.removeAll()
        FrameEncoder.write("Hel", opcode: .text, into: &buffer)
        buffer.replace(at: 0, with: 0x01)
        let first = WebSocketTesting.bytes(of: buffer)
        buffer.removeAll()
        FrameEncoder.write(
            hello.span.extracting(0..<3), opcode: .text, isFinal: false, into: &buffer)
        let fragment = WebSocketTesting.bytes(of: buffer)
        #expect(fragment == first)
    }

    @Test(arguments: [
        ("", 0), (String(repeating: "a", count: 122), 122),
        (String(repeating: "a", count: 123), 123),
        (String(repeating: "a", count: 124), 123), (String(repeating: "a", count: 4_000), 123),
        (String(repeating: "a", count: 121) + "é", 123),
        (String(repeating: "a", count: 122) + "é", 122),
        (String(repeating: "a", count: 120) + "€", 123),
        (String(repeating: "a", count: 121) + "€", 121),
        (String(repeating: "a", count: 122) + "€", 122),
        (String(repeating: "a", count: 119) + "😀", 123),
        (String(repeating: "a", count: 120) + "😀", 120),
        (String(repeating: "a", count: 122) + "😀", 122),
        (String(repeating: "a", count: 123) + "😀", 123),
    ])
    func `a close reason is cut at 123 bytes, at a character's boundary`(
        reason: String, keptCount: Int
    ) {
        var buffer = ByteBuffer()
        FrameEncoder.writeClose(.tooSlow, reason: reason.utf8Span.span, into: &buffer)
        let written = WebSocketTesting.bytes(of: buffer)
        #expect(
            written == [0x88, UInt8(2 + keptCount), 0x10, 0x6A]
                + Array(reason.utf8.prefix(keptCount)))
    }

    @Test func `a close reason that isn't UTF-8 still fits`() {
        var buffer = ByteBuffer()
        let reason = [UInt8](repeating: 0x80, count: 200)
        FrameEncoder.writeClose(.normal, reason: reason.span, into: &buffer)
        #expect(buffer.count <= 2 + FrameEncoder.controlPayloadBytesMax)
        #expect(buffer.count >= 2 + FrameEncoder.controlPayloadBytesMax - 3)
    }

    @Test func `a close without a code is an empty frame`() {
        var buffer = ByteBuffer()
        FrameEncoder.writeClose(.noStatusReceived, reason: "never sent", into: &buffer)
        let written = WebSocketTesting.bytes(of: buffer)
        #expect(written == [0x88, 0x00])
    }

    @Test func `random frames of both roles come back from the decoder`() {
        var random = WebSocketTesting.Random.seeded(for: "FrameEncoder")
        let sizes = [0, 1, 5, 124, 125, 126, 127, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537]
        for role in [EndpointRole.server, .client] {
            for round in 0..<150 {
                var buffer = ByteBuffer()
                var expected: [WebSocketTesting.Event] = []
                for _ in 0..<1 + random.below(4) {
                    let isLarge = round < sizes.count
                    let size = isLarge ? sizes[round] : random.below(300)
                    let payload = random.bytes(size)
                    let ping = random.bytes(random.below(126))
                    let split = random.below(size + 1)
                    let pieces: [(Opcode, Bool, Range<Int>)] = [
                        (.binary, false, 0..<split), (.ping, true, 0..<ping.count),
                        (.continuation, true, split..<size),
                    ]
                    for (opcode, isFinal, range) in pieces {
                        let whole = opcode == .ping ? ping.span : payload.span
                        let part = whole.extracting(range)
                        if role == .server {
                            let key = UInt32.random(in: 0...UInt32.max, using: &random)
                            FrameEncoder.writeMasked(
                                part, opcode: opcode, isFinal: isFinal, key: key, into: &buffer)
                        } else {
                            FrameEncoder.write(
                                part, opcode: opcode, isFinal: isFinal, into: &buffer)
                        }
                    }
                    expected += [.control(.ping, ping), .message(.binary, payload)]
                }
                let input = WebSocketTesting.bytes(of: buffer)
                let cuts = (0..<random.below(6)).map { _ in random.below(input.count + 1) }.sorted()
                let events = WebSocketTesting.decode(
                    input, cuts: cuts, limits: WebSocketTesting.limits(role: role))
                #expect(events == expected)
            }
        }
    }
}

@Suite struct ServerFramesBehaviour {
    @Test func `the end of the frame around every offset, and the count from every start`() {
        var buffer = ByteBuffer()
        var boundaries = [0]
        for count in [0, 1, 125, 126, 0, 300, 65_535, 65_536, 7] {
            let payload = [UInt8](repeating: 0xFF, count: count)
            FrameEncoder.write(payload.span, opcode: .text, into: &buffer)
            boundaries.append(buffer.count)
        }
        var next = 0
        for offset in 0...buffer.count where offset < 1_000 || offset % 997 < 3 || offset > 132_000
        {
            while boundaries[next] < offset { next += 1 }
            let end = ServerFrames.end(ofFrameContaining: offset, in: buffer.bytes)
            if end != boundaries[next] { Issue.record("\(offset): \(end)") }
        }
        for (index, boundary) in boundaries.enumerated() {
            let count = ServerFrames.count(in: buffer.bytes, from: boundary)
            #expect(count == boundaries.count - 1 - index)
            let end = ServerFrames.end(ofFrameContaining: boundary, in: buffer.bytes)
            #expect(end == boundary)
        }
    }

    @Test func `an empty run has no frame and nothing to finish`() {
        let buffer = ByteBuffer()
        let end = ServerFrames.end(ofFrameContaining: 0, in: buffer.bytes)
        let count = ServerFrames.count(in: buffer.bytes)
        #expect(end == 0)
        #expect(count == 0)
    }
}
