package import Reactor

// Direct messages: what clients say, and how it gets to the database. What they are told of messages is in
// `Core+DirectNews`.
extension Core {
    // MARK: What clients say

    mutating func sendDirect(_ message: ClientMessage, _ index: ClientIndex) {
        guard let words = message.direct else {
            preconditionFailure("a direct message without its words was let through")
        }
        if let code = directFault {
            refuseDirect(code, id: words.id, message.reference, to: index)
            return
        }
        let user = clients[index].user
        guard direct.maySend(user, clock.now) else {
            answer(.tooFast, id: words.id, message.reference, to: index)
            return
        }
        guard let origin = connectionID(of: index),
            direct.send(
                DirectSend(
                    client: clients.handle(of: index), origin: origin, sender: user,
                    recipient: words.recipient, id: words.id, wantsReceipt: words.wantsReceipt,
                    ttlSeconds: words.ttlSeconds, reference: message.reference,
                    data: clients.inbox.token.copy()))
        else {
            answer(.unavailable, id: words.id, message.reference, to: index)
            return
        }
    }

    mutating func acknowledgeDirect(_ message: ClientMessage, _ index: ClientIndex) {
        guard mayUseDirect(message.reference, index) else { return }
        guard let origin = connectionID(of: index),
            direct.acknowledge(
                DirectAck(
                    client: clients.handle(of: index), origin: origin, user: clients[index].user,
                    isVisible: isVisible(index), reference: message.reference,
                    ids: Self.ids(in: clients.inbox.token)))
        else {
            sendError(
                .unavailable, "too much waits for the database", message.reference, to: index)
            return
        }
    }

    mutating func readInbox(_ message: ClientMessage, _ index: ClientIndex) {
        guard mayUseDirect(message.reference, index) else { return }
        var since = InboxPlace.start
        switch message.since {
        case .none: break
        case .cursor(let cursor): since = InboxPlace(transaction: cursor.transaction, sequence: 0)
        case .malformed:
            sendError(.invalidCursor, "since is not a cursor", message.reference, to: index)
            return
        }
        guard direct.mayAskForInbox(clients[index].user, clock.now) else {
            metrics.directInboxesRefused += 1
            sendError(.tooFast, "too many inboxes are asked for", message.reference, to: index)
            return
        }
        let earlier = direct.readInbox(
            of: clients.handle(of: index), clients[index].user, since: since, message.reference)
        if let earlier, earlier.isPresent {
            sendUncounted(
                .unavailable, "a later inbox has taken its place", earlier, to: index)
        }
    }

    /// The ids that an `ack` has left in the buffer, one behind the other.
    private static func ids(in text: borrowing ByteBuffer) -> [UUID] {
        let width = UUID.textCount
        return (0..<text.count / width).map { position in
            let start = position * width
            guard let id = UUID(text.bytes.extracting(start..<(start + width))) else {
                preconditionFailure("an id that was written isn't one")
            }
            return id
        }
    }

    /// Why there are no direct messages for now; `nil` when there are. Clients take `directOff` for final, so what was
    /// there once is unavailable: a function may be renamed for a moment, or a policy be there for seconds.
    private var directFault: ErrorCode? {
        switch database.direct {
        case .usable: nil
        case .unknown: .unavailable
        case .absent, .forbidden, .hidden, .unlogged:
            database.hasHadDirect ? .unavailable : .directOff
        }
    }

    private mutating func mayUseDirect(_ reference: Reference, _ index: ClientIndex) -> Bool {
        guard let code = directFault else { return true }
        sendError(code, Self.text(of: code), reference, to: index)
        return false
    }

    private static func text(of code: ErrorCode) -> StaticString {
        code == .directOff
            ? "this server has no direct messages" : "the database cannot be asked at present"
    }

    private mutating func refuseDirect(
        _ code: ErrorCode, id: UUID, _ reference: Reference, to index: ClientIndex
    ) {
        metrics.clientErrors[code] += 1
        var message = outbox.message()
        ServerMessage.writeNotSent(
            code, message: Self.text(of: code), id: id, reference: reference, into: &message.text)
        send(message, to: index)
    }

