package import Reactor

/// Something to be sent, from its first byte until the outbox takes it over: `Outbox.message` hands an
/// empty one out, whoever has something to say writes into it, and `Outbox.queue` consumes it.
///
/// So nobody can queue what somebody else wrote, or send it twice. Its buffers go back to the outbox,
/// and a message costs no allocation.
package struct OutgoingMessage: ~Copyable {
    /// The payload of the frame that is being written, or the body of an HTTP answer.
    package var text: ByteBuffer
    /// Whole frames, or a whole HTTP answer.
    package var bytes: ByteBuffer
    /// Frames in `bytes`.
    package private(set) var frameCount = 0

    init() {
        text = ByteBuffer(capacity: 1_024)
        bytes = ByteBuffer(capacity: 1_024)
    }

    // Hot path.
    /// Ends the frame whose payload is `text`; another one may follow.
    package mutating func endFrame(_ opcode: Opcode = .text) {
        FrameEncoder.write(text, opcode: opcode, into: &bytes)
        text.removeAll()
        frameCount += 1
    }

    // Hot path.
    /// Writes a whole control frame.
    package mutating func writeFrame(_ opcode: Opcode, _ payload: borrowing Span<UInt8>) {
        FrameEncoder.write(payload, opcode: opcode, into: &bytes)
        frameCount += 1
    }

    /// Writes a Close frame.
    package mutating func writeClose(_ code: CloseCode, _ reason: StaticString = "") {
        FrameEncoder.writeClose(code, reason: reason, into: &bytes)
        frameCount += 1
    }

    /// Writes a Close frame whose reason is `text`.
    package mutating func writeCloseWithText(_ code: CloseCode) {
        FrameEncoder.writeClose(code, reason: text, into: &bytes)
        text.removeAll()
        frameCount += 1
    }

    /// Writes a resync: one frame for each resource, which say that any row of it may have changed.
    package mutating func writeResync(
        of resources: borrowing ResourceList, in project: ProjectID, _ reason: ResyncReason,
        at wall: Timestamp, spreadMilliseconds: UInt32 = 0
    ) {
        for position in resources.names.indices {
            writeResync(
                of: resources.names[position], in: project, reason, at: wall,
                spreadMilliseconds: spreadMilliseconds)
        }
    }

    /// Writes the frame of one resource.
    package mutating func writeResync(
        of resource: [UInt8], in project: ProjectID, _ reason: ResyncReason,
        at wall: Timestamp, spreadMilliseconds: UInt32
    ) {
        ServerMessage.writeResync(
            ofResource: resource.span, project: project, at: wall, reason: reason, into: &text)
        Notification.addSpread(milliseconds: spreadMilliseconds, to: &text)
        endFrame()
    }

    fileprivate mutating func removeAll() {
        text.removeAll()
        bytes.removeAll()
        frameCount = 0
    }
}

extension Outbox {
    // Hot path.
    /// An empty message. It goes back by `queue`, or by `discard`.
    package mutating func message() -> OutgoingMessage {
        if let message = spareMessage.take() { return message }
        return OutgoingMessage()
    }

    // Hot path.
    /// Gets a message back that isn't queued for anybody, or whose bytes are where they belong.
    package mutating func discard(_ message: consuming OutgoingMessage) {
        message.removeAll()
        spareMessage = consume message
    }
}
