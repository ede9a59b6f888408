internal import Gateway
internal import Reactor

/// Frames, messages, requests and tokens.
enum Codecs {
    static func measure(with meter: inout Meter) throws {
        try frames(&meter)
        unmasking(&meter)
        try messages(&meter)
        requests(&meter)
        try tokens(&meter)
    }

    private static func frames(_ meter: inout Meter) throws {
        let message = try Samples.message()
        var buffer = ByteBuffer(capacity: 1_024)
        meter.measure("frame encode, server to client", operations: 2_000_000) { count in
            for _ in 0..<count {
                buffer.removeAll()
                FrameEncoder.write(message.span, opcode: .text, into: &buffer)
            }
            consume(buffer.count)
        }
        // A key of zero leaves the bytes as they are, so that they can be decoded again; the work
        // is the same.
        var area = bytes(of: masked(Samples.clientMessage))
        decode(&meter, "frame decode, client to server", &area, role: .server)
        var plain = bytes(of: unmasked(message))
        decode(&meter, "frame decode, server to client", &plain, role: .client)
    }

    private static func decode(
        _ meter: inout Meter, _ name: String, _ frame: inout [UInt8], role: EndpointRole
    ) {
        let limits = MessageLimits(messageBytesMax: 65_536, acceptsBinary: false, role: role)
        var decoder = FrameDecoder()
        var found = 0
        meter.measure(name, operations: 1_000_000) { count in
            for _ in 0..<count {
                var position = 0
                var span = frame.mutableSpan
                if case .data(let payload, _, _) = decoder.next(
                    in: &span, at: &position, limits: limits)
                {
                    found += payload.count
                }
            }
        }
        consume(found)
    }

    private static func unmasking(_ meter: inout Meter) {
        var bytes = [UInt8](repeating: 7, count: 200)
        meter.measure("unmask 200 bytes", operations: 4_000_000) { count in
            var span = bytes.mutableSpan
            for _ in 0..<count { Masking.apply(0x1234_5678, to: &span, in: 0..<200) }
        }
        consume(Int(bytes[0]))
    }

    private static func messages(_ meter: inout Meter) throws {
        let payload = Samples.payload
        let text = Samples.clientMessage
        var buffer = ByteBuffer(capacity: 1_024)
        var failures = 0
        meter.measure("notification parse and encode", operations: 300_000) { count in
            for _ in 0..<count {
                buffer.removeAll()
                do throws(NotificationError) {
                    _ = try Notification.encode(payload: payload.span, heard: nil, into: &buffer)
                } catch {
                    failures += 1
                }
            }
        }
        var found = 0
        meter.measure("notification without audience", operations: 1_000_000) { count in
            for _ in 0..<count where PayloadOutline(payload.span) != nil { found += 1 }
        }
        consume(found)
        var token = ByteBuffer(capacity: 1_024)
        meter.measure("client message parse", operations: 300_000) { count in
            for _ in 0..<count {
                do throws(ClientMessageError) {
                    _ = try ClientMessage(text.span, token: &token)
                } catch {
                    failures += 1
                }
            }
        }
        guard failures == 0 else { throw MicroFailure("the samples can't be parsed") }
    }

    private static func requests(_ meter: inout Meter) {
        let request = Samples.request
        var head = RequestHead()
        var parsed = 0
        meter.measure("request head parse", operations: 300_000) { count in
            for _ in 0..<count {
                var parser = RequestHeadParser()
                if case .complete = parser.parse(request.span, into: &head) { parsed += 1 }
            }
        }
        precondition(parsed > 0, "the sample is no request")
    }

    private static func tokens(_ meter: inout Meter) throws {
        let token = try Samples.token()
        let secret = Samples.secret
        var verifier = try TokenVerifier(secret: secret.span)
        let now = Clock.wallMicroseconds() / 1_000_000
        var failures = 0
        meter.measure("token verify, HS256", operations: 200_000) { count in
            for _ in 0..<count {
                do throws(TokenError) {
                    _ = try verifier.verify(token.span, nowUnixSeconds: now)
                } catch {
                    failures += 1
                }
            }
        }
        guard failures == 0 else { throw MicroFailure("the token isn't valid") }
    }

    private static func masked(_ payload: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        FrameEncoder.writeMasked(payload.span, opcode: .text, key: 0, into: &buffer)
        return buffer
    }

    private static func unmasked(_ payload: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        FrameEncoder.write(payload.span, opcode: .text, into: &buffer)
        return buffer
    }

    private static func bytes(of buffer: borrowing ByteBuffer) -> [UInt8] {
        unsafe buffer.bytes.withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }
}
