/// Which end of a connection decodes. Clients mask what they send, servers never do (RFC 6455
/// §5.1), and each end must refuse the other form.
package enum EndpointRole: BitwiseCopyable, Sendable {
    /// Frames come from a client and must be masked.
    case server
    /// Frames come from a server and must not be masked.
    case client
}

/// What a `FrameDecoder` lets through. Passed to each call rather than stored, since it is the
/// same for most connections; the role must stay the same for a connection's life, the others may
/// change (they are looked at when a header arrives).
package struct MessageLimits: BitwiseCopyable, Sendable {
    /// Bytes of payload in one message, over all of its fragments.
    package var messageBytesMax: Int
    package var acceptsBinary: Bool
    /// Whether messages may be compressed, which was agreed upon in the handshake (RFC 7692).
    package var acceptsCompressed: Bool
    package var role: EndpointRole

    package init(
        messageBytesMax: Int, acceptsBinary: Bool, acceptsCompressed: Bool = false,
        role: EndpointRole
    ) {
        precondition(messageBytesMax >= 0)
        self.messageBytesMax = messageBytesMax
        self.acceptsBinary = acceptsBinary
        self.acceptsCompressed = acceptsCompressed
        self.role = role
    }

    /// Whether a frame may begin with this byte for all that its reserved bits say: RSV1 marks the
    /// first frame of a compressed message, and nothing else (RFC 7692 §6).
    func allowsReservedBits(of first: UInt8) -> Bool {
        let opcode = first & 0x0F
        return acceptsCompressed && first & 0x70 == 0x40
            && (opcode == Opcode.text.rawValue || opcode == Opcode.binary.rawValue)
    }
}
