internal import Reactor

// HTTP: from a request to its answer, or to a WebSocket.
extension Core {
    /// Reads one request at `position` and answers it. Returns `false` when it isn't complete.
    mutating func receiveRequest(
        in bytes: borrowing Span<UInt8>, at position: inout Int, from index: ClientIndex
    ) -> Bool {
        let rest = bytes.extracting(position..<bytes.count)
        let isNew = clients[index].head.isIdle
        var head = RequestHead()
        switch clients[index].head.parse(rest, into: &head) {
        case .incomplete:
            if isNew { limitRequestTime(of: index) }
            return false
        case .failure(let error):
            refuse(index, error, as: .closing)
        case .complete(let count):
            position += count
            work &+= Limits.requestWork
            answer(head, in: rest.extracting(0..<count), of: index)
        }
        return true
    }

    /// A request has begun: its head must be complete in time, even on a connection that may stay
    /// idle for longer between requests.
    private mutating func limitRequestTime(of index: ClientIndex) {
        let deadline = clock.tick(afterNanoseconds: settings.times.handshakeNanoseconds)
        guard deadline < clients[index].deadlineTick else { return }
        clients[index].deadlineTick = deadline
        clients.scheduleVisit(of: index, clock)
    }

    private mutating func answer(
        _ head: RequestHead, in bytes: borrowing Span<UInt8>, of index: ClientIndex
    ) {
        let form = ResponseForm(answering: head)
        let listener: ListenerRole =
            clients[index].flags.contains(.admin) ? .admin : .public
        do throws(HTTPError) {
            try refuseCrowd(index)
        } catch {
            refuse(index, error, as: form)
            return
        }
        switch Route(of: head, in: bytes, on: listener) {
        case .webSocket: upgrade(head, in: bytes, as: form, of: index)
        case .projectStatus(let project):
            answerStatus(of: project, head, in: bytes, as: form, to: index)
        case .live: answerLiveness(as: form, to: index)
        case .ready: answerReadiness(head, in: bytes, as: form, to: index)
        case .metrics: answerMetrics(as: form, to: index)
        case .notFound: refuse(index, .notFound, as: form)
        case .methodNotAllowed(let allowed): refuse(index, .methodNotAllowed(allowed), as: form)
        }
    }

    // MARK: The upgrade

    private mutating func upgrade(
        _ head: RequestHead, in bytes: borrowing Span<UInt8>, as form: ResponseForm,
        of index: ClientIndex
    ) {
        do throws(HTTPError) {
            let handshake = try Handshake(of: head, in: bytes)
            try admitHandshake(of: head, in: bytes, from: index)
            let query = try Query(of: head, in: bytes)
            let project = try query.project(in: bytes)
            let since = query.since(in: bytes)
            try admitWebSocket()
            let claims = try verifyToken(head, query, handshake.subprotocols, in: bytes)
            if claims == nil, since != nil {
                throw .badRequest("since belongs into init when the token does")
            }
            if let claims { try admitUser(claims.user) } else { try admitUnauthenticated() }
            let deflate =
                settings.compresses ? try DeflateOffer.first(of: head, in: bytes) : nil
            var message = outbox.message()
            do throws(HTTPError) {
                try Handshake.writeAccept(
                    key: bytes.extracting(handshake.key),
                    subprotocol: handshake.subprotocols.selected, deflate: deflate,
                    into: &message.bytes)
            } catch {
                outbox.discard(message)
                throw error
            }
            noteDeflate(deflate, of: index)
            if let claims, let project, settings.checksMembership {
                try awaitMembership(of: claims, in: project, since: since, form, message, index)
                return
            }
            queueResponse(message, to: index)
            open(index, claims: claims, project: project, since: since)
        } catch {
            refuse(index, error, as: form)
        }
    }

    /// Lets a handshake wait, with the answer that opens the WebSocket.
    private mutating func awaitMembership(
        of claims: TokenClaims, in project: ProjectID, since: Since?, _ form: ResponseForm,
        _ message: consuming OutgoingMessage, _ index: ClientIndex
    ) throws(HTTPError) {
        let isKept = clients.keepAnswer(message.bytes.bytes, for: index)
        outbox.discard(message)
        guard isKept else { throw .full }
        let pair = MembershipPair(project: project, user: claims.user)
        guard ask(pair, .handshake(claims, form, since: since), for: index) else {
            releaseAnswer(of: index)
            throw .membershipUncheckable
        }
    }