    /// Whether senders may know that the user has read something: not when the user is invisible in a
    /// project that this connection, or another one with an inbox, looks at.
    private func isVisible(_ index: ClientIndex) -> Bool {
        let user = clients[index].user
        if isHidden(user, inProjectsOf: index) { return false }
        var next = direct.firstReader(of: user)
        while let other = next {
            if isHidden(user, inProjectsOf: other) { return false }
            next = direct.nextReader(after: other)
        }
        return true
    }

    private func isHidden(_ user: UserID, inProjectsOf index: ClientIndex) -> Bool {
        hub.projects(of: index).contains { presence.isHidden(user, in: $0) }
    }

    /// The id by which the connection is known to its client; `nil` when none could be made.
    mutating func connectionID(of index: ClientIndex) -> UUID? {
        do throws(CryptoFailure) {
            return try connectionIDs.id(of: clients.number(of: index))
        } catch {
            return nil
        }
    }

    // MARK: Statements

    /// Whether there are direct messages, as the database said just now.
    mutating func directIs(_ state: EventLogState) {
        if state == .usable, database.direct == .usable, database.doubtsDirect {
            // It could be read again; what was announced meanwhile is in the inboxes.
            direct.readAllAgain()
        }
        database.doubtsDirect = false
        guard state != database.direct else { return }
        log.directIs(state)
        database.direct = state
        guard state != .usable else {
            // Nothing was heard of for a while.
            direct.readAllAgain()
            return
        }
        failWaitingDirect()
        guard let code = directFault else { return }
        for reader in direct.removeAskingReaders() {
            guard let request = reader.request, let index = clients.index(of: reader.client) else {
                continue
            }
            sendUncounted(code, Self.text(of: code), request, to: index)
        }
    }

    /// What waits for a statement can't be asked: the database is away.
    package mutating func failWaitingDirect() {
        for send in direct.removeWaitingSends() { answer(.unavailable, to: send) }
        for ack in direct.removeWaitingAcks() { answerAck(ack, isDone: false) }
    }

    /// Fills in the parameters of a statement that sends, several or one, and returns its tag; `nil` when nothing is to
    /// be sent.
    package mutating func beginDirectSends(into parameters: inout QueryParameters) -> UInt64? {
        guard let tag = direct.beginSends() else { return nil }
        direct.remember(sends: tag, clock.now)
        let sends = direct.asked(sends: tag)
        parameters.removeAll()
        if sends.count == 1 {
            let send = sends[0]
            parameters.append(uuid: send.sender)
            parameters.append(uuid: send.recipient)
            parameters.append(uuid: send.id)
            var text = ByteBuffer()
            text.append(send.data.span)
            parameters.append(binary: text)
            parameters.append(text: send.wantsReceipt ? "t" : "f")
            parameters.append(decimal: Int64(send.ttlSeconds))
            parameters.append(uuid: send.origin)
            return tag
        }
        parameters.append(uuids: sends.map(\.sender))
        parameters.append(uuids: sends.map(\.recipient))
        parameters.append(uuids: sends.map(\.id))
        var texts = ByteBuffer()
        texts.beginTextArray(count: sends.count)
        for send in sends { texts.append(textElement: send.data.span) }
        parameters.append(binary: texts)
        parameters.append(list: sends.map { $0.wantsReceipt ? "t" : "f" })
        parameters.append(list: sends.map { String($0.ttlSeconds) })
        parameters.append(uuids: sends.map(\.origin))
        return tag
    }

    /// What became of the messages of a statement is committed.
    ///
    /// - Parameter timestamp: when they were sent, as clients are told.
    package mutating func finishDirectSends(
        _ tag: UInt64, _ outcomes: [DirectOutcome], timestamp: [UInt8]
    ) {
        let sends = direct.finish(sends: tag, outcomes, timestamp: timestamp)
        for (position, send) in sends.enumerated() {
            answer(position < outcomes.count ? outcomes[position] : .unavailable, to: send)
        }
        announceOwn()
    }

    package mutating func directSendsFailed(_ tag: UInt64, _ failure: QueryFailure) {
        defer { announceOwn() }
        switch failure {
        case .lost:
            for send in direct.finish(sends: tag) { answer(.unavailable, to: send) }
        case .refused(let error):
            guard let send = direct.refuse(sends: tag) else { return }
            log.refused("sending direct messages", error, at: clock.now)
            // Class 22 is of values that the database can't have.
            let isInvalid = error.sqlstate?.hasPrefix("22") == true
            answer(isInvalid ? .invalid : .unavailable, to: send)
        }
    }

