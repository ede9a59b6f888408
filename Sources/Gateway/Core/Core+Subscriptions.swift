internal import Reactor

// Who a client is, and which projects it looks at. Clients that come back hear what they missed, then
// that they are subscribed, then what comes; why nothing is missed in between stands in `ReadTable`.
extension Core {
    // MARK: Who it is

    mutating func initialize(_ message: ClientMessage, _ index: ClientIndex) {
        let project = projectOfInit(message, index)
        if message.hasToken {
            guard acceptToken(message.reference, from: index) else { return }
        } else if clients[index].phase != .open {
            sendError(.badToken, "init needs a token here", message.reference, to: index)
            close(index, .badToken, "no token", keepsQueue: true)
            return
        }
        if let project, needsCheck(index, project, since: message.since) {
            let pair = MembershipPair(project: project, user: clients[index].user)
            let purpose = MembershipPurpose.initialize(message.reference, since: message.since)
            if !ask(pair, purpose, for: index) { sendUncheckable(message.reference, to: index) }
            return
        }
        finishInit(index, project, message.reference, since: message.since)
    }

    /// The project that the message names, or the URL; a `since` without either is of the one that the
    /// client is in.
    private func projectOfInit(_ message: ClientMessage, _ index: ClientIndex) -> ProjectID? {
        if let project = message.project ?? clients[index].requestedProject { return project }
        return message.since == nil ? nil : hub.firstProject(of: index)
    }

    /// Does what is left of an `init` whose user is known, and answers it.
    mutating func finishInit(
        _ index: ClientIndex, _ project: ProjectID?, _ reference: Reference, since: Since?
    ) {
        let answer = SubscriptionAnswer.ready(reference)
        if let project {
            subscribe(index, to: project, since: since, answer)
        } else {
            if since != nil {
                sendError(.invalidCursor, "there is no project to go on with", .absent, to: index)
            }
            confirm(answer, of: nil, from: offeredCursor(to: index, of: nil), to: index)
        }
    }

    /// Checks the token of an `init`, which the inbox holds. A bad one closes a connection that has
    /// no user yet; on one that has, it is an error that changes nothing.
    private mutating func acceptToken(_ reference: Reference, from index: ClientIndex) -> Bool {
        do throws(TokenError) {
            let claims = try verifier.verify(clients.inbox.token, at: clock.wall)
            if clients[index].phase == .open && claims.user != clients[index].user {
                sendError(.badToken, "the token is another user's", reference, to: index)
                return false
            }
            guard admitUser(claims.user, byInitOn: index) else { return false }
            authenticate(index, claims)
            return true
        } catch {
            refuseToken(error, reference, from: index)
            return false
        }
    }

    private mutating func refuseToken(
        _ error: TokenError, _ reference: Reference, from index: ClientIndex
    ) {
        let code: ErrorCode = error.isTemporary ? .unavailable : .badToken
        metrics.clientErrors[code] += 1
        var sentence = ByteBuffer(capacity: 128)
        error.writeMessage(to: &sentence)
        var message = outbox.message()
        ServerMessage.writeError(
            code, message: sentence.bytes, reference: reference, into: &message.text)
        send(message, to: index)
        countError(code, of: index)
        guard clients[index].phase == .awaitingInit && code == .badToken else { return }
        // One that has only come too late is no reason to give up: a fresh one is.
        if case .expired = error {
            close(index, .tokenExpired, "the token has expired", keepsQueue: true)
        } else {
            close(index, .badToken, "the token is not valid", keepsQueue: true)
        }
    }

    /// The connection is the user's, until the token expires.
    mutating func authenticate(_ index: ClientIndex, _ claims: TokenClaims) {
        if clients[index].phase != .open { admission.fill(&clients[index].allowance) }
        _ = clients[index].handle(.authenticated)
        clients[index].user = claims.user
        admission.countForUser(claims.user, &clients[index].allowance)
        clients[index].expiresAtSeconds = UInt32(clamping: claims.expiresAt)
        // The wall clock may be set while the connection lives; what is counted down is the time
        // that the token had left now.
        let secondsLeft =
            claims.expiresAt + verifier.policy.leewaySeconds - clock.wall.unixSeconds
        // Ticks end before 32 bits of seconds do: what lies beyond is as good as never.
        let ticksLeft =
            UInt64(UInt32(clamping: secondsLeft)) * 1_000_000_000 / TimerWheel.tickNanoseconds
        clients[index].expiryTick = UInt32(clamping: UInt64(clock.tick) + ticksLeft + 1)
        clients.scheduleVisit(of: index, clock)
    }

    private mutating func sendReady(
        _ project: ProjectID?, from cursor: Cursor?, to index: ClientIndex
    ) {
        let connection: UUID
        do throws(CryptoFailure) {
            connection = try connectionIDs.id(of: clients.number(of: index))
        } catch {
            fail(index, .internalError, "no id could be made for the connection")
            return
        }
        let client = clients[index]
        let ready = ServerMessage.Ready(
            connection: connection, user: client.user,
            project: project ?? hub.firstProject(of: index),
            expiresAt: Timestamp(unixSeconds: Int64(client.expiresAtSeconds)), cursor: cursor,
            pingIntervalMilliseconds: UInt32(
                clamping: settings.times.pingNanoseconds / 1_000_000),
            reconnectWindowMilliseconds: reconnectWindowMilliseconds)
        var message = outbox.message()
        ServerMessage.writeReady(ready, into: &message.text)
        send(message, to: index)
    }

    // MARK: Joining and leaving

    mutating func joinProject(_ message: ClientMessage, _ index: ClientIndex) {
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
        finishJoin(
            index, project, keepsOthers: message.keepsOthers, message.reference,
            since: message.since)
    }

