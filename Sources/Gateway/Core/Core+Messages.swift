internal import Reactor

// What clients say.
extension Core {
    // Hot path.
    mutating func takeMessage(_ bytes: borrowing Span<UInt8>, from index: ClientIndex) {
        guard takesMessage(from: index) else { return }
        let message: ClientMessage
        do throws(ClientMessageError) {
            message = try ClientMessage(bytes, token: &token)
        } catch {
            if isTooBig(bytes.count, for: index), !error.isOfInitialize {
                fail(index, .messageTooBig, "the message is too big")
            } else {
                refuseMessage(error, byteCount: bytes.count, from: index)
            }
            return
        }
        metrics.clientMessages[message.kind] += 1
        if isTooBig(bytes.count, for: index), message.kind != .initialize {
            fail(index, .messageTooBig, "the message is too big")
            return
        }
        guard clients[index].phase == .open || message.kind == .initialize else {
            send(.notAuthenticated, "send init with a token first", message.reference, to: index)
            return
        }
        switch message.kind {
        case .joinProject: takeJoin(message, from: index)
        case .leaveProject: takeLeave(message, from: index)
        case .initialize: takeInit(message, from: index)
        case .ping:
            text.removeAll()
            ServerMessage.writePong(into: &text)
            sendText(to: index)
        case .pong:
            confirm(message.reference, to: index)
        case .unknown:
            log.unknownType(connection: connectionNumber(of: index), type: token, at: now)
            send(.unknownType, "this type of message is not known", message.reference, to: index)
        }
    }

    /// Whether only an `init` may have so many bytes. A client that has yet to say who it is may
    /// send as much with anything: it is told what to do instead.
    private func isTooBig(_ byteCount: Int, for index: ClientIndex) -> Bool {
        clients[index].phase == .open && byteCount > settings.messageBytesMax
    }

    private mutating func refuseMessage(
        _ error: ClientMessageError, byteCount: Int, from index: ClientIndex
    ) {
        metrics.clientErrors[error.code] += 1
        log.badMessage(
            connection: connectionNumber(of: index), detail: "\(error.message)",
            byteCount: byteCount, at: now)
        text.removeAll()
        error.write(to: &text)
        sendText(to: index)
        noteError(error.code, of: index)
    }

    // MARK: Projects

    private mutating func takeJoin(_ message: ClientMessage, from index: ClientIndex) {
        guard let project = message.project else {
            preconditionFailure("a join_project without a project was let through")
        }
        if needsCheck(index, project, since: message.since) {
            let purpose = MembershipPurpose.join(
                keepsOthers: message.keepsOthers, message.reference, since: message.since)
            let pair = MembershipPair(project: project, user: clients[index].user)
            if !ask(pair, purpose, for: index) { sendUncheckable(message.reference, to: index) }
            return
        }
        join(
            index, project, keepsOthers: message.keepsOthers, message.reference,
            since: message.since)
    }

    /// Who is in the project already has been checked, and would have been thrown out. That isn't
    /// enough for one who comes back while a removal is looked into, and asks for what it missed.
    private func needsCheck(_ index: ClientIndex, _ project: ProjectID, since: Since?) -> Bool {
        guard settings.checksMembership else { return false }
        return !hub.isMember(index, of: project)
            || since != nil && hub.isInDoubt(index, of: project)
    }

    /// Does what a `join_project` asks for, and answers it.
    mutating func join(
        _ index: ClientIndex, _ project: ProjectID, keepsOthers: Bool, _ reference: Reference,
        since: Since?
    ) {
        if !keepsOthers {
            hub.leaveAll(index, except: project)
            cancelResumes(of: index) { $0 != project }
            // Each of those is told an error, and the queue may not have room for all.
            guard clients[index].phase == .open else { return }
        }
        subscribe(index, to: project, since: since, .confirmation(reference))
    }

    mutating func sendTooManyProjects(_ reference: Reference, to index: ClientIndex) {
        send(.tooManyProjects, "one connection may look at 100 projects", reference, to: index)
    }

    mutating func sendUncheckable(_ reference: Reference, to index: ClientIndex) {
        send(
            .unavailable, "the membership cannot be checked at present", reference, to: index)
    }

    /// Subscribes the client. From here on no event of the project passes it by: what the database
    /// announces later is broadcast to all members, and what it couldn't announce ends in a resync.
    ///
    /// Returns `.limitReached` as well when there is no client any more: what it has yet to get of its
    /// other project can be too much for one that reads slowly.
    mutating func join(_ index: ClientIndex, _ project: ProjectID) -> JoinOutcome {
        if !hub.isMember(index, of: project) { prepareForAnotherProject(index) }
        guard clients[index].phase == .open else { return .limitReached }
        let outcome = hub.join(index, project)
        if outcome == .joined, let room = hub.room(of: project) {
            log.clientJoined(
                connection: connectionNumber(of: index), project: project,
                subscribers: hub.memberCount(of: room), at: now)
        }
        return outcome
    }

    private mutating func takeLeave(_ message: ClientMessage, from index: ClientIndex) {
        guard let project = message.project else {
            hub.leaveAll(index)
            cancelResumes(of: index) { _ in true }
            confirm(message.reference, to: index)
            return
        }
        cancelResumes(of: index) { $0 == project }
        guard hub.leave(index, project) else {
            send(
                .notSubscribed, "the connection is not in this project", message.reference,
                to: index)
            return
        }
        let room = hub.room(of: project)
        log.clientLeft(
            connection: connectionNumber(of: index), project: project,
            subscribers: room.map { hub.memberCount(of: $0) } ?? 0, at: now)
        confirm(message.reference, to: index)
    }

