internal import Reactor

// What a WebSocket's client says: from frames (RFC 6455) to what is done for each message.
extension Core {
    // Hot path.
    /// Reads one frame, or as much of it as is there. Returns `false` when nothing more can be read.
    mutating func receiveFrame(
        in bytes: inout MutableSpan<UInt8>, at position: inout Int, from index: ClientIndex
    ) -> Bool {
        // After our Close, data is read only to find the peer's.
        let discards = clients[index].phase == .closing
        work &+= Limits.frameWork
        let limits = MessageLimits(
            messageBytesMax: frameBytesMax(for: index),
            acceptsBinary: false, acceptsCompressed: clients[index].flags.contains(.deflates),
            role: .server)
        switch clients[index].decoder.next(in: &bytes, at: &position, limits: limits) {
        case .incomplete:
            return false
        case .data(let payload, _, let endsMessage):
            guard !discards else { break }
            receivePayload(bytes.span.extracting(payload), endsMessage: endsMessage, from: index)
        case .compressed(let payload, let opcode, let endsMessage):
            guard !discards else { break }
            receivePayload(
                bytes.span.extracting(payload), compressedAs: opcode, endsMessage: endsMessage,
                from: index)
        case .control(let opcode, let payload):
            receiveControl(opcode, bytes.span.extracting(payload), from: index)
        case .failure(let code, let reason):
            fail(index, code, reason)
        }
        return true
    }

    /// A piece of a message; a message that came in one piece is never copied.
    ///
    /// - Parameter opcode: what the message is that is compressed; `nil` for a text that isn't.
    private mutating func receivePayload(
        _ payload: borrowing Span<UInt8>, compressedAs opcode: Opcode? = nil, endsMessage: Bool,
        from index: ClientIndex
    ) {
        if clients[index].message == .none && endsMessage {
            receiveWhole(payload, compressedAs: opcode, from: index)
            return
        }
        guard clients.assemble(payload, from: index) else {
            cannotKeep(index)
            return
        }
        guard endsMessage else { return }
        receiveKept(clients.removeMessage(of: index), compressedAs: opcode, from: index)
    }

    /// Acts on a message that lies in the inbox, and releases it.
    private mutating func receiveKept(
        _ message: SegmentIndex, compressedAs opcode: Opcode?, from index: ClientIndex
    ) {
        // The reference is this function's, so the bytes stay while the message is acted on.
        let bytes = unsafe clients.inbox.bytesUntilRelease(of: message)
        receiveWhole(unsafe bytes.span, compressedAs: opcode, from: index)
        var message = message
        clients.inbox.release(&message)
    }

    // Hot path.
    private mutating func receiveWhole(
        _ payload: borrowing Span<UInt8>, compressedAs opcode: Opcode?, from index: ClientIndex
    ) {
        guard let opcode else {
            receiveMessage(payload, from: index)
            return
        }
        let takesContextOver = clients[index].flags.contains(.takesContextOver)
        switch clients.inbox.decompress(
            payload, opcode: opcode, of: takesContextOver ? index : nil,
            bytesMax: frameBytesMax(for: index))
        {
        case .message(let message):
            work &+= Limits.unpackedByteWork &* UInt64(clients.inbox.count(of: message))
            receiveKept(message, compressedAs: nil, from: index)
        case .failure(let code, let reason): fail(index, code, reason)
        case .full: cannotKeep(index)
        }
    }

    private mutating func receiveControl(
        _ opcode: Opcode, _ payload: borrowing Span<UInt8>, from index: ClientIndex
    ) {
        switch opcode {
        case .ping:
            guard clients[index].phase != .closing, admitMessage(from: index) else { return }
            var message = outbox.message()
            message.writeFrame(.pong, payload)
            queue(message, to: index)
        case .pong:
            break  // That it was heard of is all that a pong says.
        case .close:
            receiveClose(ClosePayload(payload, in: 0..<payload.count), from: index)
        case .text, .binary, .continuation:
            preconditionFailure("a data frame came as a control frame")
        }
    }

    // MARK: Messages

    // Hot path.
    private mutating func receiveMessage(
        _ bytes: borrowing Span<UInt8>, from index: ClientIndex
    ) {
        guard admitMessage(from: index) else { return }
        work &+= Limits.messageWork
        guard mayBeRead(bytes, from: index) else { return }
        work &+= Limits.parsedByteWork &* UInt64(bytes.count)
        let message: ClientMessage
        do throws(ClientMessageError) {
            message = try ClientMessage(bytes, token: &clients.inbox.token)
        } catch {
            if isTooBig(bytes.count, for: index), !error.isOfLongKind {
                fail(index, .messageTooBig, "the message is too big")
            } else {
                refuseMessage(error, byteCount: bytes.count, from: index)
            }
            return
        }
        metrics.clientMessages[message.kind] += 1
        if isTooBig(bytes.count, for: index), !message.kind.mayBeLong {
            fail(index, .messageTooBig, "the message is too big")
            return
        }
        guard clients[index].phase == .open || message.kind == .initialize else {
            sendError(
                .notAuthenticated, "send init with a token first", message.reference, to: index)
            return
        }
        act(on: message, from: index)
    }

