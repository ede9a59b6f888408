internal import Gateway
internal import GatewayHarness
internal import Reactor

/// `FrameDecoder`, beside a second decoder that takes one byte at a time; and the encoder, which
/// must write what the decoder reads. The first byte chooses the limits.
enum FramesTarget {
    static func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let limits = limits(input.byte())
        let bytes = input.rest()
        let events = WebSocketTesting.decode(bytes, limits: limits)
        precondition(
            events == WebSocketTesting.decode(bytes, cuts: [bytes.cut], limits: limits),
            "a cut matters")
        precondition(
            events == WebSocketTesting.decode(bytes, cuts: Array(0..<bytes.count), limits: limits),
            "byte by byte matters")
        precondition(
            events == WebSocketTesting.ReferenceDecoder.decode(bytes, limits: limits),
            "the reference decoder reads something else")
        for event in events { check(event, limits) }
    }

    private static func limits(_ choice: UInt8) -> MessageLimits {
        MessageLimits(
            messageBytesMax: [512, 0, 125, 70_000][Int(choice >> 2 & 3)],
            acceptsBinary: choice & 2 == 0, role: choice & 1 == 0 ? .server : .client)
    }

    private static func check(_ event: WebSocketTesting.Event, _ limits: MessageLimits) {
        switch event {
        case .message(let opcode, let payload):
            precondition(payload.count <= limits.messageBytesMax)
            precondition(limits.acceptsBinary || opcode == .text)
            expectSame(event, opcode, payload, limits)
        case .control(let opcode, let payload):
            expectSame(event, opcode, payload, limits)
            if opcode == .close { checkClose(payload) }
        case .compressed:
            preconditionFailure("nobody has agreed to compression")
        case .failure(let code, _):
            precondition([1002, 1003, 1007, 1008, 1009].contains(code), "\(code)")
        }
    }

    /// What was read and is written again is read as the same.
    private static func expectSame(
        _ event: WebSocketTesting.Event, _ opcode: Opcode, _ payload: [UInt8],
        _ limits: MessageLimits
    ) {
        var buffer = ByteBuffer()
        if limits.role == .server {
            FrameEncoder.writeMasked(
                payload.span, opcode: opcode, key: 0x1234_5678, into: &buffer)
        } else {
            FrameEncoder.write(payload.span, opcode: opcode, into: &buffer)
        }
        precondition(WebSocketTesting.decode(buffer.copy(), limits: limits) == [event])
    }

    private static func checkClose(_ payload: [UInt8]) {
        let close = ClosePayload(payload.span, in: 0..<payload.count)
        var buffer = ByteBuffer()
        if case .status(let code, let reason) = close {
            FrameEncoder.writeClose(code, reason: payload.span.extracting(reason), into: &buffer)
            precondition(buffer.copy() == WebSocketTesting.frame(0x88, payload, masked: false))
            buffer.removeAll()
        }
        // Whatever a peer says, there is an answer that may be sent.
        FrameEncoder.writeClose(close.answer, into: &buffer)
    }
}
