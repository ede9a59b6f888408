internal import Reactor

// RFC 6455: from frames to messages and control frames.
extension Core {
    // Hot path.
    /// Reads one frame, or as much of it as is there. Returns `false` when nothing more can be
    /// taken in.
    mutating func takeFrame(
        of bytes: inout MutableSpan<UInt8>, at position: inout Int, from index: ClientIndex
    ) -> Bool {
        // After our Close, data is read only to find the peer's.
        let discards = clients[index].phase == .closing
        let limits = MessageLimits(
            messageBytesMax: settings.frameBytesMax,
            acceptsBinary: false, acceptsCompressed: clients[index].flags.contains(.deflates),
            role: .server)
        switch clients[index].decoder.next(in: &bytes, at: &position, limits: limits) {
        case .incomplete:
            return false
        case .data(let payload, _, let endsMessage):
            guard !discards else { break }
            takePayload(bytes.span.extracting(payload), endsMessage: endsMessage, from: index)
        case .compressed(let payload, let opcode, let endsMessage):
            guard !discards else { break }
            takePayload(
                bytes.span.extracting(payload), compressedAs: opcode, endsMessage: endsMessage,
                from: index)
        case .control(let opcode, let payload):
            takeControl(opcode, bytes.span, payload, from: index)
        case .failure(let code, let reason):
            fail(index, code, reason)
        }
        return true
    }

    /// A piece of a message; a message that came in one piece is never copied.
    ///
    /// - Parameter opcode: what the message is that is compressed; `nil` for a text that isn't.
    private mutating func takePayload(
        _ payload: borrowing Span<UInt8>, compressedAs opcode: Opcode? = nil, endsMessage: Bool,
        from index: ClientIndex
    ) {
        if clients[index].message == .none && endsMessage {
            takeWhole(payload, compressedAs: opcode, from: index)
            return
        }
        segments.assemble(payload, into: &clients[index].message)
        guard endsMessage else { return }
        let message = clients[index].message
        clients[index].message = .none
        // The message is acted on while the pool may change; its bytes don't move, since this
        // reference is the only one and nothing appends through it.
        let start = unsafe segments.address(of: message)
        let count = segments.count(of: message)
        takeWhole(
            unsafe Span(
                _unsafeStart: start.assumingMemoryBound(to: UInt8.self), count: count),
            compressedAs: opcode, from: index)
        segments.release(message)
    }

    // Hot path.
    private mutating func takeWhole(
        _ payload: borrowing Span<UInt8>, compressedAs opcode: Opcode?, from index: ClientIndex
    ) {
        if let opcode {
            takeCompressedMessage(payload, opcode, from: index)
        } else {
            takeMessage(payload, from: index)
        }
    }

    private mutating func takeControl(
        _ opcode: Opcode, _ bytes: borrowing Span<UInt8>, _ payload: Range<Int>,
        from index: ClientIndex
    ) {
        switch opcode {
        case .ping:
            guard clients[index].phase != .closing, takesMessage(from: index) else { return }
            frame.removeAll()
            FrameEncoder.write(bytes.extracting(payload), opcode: .pong, into: &frame)
            queueOwn(frames: 1, to: index)
        case .pong:
            break  // That it was heard of is all that a pong says.
        case .close:
            takeClose(ClosePayload(bytes, in: payload), from: index)
        case .text, .binary, .continuation:
            preconditionFailure("a data frame came as a control frame")
        }
    }

    /// The peer's Close: answered with the same code unless ours went out before; then it is over
    /// (RFC 6455 §5.5.1, §7.1).
    private mutating func takeClose(_ close: ClosePayload, from index: ClientIndex) {
        if clients[index].phase == .closing {
            clients[index].phase = .flushing
            markDirty(index)
            return
        }
        switch close {
        case .malformed(let code, let reason):
            fail(index, code, reason)
        case .noStatus, .status:
            endMessages(of: index, code: close.answer, keepsQueue: false)
            frame.removeAll()
            FrameEncoder.writeClose(close.answer, into: &frame)
            appendToQueue(frames: 1, of: index)
            clients[index].phase = .flushing
            setCloseDeadline(of: index)
        }
    }
}