    // Hot path.
    private mutating func act(on message: ClientMessage, from index: ClientIndex) {
        switch message.kind {
        case .joinProject: joinProject(message, index)
        case .leaveProject: leaveProject(message, index)
        case .initialize: initialize(message, index)
        case .ping: sendPong(message.reference, to: index)
        case .pong: confirm(message.reference, to: index)
        case .presence: setPresence(message, index)
        case .typing: setTyping(message, index)
        case .direct: sendDirect(message, index)
        case .ack: acknowledgeDirect(message, index)
        case .inbox: readInbox(message, index)
        case .unknown:
            log.unknownType(
                connection: clients.number(of: index), type: clients.inbox.token, at: clock.now)
            sendError(
                .unknownType, "this type of message is not known", message.reference, to: index)
        }
    }

    /// Whether only some messages may have so many bytes. A client that has yet to say who it is may
    /// send as much with anything: it is told what to do instead.
    private func isTooBig(_ byteCount: Int, for index: ClientIndex) -> Bool {
        clients[index].phase == .open && byteCount > settings.messageBytesMax
    }

    /// Bytes of any message of the client, before it is known what it says.
    private func frameBytesMax(for index: ClientIndex) -> Int {
        clients[index].phase == .open ? settings.frameBytesMax : Limits.initMessageBytesMax
    }

    /// Looks at a message that only an `init`, or some others of a user, may be, before a document is made of it, which costs
    /// twenty times as much. Returns whether it is to be read.
    private mutating func mayBeRead(
        _ bytes: borrowing Span<UInt8>, from index: ClientIndex
    ) -> Bool {
        let isOpen = clients[index].phase == .open
        let bytesMax = isOpen ? settings.messageBytesMax : Limits.strangerMessageBytesMax
        guard bytes.count > bytesMax, !InitOutline.fits(bytes),
            !isOpen || !DirectOutline.fits(bytes)
        else { return true }
        if !isOpen {
            sendError(.notAuthenticated, "send init with a token first", .absent, to: index)
        } else if let envelope = DirectEnvelope(bytes, scratch: &clients.inbox.token) {
            refuseMessage(
                ClientMessageError(.tooManyValues, of: envelope), byteCount: bytes.count,
                from: index)
        } else {
            fail(index, .messageTooBig, "the message is too big")
        }
        return false
    }

    private mutating func refuseMessage(
        _ error: ClientMessageError, byteCount: Int, from index: ClientIndex
    ) {
        metrics.clientErrors[error.code] += 1
        log.badMessage(
            connection: clients.number(of: index), detail: "\(error.message)",
            byteCount: byteCount, at: clock.now)
        var message = outbox.message()
        error.write(to: &message.text)
        send(message, to: index)
        countError(error.code, of: index)
    }

    // MARK: Answers

    // Hot path.
    private mutating func sendPong(_ reference: Reference, to index: ClientIndex) {
        var message = outbox.message()
        ServerMessage.writePong(reference: reference, into: &message.text)
        send(message, to: index)
    }

    /// Says that it worked, to those who asked for an answer.
    mutating func confirm(
        _ reference: Reference, from cursor: Cursor? = nil, to index: ClientIndex
    ) {
        guard reference.isPresent else { return }
        var message = outbox.message()
        ServerMessage.writeOK(reference: reference, cursor: cursor, into: &message.text)
        send(message, to: index)
    }

    /// Tells the client of an error, which costs it some of its allowance where the fault is its own.
    mutating func sendError(
        _ code: ErrorCode, _ text: StaticString, _ reference: Reference, to index: ClientIndex
    ) {
        sendUncounted(code, text, reference, to: index)
        countError(code, of: index)
    }

    /// Tells the client of an error that costs it nothing of its allowance.
    mutating func sendUncounted(
        _ code: ErrorCode, _ text: StaticString, _ reference: Reference,
        project: ProjectID? = nil, to index: ClientIndex
    ) {
        metrics.clientErrors[code] += 1
        var message = outbox.message()
        ServerMessage.writeError(
            code, message: text, reference: reference, project: project, into: &message.text)
        send(message, to: index)
    }

    // Hot path.
    /// Queues a message whose text is written.
    mutating func send(_ message: consuming OutgoingMessage, to index: ClientIndex) {
        message.endFrame()
        queue(message, to: index)
    }

    // Hot path.
    /// Queues frames for one client.
    mutating func queue(_ message: consuming OutgoingMessage, to index: ClientIndex) {
        outbox.queue(message, for: index, &clients[index].queue, clock)
    }
}