    /// Who is in the project already has been checked, and would have been removed. That isn't
    /// enough for one who comes back while a removal is looked into, and asks for what it missed.
    private func needsCheck(_ index: ClientIndex, _ project: ProjectID, since: Since?) -> Bool {
        guard settings.checksMembership else { return false }
        return !hub.isMember(index, of: project)
            || since != nil && hub.isUnverified(index, of: project)
    }

    /// Does what a `join_project` asks for, and answers it.
    mutating func finishJoin(
        _ index: ClientIndex, _ project: ProjectID, keepsOthers: Bool, _ reference: Reference,
        since: Since?
    ) {
        if !keepsOthers {
            endPresence(of: index, except: project)
            hub.leaveAll(index, except: project)
            cancelResumes(of: index, except: project)
        }
        subscribe(index, to: project, since: since, .confirmation(reference))
    }

    mutating func leaveProject(_ message: ClientMessage, _ index: ClientIndex) {
        guard let project = message.project else {
            endPresence(of: index)
            hub.leaveAll(index)
            cancelResumes(of: index, except: nil)
            confirm(message.reference, to: index)
            return
        }
        cancelResume(of: index, in: project)
        endPresence(of: index, in: project, graceNanoseconds: nil)
        guard hub.leave(index, project) else {
            sendError(
                .notSubscribed, "the connection is not in this project", message.reference,
                to: index)
            return
        }
        let room = hub.room(of: project)
        log.clientLeft(
            connection: clients.number(of: index), project: project,
            subscribers: room.map { hub.memberCount(of: $0) } ?? 0, at: clock.now)
        confirm(message.reference, to: index)
    }

    /// Subscribes the client. From here on no event of the project passes it by: what the database
    /// announces later is broadcast to all members, and what it couldn't announce ends in a resync.
    ///
    /// Returns `false` when it is in as many projects as it may be.
    mutating func join(_ index: ClientIndex, _ project: ProjectID) -> Bool {
        if !hub.isMember(index, of: project) { prepareForAnotherProject(index) }
        let outcome = hub.join(index, project)
        if outcome == .joined, let room = hub.room(of: project) {
            log.clientJoined(
                connection: clients.number(of: index), project: project,
                subscribers: hub.memberCount(of: room), at: clock.now)
        }
        return outcome != .limitReached
    }

    /// Refuses a subscription for now. A client that has no other is closed: it may take no notice of
    /// errors, and whoever comes back is asked about anew.
    mutating func sendUncheckable(_ reference: Reference, to index: ClientIndex) {
        sendError(
            .unavailable, "the membership cannot be checked at present", reference, to: index)
        guard hub.projectCount(of: index) == 0,
            !history.reads.isAwaited(by: clients.handle(of: index))
        else { return }
        close(index, .tryAgainLater, "the membership cannot be checked", keepsQueue: true)
    }

    // MARK: Subscribing

    /// From where a client of the project that hears everything from now on can resume; `nil` without
    /// an event log, and for one that has yet to get something of before: it resumes from where it can
    /// already.
    func offeredCursor(to index: ClientIndex, of project: ProjectID?) -> Cursor? {
        guard database.eventLog == .usable,
            clients[index].queue.marks.isDisjoint(with: [.collapsed, .overflown]),
            !history.reads.isAwaited(by: clients.handle(of: index))
        else { return nil }
        guard let project = project ?? hub.firstProject(of: index) else { return history.cursor }
        return hub.isUnverified(index, of: project) || hub.isBeingServed(index, of: project)
            ? nil : history.cursor
    }

    /// Subscribes a client, which may have been here before, and answers it: at once, or when what
    /// it missed has been read.
    mutating func subscribe(
        _ index: ClientIndex, to project: ProjectID, since: Since?, _ answer: SubscriptionAnswer
    ) {
        switch since {
        case nil:
            guard join(index, project) else {
                refuseSubscription(index, answer)
                return
            }
            confirm(
                answer, of: project, from: offeredCursor(to: index, of: project), to: index)
        case .malformed:
            sendUncounted(
                .invalidCursor, "since is not a cursor of this server", .absent,
                project: project, to: index)
            subscribeWithResync(index, to: project, .cursorInvalid, answer)
        case .cursor(let cursor):
            resume(index, in: project, since: cursor, answer)
        }
    }

    mutating func refuseSubscription(_ index: ClientIndex, _ answer: SubscriptionAnswer) {
        sendError(
            .tooManyProjects, "one connection may look at 100 projects", answer.reference,
            to: index)
        // Who it is was accepted all the same.
        if case .ready = answer {
            confirm(answer, of: nil, from: offeredCursor(to: index, of: nil), to: index)
        }
    }

    /// Subscribes without having read what was missed: all may have changed.
    mutating func subscribeWithResync(
        _ index: ClientIndex, to project: ProjectID, _ reason: ResyncReason,
        _ answer: SubscriptionAnswer
    ) {
        guard join(index, project) else {
            refuseSubscription(index, answer)
            return
        }
        log.resync(project: project, cause: reason, clients: 1, at: clock.now)
        queueResync(of: project, reason, to: index)
        confirm(answer, of: project, from: offeredCursor(to: index, of: project), to: index)
    }

    /// Says that a subscription stands.
    mutating func confirm(
        _ answer: SubscriptionAnswer, of project: ProjectID?, from cursor: Cursor?,
        to index: ClientIndex
    ) {
        switch answer {
        case .silence: return
        case .confirmation(let reference): confirm(reference, from: cursor, to: index)
        case .ready(let reference):
            sendReady(project, from: cursor, to: index)
            confirm(reference, to: index)
        }
    }
}

extension SubscriptionAnswer {
    var reference: Reference {
        switch self {
        case .silence: .absent
        case .confirmation(let reference), .ready(let reference): reference
        }
    }
}