    // MARK: Who it is

    private mutating func takeInit(_ message: ClientMessage, from index: ClientIndex) {
        let project = message.project ?? clients[index].requestedProject
        if message.hasToken {
            guard acceptToken(message.reference, from: index) else { return }
        } else if clients[index].phase != .open {
            send(.badToken, "init needs a token here", message.reference, to: index)
            close(index, .badToken, "no token", keepsQueue: true)
            return
        }
        if let project, needsCheck(index, project, since: message.since) {
            let pair = MembershipPair(project: project, user: clients[index].user)
            let purpose = MembershipPurpose.initialize(message.reference, since: message.since)
            if !ask(pair, purpose, for: index) { sendUncheckable(message.reference, to: index) }
            return
        }
        initialize(index, project, message.reference, since: message.since)
    }

    /// Does what is left of an `init` whose user is known, and answers it.
    mutating func initialize(
        _ index: ClientIndex, _ project: ProjectID?, _ reference: Reference, since: Since?
    ) {
        let answer = SubscriptionAnswer.ready(reference)
        if let project {
            subscribe(index, to: project, since: since, answer)
        } else {
            confirm(answer, of: nil, from: offeredCursor(to: index, of: nil), to: index)
        }
    }

    /// Checks the token of an `init`, which is in `token`. A bad one closes a connection that has
    /// no user yet; on one that has, it is an error that changes nothing.
    private mutating func acceptToken(_ reference: Reference, from index: ClientIndex) -> Bool {
        do throws(TokenError) {
            let claims = try verifier.verify(token, at: wall)
            if clients[index].phase == .open && claims.user != clients[index].user {
                send(.badToken, "the token is another user's", reference, to: index)
                return false
            }
            guard admitUser(claims.user, byInitOn: index) else { return false }
            authenticate(index, claims)
            return true
        } catch {
            frame.removeAll()
            error.writeMessage(to: &frame)
            let code: ErrorCode = error.isTemporary ? .unavailable : .badToken
            metrics.clientErrors[code] += 1
            text.removeAll()
            ServerMessage.writeError(
                code, message: frame, reference: reference, into: &text)
            sendText(to: index)
            noteError(code, of: index)
            if clients[index].phase == .awaitingInit && code == .badToken {
                close(index, .badToken, "the token is not valid", keepsQueue: true)
            }
            return false
        }
    }

    /// The connection is the user's, until the token expires.
    mutating func authenticate(_ index: ClientIndex, _ claims: TokenClaims) {
        clients[index].phase = .open
        clients[index].user = claims.user
        countForUser(index)
        clients[index].expiresAtSeconds = UInt32(clamping: claims.expiresAt)
        // The wall clock may be set while the connection lives; what is counted down is the time
        // that the token had left now.
        let secondsLeft = claims.expiresAt + verifier.policy.leewaySeconds - wall.unixSeconds
        // Ticks end before 32 bits of seconds do: what lies beyond is as good as never.
        let ticksLeft =
            UInt64(UInt32(clamping: secondsLeft)) * 1_000_000_000 / TimerWheel.tickNanoseconds
        clients[index].expiryTick = UInt32(clamping: UInt64(nowTick) + ticksLeft + 1)
        scheduleVisit(of: index)
    }

    mutating func sendReady(
        _ project: ProjectID?, from cursor: Cursor?, to index: ClientIndex
    ) {
        let client = clients[index]
        let ready = ServerMessage.Ready(
            connection: connectionID(of: index), user: client.user,
            project: project ?? hub.firstProject(of: index),
            expiresAt: Timestamp(unixSeconds: Int64(client.expiresAtSeconds)), cursor: cursor,
            pingIntervalMilliseconds: UInt32(
                clamping: settings.pingIntervalNanoseconds / 1_000_000),
            reconnectWindowMilliseconds: reconnectWindowMilliseconds)
        text.removeAll()
        ServerMessage.writeReady(ready, into: &text)
        sendText(to: index)
    }

    // MARK: Answers

    /// Says that it worked, to those who asked to be told.
    mutating func confirm(
        _ reference: Reference, from cursor: Cursor? = nil, to index: ClientIndex
    ) {
        guard reference.isPresent else { return }
        text.removeAll()
        ServerMessage.writeOK(reference: reference, cursor: cursor, into: &text)
        sendText(to: index)
    }

    mutating func send(
        _ code: ErrorCode, _ message: StaticString, _ reference: Reference, to index: ClientIndex
    ) {
        sendUncounted(code, message, reference, to: index)
        noteError(code, of: index)
    }

    /// Tells the client of an error that costs it nothing of its allowance.
    mutating func sendUncounted(
        _ code: ErrorCode, _ message: StaticString, _ reference: Reference, to index: ClientIndex
    ) {
        metrics.clientErrors[code] += 1
        text.removeAll()
        ServerMessage.writeError(code, message: message, reference: reference, into: &text)
        sendText(to: index)
    }

    /// Queues the message in `text`; nothing for a client that an earlier answer was one too many for:
    /// there is no message behind a Close frame.
    mutating func sendText(to index: ClientIndex) {
        guard clients[index].takesMessages else { return }
        frame.removeAll()
        FrameEncoder.write(text, opcode: .text, into: &frame)
        queueOwn(frames: 1, to: index)
    }
}