    private mutating func releaseAnswer(of index: ClientIndex) {
        var answer = clients.removeMessage(of: index)
        clients.inbox.release(&answer)
    }

    /// The database has answered for whom the handshake is.
    mutating func finishHandshake(
        _ index: ClientIndex, _ claims: TokenClaims, _ project: ProjectID, since: Since?,
        _ verdict: MembershipVerdict, _ form: ResponseForm
    ) {
        var message = outbox.message()
        clients.inbox.copy(clients[index].message, to: &message.bytes)
        releaseAnswer(of: index)
        do throws(HTTPError) {
            try verdict.check()
            // Others have come meanwhile.
            try admitWebSocket()
            try admitUser(claims.user)
        } catch {
            outbox.discard(message)
            refuse(index, error, as: form)
            return
        }
        queueResponse(message, to: index)
        open(index, claims: claims, project: project, since: since)
    }

    /// Notes what the answer to the handshake says about compression. One that is refused after all
    /// may be followed by another.
    private mutating func noteDeflate(_ offer: DeflateOffer?, of index: ClientIndex) {
        clients[index].flags.subtract([.deflates, .takesContextOver])
        guard let offer else { return }
        clients[index].flags.insert(.deflates)
        if !offer.promisesNoContextTakeover { clients[index].flags.insert(.takesContextOver) }
    }

    /// Refuses clients who would soon have to leave.
    private func admitWebSocket() throws(HTTPError) {
        if drain != nil { throw .draining }
    }

    /// Makes a WebSocket of the connection.
    private mutating func open(
        _ index: ClientIndex, claims: TokenClaims?, project: ProjectID?, since: Since?
    ) {
        _ = clients[index].handle(.upgraded)
        clients.arrivals.remove(index)
        clients[index].flags.insert(.upgraded)
        metrics.connections += 1
        metrics.connectionsOpened += 1
        if clients[index].flags.contains(.deflates) { metrics.connectionsCompressing += 1 }
        if let claims {
            authenticate(index, claims)
            if let project { subscribe(index, to: project, since: since, .silence) }
        } else {
            clients[index].requestedProject = project
            admission.countAsUnauthenticated(&clients[index].allowance)
            admission.fillForStranger(&clients[index].allowance)
            clients[index].deadlineTick = clock.tick(
                afterNanoseconds: settings.times.initNanoseconds)
        }
        clients.scheduleFirstPing(of: index, clock)
        clients.scheduleVisit(of: index, clock)
        let peer = clients[index].peer
        log.clientOpened(
            connection: clients.number(of: index), user: claims?.user,
            address: peer.description, total: Int(metrics.connections), at: clock.now)
    }

    // MARK: Tokens