    package mutating func beginDirectAcks(into parameters: inout QueryParameters) -> UInt64? {
        guard let tag = direct.beginAcks() else { return nil }
        let acks = direct.asked(acks: tag)
        parameters.removeAll()
        parameters.append(uuids: acks.flatMap { ack in ack.ids.map { _ in ack.user } })
        parameters.append(uuids: acks.flatMap(\.ids))
        parameters.append(uuids: acks.flatMap { ack in ack.ids.map { _ in ack.origin } })
        parameters.append(
            list: acks.flatMap { ack in ack.ids.map { _ in ack.isVisible ? "t" : "f" } })
        return tag
    }

    package mutating func finishDirectAcks(_ tag: UInt64) {
        for ack in direct.finish(acks: tag) { answerAck(ack, isDone: true) }
    }

    package mutating func directAcksFailed(_ tag: UInt64, _ failure: QueryFailure) {
        switch failure {
        case .lost:
            for ack in direct.finish(acks: tag) { answerAck(ack, isDone: false) }
        case .refused(let error):
            guard let ack = direct.refuse(acks: tag) else { return }
            log.refused("acknowledging direct messages", error, at: clock.now)
            answerAck(ack, isDone: false)
        }
    }

    // MARK: Answers

    private mutating func answer(_ outcome: DirectOutcome, to send: DirectSend) {
        guard let index = clients.index(of: send.client) else {
            metrics.directMessages[outcome] += 1
            return
        }
        answer(outcome, id: send.id, send.reference, to: index)
    }

    private mutating func answer(
        _ outcome: DirectOutcome, id: UUID, _ reference: Reference, to index: ClientIndex
    ) {
        metrics.directMessages[outcome] += 1
        guard clients[index].phase == .open else { return }
        guard let (code, text) = outcome.error else {
            var message = outbox.message()
            ServerMessage.writeSent(id, reference: reference, into: &message.text)
            send(message, to: index)
            return
        }
        metrics.clientErrors[code] += 1
        var message = outbox.message()
        ServerMessage.writeNotSent(
            code, message: text, id: id, reference: reference, into: &message.text)
        send(message, to: index)
        countError(code, of: index)
    }

    private mutating func answerAck(_ ack: DirectAck, isDone: Bool) {
        if isDone { metrics.directAcknowledged &+= UInt64(ack.ids.count) }
        guard let index = clients.index(of: ack.client), clients[index].phase == .open else {
            return
        }
        if isDone {
            confirm(ack.reference, to: index)
        } else {
            sendUncounted(
                .unavailable, "the database cannot be asked at present", ack.reference, to: index)
        }
    }
}

extension DirectOutcome {
    /// What the sender is told; `nil` of what is committed.
    fileprivate var error: (code: ErrorCode, text: StaticString)? {
        switch self {
        case .sent, .repeated: nil
        case .notAllowed: (.notAllowed, "there is no such user in your projects")
        case .inboxFull: (.inboxFull, "too much waits for the recipient")
        case .tooLarge: (.tooLarge, "data must have at most 4096 bytes")
        case .invalid: (.badMessage, "the database cannot keep such data")
        case .tooFast: (.tooFast, "too many direct messages")
        case .unavailable: (.unavailable, "it is not known to be sent: send it again")
        }
    }
}

extension QueryParameters {
    /// An array of UUIDs.
    fileprivate mutating func append(uuid: UUID) {
        var bytes = ByteBuffer(capacity: 16)
        bytes.append(binary: uuid)
        append(binary: bytes)
    }

    fileprivate mutating func append(uuids: [UUID]) {
        var array = ByteBuffer(capacity: 20 + 20 * max(1, uuids.count))
        array.beginUUIDArray(count: uuids.count)
        for uuid in uuids { array.append(uuidElement: uuid) }
        append(binary: array)
    }

    /// An array of plain words.
    fileprivate mutating func append(list: [String]) {
        append(text: "{" + list.joined(separator: ",") + "}")
    }
}
