internal import Reactor

// HTTP: from a request to its answer, or to a WebSocket.
extension Core {
    /// Reads one request at `position` and answers it. Returns `false` when it isn't complete.
    mutating func takeRequest(
        of bytes: borrowing Span<UInt8>, at position: inout Int, from index: ClientIndex
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
            answer(head, in: rest.extracting(0..<count), of: index)
        }
        return true
    }

    /// A request has begun: its head must be complete in time, even on a connection that may stay
    /// idle for longer between requests.
    private mutating func limitRequestTime(of index: ClientIndex) {
        let deadline = TimerWheel.tick(settings.handshakeTimeoutNanoseconds, after: now)
        guard deadline < clients[index].deadlineTick else { return }
        clients[index].deadlineTick = deadline
        scheduleVisit(of: index)
    }

    private mutating func answer(
        _ head: RequestHead, in bytes: borrowing Span<UInt8>, of index: ClientIndex
    ) {
        var form = ResponseForm(answering: head)
        // Whoever sends so many without waiting is told that this answer is the last; the rest may
        // be asked again.
        if clients[index].queue.frameCount >= Limits.pipelinedAnswersMax { form.keepAlive = false }
        let listener: ListenerRole =
            clients[index].flags.contains(.admin) ? .admin : .public
        do throws(HTTPError) {
            try refuseCrowd(index)
        } catch {
            refuse(index, error, as: form)
            return
        }
        switch Route(of: head, in: bytes, on: listener) {
        case .webSocket:
            upgrade(head, in: bytes, as: form, of: index)
        case .projectStatus(let project):
            answerStatus(of: project, head, in: bytes, as: form, to: index)
        case .live:
            text.removeAll()
            text.append("ok\n")
            respond(.ok, .plainText, as: form, to: index)
        case .ready:
            answerReadiness(head, in: bytes, as: form, to: index)
        case .metrics:
            answerMetrics(as: form, to: index)
        case .notFound:
            refuse(index, .notFound, as: form)
        case .methodNotAllowed(let allowed):
            refuse(index, .methodNotAllowed(allowed), as: form)
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
            let project = try projectOfQuery(query, in: bytes)
            let since = try sinceOfQuery(query, in: bytes)
            try admitWebSocket()
            let hasToken = try readToken(head, query, handshake.subprotocols, in: bytes)
            let claims = hasToken ? try verifyToken(refusing: index) : nil
            if claims == nil, since != nil {
                throw .badRequest("since belongs into init when the token does")
            }
            if let claims { try admitUser(claims.user) } else { try admitUnauthenticated() }
            let deflate =
                settings.compresses ? try DeflateOffer.first(of: head, in: bytes) : nil
            frame.removeAll()
            try Handshake.writeAccept(
                key: bytes.extracting(handshake.key),
                subprotocol: handshake.subprotocols.selected, deflate: deflate, into: &frame)
            noteDeflate(deflate, of: index)
            if let claims, let project, settings.checksMembership {
                try awaitMembership(of: claims, in: project, since: since, form, index)
                return
            }
            guard queueResponse(to: index) else { return }
            open(index, claims: claims, project: project, since: since)
        } catch {
            refuse(index, error, as: form)
        }
    }

    /// Notes what the answer to the handshake says about compression. One that is refused after all
    /// may be followed by another.
    private mutating func noteDeflate(_ offer: DeflateOffer?, of index: ClientIndex) {
        if offer == nil {
            clients[index].flags.remove(.deflates)
        } else {
            clients[index].flags.insert(.deflates)
        }
    }

    /// Refuses what there is no place for.
    func admitWebSocket() throws(HTTPError) {
        if drain != nil { throw .draining }
        if metrics.connections >= UInt64(settings.connectionsMax) { throw .full }
    }

    /// Makes a WebSocket of the connection.
    mutating func open(
        _ index: ClientIndex, claims: TokenClaims?, project: ProjectID?, since: Since?
    ) {
        clients[index].flags.insert(.upgraded)
        metrics.connections += 1
        metrics.connectionsOpened += 1
        if clients[index].flags.contains(.deflates) { metrics.connectionsCompressing += 1 }
        fillAllowance(of: index)
        if let claims {
            authenticate(index, claims)
            if let project { subscribe(index, to: project, since: since, .silence) }
        } else {
            clients[index].phase = .awaitingInit
            clients[index].requestedProject = project
            countAsUnauthenticated(index)
            clients[index].deadlineTick = TimerWheel.tick(
                settings.initTimeoutNanoseconds, after: now)
        }
        // The first ping comes at a random moment, so that those who came together in a storm
        // aren't pinged together for ever.
        let interval = settings.pingIntervalNanoseconds
        let phase = interval / 2 + jitter.next() % max(interval / 2, 1)
        clients[index].pingTick = TimerWheel.tick(phase, after: now)
        scheduleVisit(of: index)
        let peer = clients[index].peer
        log.clientOpened(
            connection: connectionNumber(of: index), user: claims?.user,
            address: peer.description,
            total: Int(metrics.connections), at: now)
    }

    /// The project of the query; `nil` without one.
    private mutating func projectOfQuery(
        _ query: Query, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> ProjectID? {
        guard query.projectID.isPresent else { return nil }
        text.removeAll()
        Query.append(query.projectID, of: bytes, to: &text)
        guard let project = ProjectID(text.bytes) else {
            throw .badRequest("projectId is not a UUID")
        }
        return project
    }

    /// From where the client resumes; `nil` for one that comes anew.
    private mutating func sinceOfQuery(
        _ query: Query, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> Since? {
        guard query.since.isPresent else { return nil }
        text.removeAll()
        Query.append(query.since, of: bytes, to: &text)
        return Since(text.bytes)
    }

    /// Puts the request's token into `token`: from the header first, then from the subprotocols,
    /// then from the query. Returns whether there is one.
    mutating func readToken(
        _ head: RequestHead, _ query: Query, _ subprotocols: SubprotocolOffer,
        in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> Bool {
        token.removeAll()
        if let bearer = try AuthorizationHeader.bearer(of: head, in: bytes) {
            token.append(bytes.extracting(bearer))
            return true
        }
        if let bearer = subprotocols.bearer {
            token.append(bytes.extracting(bearer))
            return true
        }
        guard query.token.isPresent else { return false }
        guard settings.queryToken else {
            throw HTTPError(.invalidToken, "a token in the query is not accepted here")
        }
        Query.append(query.token, of: bytes, to: &token)
        return true
    }

    /// Checks `token`; what is wrong with it is left in `text` for the answer.
    mutating func verifyToken(refusing index: ClientIndex) throws(HTTPError) -> TokenClaims {
        do throws(TokenError) {
            return try verifier.verify(token, at: wall)
        } catch {
            text.removeAll()
            error.writeMessage(to: &text)
            throw error.isTemporary ? .tokenUncheckable : .tokenRefused
        }
    }

    // MARK: Answers

    /// Queues an answer whose body is in `text`.
    mutating func respond(
        _ status: HTTPStatus, _ type: ContentType, as form: ResponseForm, to index: ClientIndex
    ) {
        frame.removeAll()
        ResponseWriter.write(status, type, body: text, as: form, into: &frame)
        finishResponse(keepAlive: form.keepAlive, to: index)
    }

    /// Queues a refusal. One that quotes what is wrong with a token has it in `text`.
    mutating func refuse(_ index: ClientIndex, _ error: HTTPError, as form: ResponseForm) {
        var form = form
        if endsAfterRefusal(index) { form.keepAlive = false }
        let label = RefusalLabel(error.kind)
        metrics.handshakesRefused[label] += 1
        frame.removeAll()
        if error.kind == .refusedToken {
            ResponseWriter.write(error, message: text, as: form, into: &frame)
        } else {
            ResponseWriter.write(error, as: form, into: &frame)
        }
        let peer = clients[index].peer
        log.handshakeRefused(
            label, detail: "\(error.message)", address: peer.description, at: now)
        finishResponse(keepAlive: form.keepAlive && !error.closesConnection, to: index)
    }

    /// Refuses a client that hasn't sent a whole request in time.
    mutating func refuseLateRequest(_ index: ClientIndex) {
        refuse(index, .timeout, as: .closing)
    }

    /// Refuses, in the clear, a client that speaks no TLS where it is spoken.
    mutating func refuseUnencrypted(_ index: ClientIndex) {
        refuse(index, .badRequest("this port speaks TLS: use https or wss"), as: .closing)
    }

    private mutating func finishResponse(keepAlive: Bool, to index: ClientIndex) {
        guard queueResponse(to: index) else { return }
        clients[index].flags.insert(.answered)
        if keepAlive && drain == nil {
            clients[index].deadlineTick = TimerWheel.tick(
                Limits.httpIdleSecondsMax * 1_000_000_000, after: now)
        } else {
            beginDraining(index)
        }
    }
}

extension HTTPError {
    fileprivate static var draining: HTTPError {
        .unavailable("the server is shutting down", retryAfterSeconds: 1)
    }
    fileprivate static var full: HTTPError {
        .unavailable("the server has no place left", retryAfterSeconds: 5)
    }
    static var membershipUncheckable: HTTPError {
        .unavailable("the membership cannot be checked at present", retryAfterSeconds: 2)
    }
    fileprivate static var tokenUncheckable: HTTPError {
        .unavailable("the token cannot be checked at present", retryAfterSeconds: 5)
    }
    /// The message beside it says what is wrong.
    fileprivate static var tokenRefused: HTTPError {
        HTTPError(.refusedToken, "the token is not valid")
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
