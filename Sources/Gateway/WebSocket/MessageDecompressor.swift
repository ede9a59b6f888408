package import Reactor

/// Decompresses messages of permessage-deflate (RFC 7692), for all connections of a process: no
/// message depends on another, so one decompressor serves everybody.
package struct MessageDecompressor: ~Copyable {
    private var inflater = Inflater()
    /// What was decompressed last.
    package private(set) var message = ByteBuffer(capacity: 1_024)

    package init() {}

    /// What became of a peer's message.
    package enum Decompressed: Sendable {
        /// It is in `message`. A text is well-formed.
        case done
        /// Close with this code.
        case failure(CloseCode, reason: StaticString)
    }

    /// Decompresses a whole message, the payload of all its frames, into `message`.
    ///
    /// - Parameter bytesMax: bytes that it may have then. A bomb isn't unpacked any further.
    package mutating func decompress(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, bytesMax: Int
    ) -> Decompressed {
        decompress(payload, opcode: opcode, after: Span(), bytesMax: bytesMax)
    }

    /// The same with a message that may refer to what the peer has sent before: to `history`, its end.
    package mutating func decompress(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, after history: borrowing Span<UInt8>,
        bytesMax: Int
    ) -> Decompressed {
        message.removeAll()
        switch inflater.decompress(
            payload, after: history, into: &message, bytesMax: bytesMax)
        {
        case .done: break
        case .beyondHistory:
            return .failure(
                .contextLost, reason: "compressed message refers to what is no longer kept")
        case .tooLarge: return .failure(.messageTooBig, reason: FrameFault.messageTooBig.reason)
        case .corrupt:
            return .failure(
                .invalidPayload, reason: "compressed message is corrupt (RFC 7692 7.2.2)")
        }
        guard opcode == .text else { return .done }
        var text = UTF8Validator()
        let fault: FrameFault
        if text.accept(message.bytes) < message.count {
            fault = .invalidText
        } else if !text.isAtBoundary {
            fault = .truncatedText
        } else {
            return .done
        }
        return .failure(fault.code, reason: fault.reason)
    }
}