    /// The claims of the request's token: from the header first, then from the subprotocols, then
    /// from the query; `nil` without a token.
    mutating func verifyToken(
        _ head: RequestHead, _ query: Query, _ subprotocols: SubprotocolOffer?,
        in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> TokenClaims? {
        guard try readToken(head, query, subprotocols, in: bytes) else { return nil }
        do throws(TokenError) {
            return try verifier.verify(clients.inbox.token, at: clock.wall)
        } catch {
            if error.isTemporary { throw .tokenUncheckable }
            throw .tokenRefused(error)
        }
    }

    /// Copies the token into the inbox. Returns whether there is one.
    private mutating func readToken(
        _ head: RequestHead, _ query: Query, _ subprotocols: SubprotocolOffer?,
        in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> Bool {
        clients.inbox.token.removeAll()
        if let bearer = try AuthorizationHeader.bearer(of: head, in: bytes) {
            clients.inbox.token.append(bytes.extracting(bearer))
            return true
        }
        if let bearer = subprotocols?.bearer {
            clients.inbox.token.append(bytes.extracting(bearer))
            return true
        }
        guard query.token.isPresent else { return false }
        guard settings.queryToken else {
            throw HTTPError(.invalidToken, "a token in the query is not accepted here")
        }
        Query.append(query.token, of: bytes, to: &clients.inbox.token)
        return true
    }

    // MARK: Answers

    /// Queues an answer whose body is the message's text.
    mutating func respond(
        _ status: HTTPStatus, _ type: ContentType, _ message: consuming OutgoingMessage,
        as form: ResponseForm, to index: ClientIndex
    ) {
        ResponseWriter.write(status, type, body: message.text, as: form, into: &message.bytes)
        finishResponse(message, keepAlive: form.keepAlive, to: index)
    }

    /// Queues a refusal.
    mutating func refuse(_ index: ClientIndex, _ error: HTTPError, as form: ResponseForm) {
        var form = form
        if endsAfterRefusal(index) { form.keepAlive = false }
        let label = RefusalLabel(error.kind)
        metrics.handshakesRefused[label] += 1
        var message = outbox.message()
        if let refusal = error.token {
            refusal.writeMessage(to: &message.text)
            ResponseWriter.write(error, message: message.text, as: form, into: &message.bytes)
        } else {
            ResponseWriter.write(error, as: form, into: &message.bytes)
        }
        let peer = clients[index].peer
        log.handshakeRefused(
            label, detail: "\(error.message)", address: peer.description, at: clock.now)
        finishResponse(
            message, keepAlive: form.keepAlive && !error.closesConnection, to: index)
    }

    /// Refuses a client that hasn't sent a whole request in time.
    mutating func refuseLateRequest(_ index: ClientIndex) {
        refuse(index, .timeout, as: .closing)
    }

    /// An HTTP request came where TLS is spoken. The answer is the last thing that goes to this client
    /// in the clear, and the first: nothing can have waited for it.
    package mutating func refusePlaintext(_ index: ClientIndex) {
        precondition(clients[index].phase == .request && clients[index].queue.isEmpty)
        clients[index].flags.remove(.tls)
        refuse(index, .badRequest("this port speaks TLS: use https or wss"), as: .closing)
    }

    private mutating func queueResponse(
        _ message: consuming OutgoingMessage, to index: ClientIndex
    ) {
        outbox.queueResponse(message, for: index, &clients[index].queue, clock)
    }

    /// Queues an answer. The connection's next request is read when it has been sent.
    private mutating func finishResponse(
        _ message: consuming OutgoingMessage, keepAlive: Bool, to index: ClientIndex
    ) {
        queueResponse(message, to: index)
        clients[index].flags.insert(.answered)
        guard keepAlive && drain == nil else {
            endAfterAnswer(index)
            return
        }
        clients[index].flags.insert(.awaitsAnswer)
        clients.noteInterest(of: index)
        clients.arrivals.renew(index, at: clock.tick)
        let idleSeconds =
            clients[index].flags.contains(.admin)
            ? Limits.adminIdleSecondsMax : Limits.httpIdleSecondsMax
        clients[index].deadlineTick = clock.tick(afterNanoseconds: idleSeconds * 1_000_000_000)
    }
}

extension Query {
    /// The project that it names; `nil` without one.
    fileprivate func project(in bytes: borrowing Span<UInt8>) throws(HTTPError) -> ProjectID? {
        guard projectID.isPresent else { return nil }
        var text = ByteBuffer(capacity: 64)
        Query.append(projectID, of: bytes, to: &text)
        guard let project = ProjectID(text.bytes) else {
            throw .badRequest("projectId is not a UUID")
        }
        return project
    }

    /// From where the client resumes; `nil` for one that comes anew.
    fileprivate func since(in bytes: borrowing Span<UInt8>) -> Since? {
        guard since.isPresent else { return nil }
        var text = ByteBuffer(capacity: 64)
        Query.append(since, of: bytes, to: &text)
        return Since(text.bytes)
    }
}

extension HTTPError {
    fileprivate static var draining: HTTPError {
        .unavailable("the server is shutting down", retryAfterSeconds: 1)
    }
    static var full: HTTPError {
        .unavailable("the server has no place left", retryAfterSeconds: 5)
    }
    static var membershipUncheckable: HTTPError {
        .unavailable("the membership cannot be checked at present", retryAfterSeconds: 2)
    }
    fileprivate static var tokenUncheckable: HTTPError {
        .unavailable("the token cannot be checked at present", retryAfterSeconds: 5)
    }
    fileprivate static func tokenRefused(_ refusal: TokenError) -> HTTPError {
        var error = HTTPError(.refusedToken, "the token is not valid")
        error.token = refusal
        return error
    }
}

extension RefusalLabel {
    init(_ kind: HTTPError.Kind) {
        switch kind {
        case .badRequest: self = .badRequest
        case .missingToken, .invalidToken, .refusedToken: self = .unauthorized
        case .forbidden: self = .forbidden
        case .notFound: self = .notFound
        case .methodNotAllowed: self = .methodNotAllowed
        case .timeout: self = .timeout
        case .upgradeRequired: self = .upgradeRequired
        case .tooManyConnections: self = .tooManyConnections
        case .headerTooLarge: self = .headerTooLarge
        case .unavailable: self = .unavailable
        }
    }
}
