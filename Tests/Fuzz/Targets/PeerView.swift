internal import Gateway
internal import GatewayHarness
internal import Reactor

/// What a strict peer makes of everything that one connection has got.
enum PeerView {
    /// - Parameter isCut: The connection is over, perhaps within a frame.
    static func check(_ bytes: [UInt8], isCut: Bool) {
        guard let opened = opening(of: bytes) else { return }
        // Traps for frames that only clients may send, and for frames after the close frame.
        let stream = ServerStream(bytes)
        precondition(stream.restCount == 0 || isCut, "a frame was left unfinished")
        let limits = MessageLimits(
            messageBytesMax: 1 << 20, acceptsBinary: false, acceptsCompressed: true, role: .client)
        for event in WebSocketTesting.decode(Array(bytes[opened...]), limits: limits) {
            switch event {
            case .message(_, let text):
                precondition(JSONText.isObject(text.span), String(decoding: text, as: UTF8.self))
            case .control(.close, let payload):
                if case .malformed = ClosePayload(payload.span, in: 0..<payload.count) {
                    preconditionFailure("a close frame that no peer understands: \(payload)")
                }
            case .compressed(let opcode, let payload):
                var decompressor = MessageDecompressor()
                let outcome = decompressor.decompress(
                    payload.span, opcode: opcode, bytesMax: 1 << 20)
                guard case .done = outcome else { preconditionFailure("\(outcome)") }
                let text = decompressor.message.copy()
                precondition(JSONText.isObject(text.span), String(decoding: text, as: UTF8.self))
            case .control:
                break
            case .failure(let code, let place):
                preconditionFailure("a client would close with \(code) at byte \(place)")
            }
        }
    }

    /// Where the frames begin; `nil` when no WebSocket was opened.
    private static func opening(of bytes: [UInt8]) -> Int? {
        let answer = Array("HTTP/1.1 ".utf8)
        // It may have been reset after the first bytes.
        precondition(answer.starts(with: bytes.prefix(answer.count)), "no answer in HTTP")
        let switching = Array("HTTP/1.1 101 ".utf8)
        let end = Array("\r\n\r\n".utf8)
        // Answers to other requests may stand before it.
        guard
            let start = bytes.indices.first(where: { bytes[$0...].starts(with: switching) }),
            let headEnd = bytes[start...].indices.first(where: { bytes[$0...].starts(with: end) })
        else { return nil }
        return headEnd + end.count
    }
}
