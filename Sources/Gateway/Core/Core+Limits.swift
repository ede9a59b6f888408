internal import Reactor

// The limits on who comes in and on what a client may do: `Admission` decides, and here whoever is
// concerned is notified.
extension Core {
    // MARK: Addresses

    /// Begins to count an accepted connection of the public listener: says which proxy it comes from,
    /// and what its first bytes are.
    ///
    /// - Returns: `false` when the caller has to close it at once.
    mutating func beginLimits(of index: ClientIndex, from address: SocketAddress?) -> Bool {
        if admission.limits.expectsProxyHeader {
            guard let address, admission.limits.trustedProxies.contains(address) else {
                metrics.proxyFaults[.untrusted] += 1
                let peer = clients[index].peer
                log.proxyFault(
                    "PROXY header from an address that is not trusted",
                    address: peer.description, at: clock.now)
                return false
            }
            _ = clients[index].handle(.proxyHeaderAwaited)
            return true
        }
        return countUnlessTrusted(index, address)
    }

    /// The same for the address that a PROXY header names, in place of the balancer's.
    mutating func beginLimits(
        of index: ClientIndex, onBehalfOf address: SocketAddress
    ) -> Bool {
        clients[index].peer = NetworkAddress(address)
        return countUnlessTrusted(index, address)
    }

    private mutating func countUnlessTrusted(
        _ index: ClientIndex, _ address: SocketAddress?
    ) -> Bool {
        if let address, admission.limits.trustedProxies.contains(address) {
            // It will say in the request for whom it comes.
            clients[index].allowance.marks.insert(.fromTrustedProxy)
            return true
        }
        return countForAddress(index)
    }

    private mutating func countForAddress(_ index: ClientIndex) -> Bool {
        let peer = clients[index].peer
        let isCounted = admission.countForAddress(peer, &clients[index].allowance)
        if !isCounted { metrics.connectionsDropped[.address] += 1 }
        return isCounted
    }

    // MARK: The handshake

    /// Refuses a handshake of a site, or of an address, that may make none. The proxy's word for
    /// who that is holds from here on.
    mutating func admitHandshake(
        of head: RequestHead, in bytes: borrowing Span<UInt8>, from index: ClientIndex
    ) throws(HTTPError) {
        do throws(HTTPError) {
            try admission.limits.origins.check(head, in: bytes)
        } catch {
            if error.kind == .forbidden { metrics.limitsReached[.origin] += 1 }
            throw error
        }
        readForwardedAddress(of: head, in: bytes, from: index)
        try refuseCrowd(index)
        guard clients[index].allowance.marks.remove(.hasPaidHandshake) == nil else { return }
        let wait = admission.countHandshake(of: clients[index].peer, at: clock.now)
        guard wait == 0 else {
            metrics.limitsReached[.handshakeRate] += 1
            throw .tooManyHandshakes(retryAfterNanoseconds: wait)
        }
    }

    /// Counts a TLS handshake, which is as dear as ten upgrades, before anything is computed for it. It
    /// pays for the connection's upgrade as well. Returns whether it may go on; if not, the connection
    /// is over: nothing can be said that its client would understand.
    package mutating func admitSecureHandshake(of index: ClientIndex) -> Bool {
        let marks = clients[index].allowance.marks
        // For whom a trusted proxy comes it says in a request.
        guard marks.isDisjoint(with: [.fromTrustedProxy, .hasPaidHandshake]) else { return true }
        guard admission.countHandshake(of: clients[index].peer, at: clock.now) == 0 else {
            metrics.connectionsDropped[.handshakes] += 1
            connectionLost(index)
            return false
        }
        clients[index].allowance.marks.insert(.hasPaidHandshake)
        return true
    }

    /// Whether a refusal is the end of the connection: the address that a proxy named was one
    /// request's, and the next request on the connection may be another's.
    func endsAfterRefusal(_ index: ClientIndex) -> Bool {
        clients[index].allowance.marks.contains(.isForwarded)
    }

    /// Refuses whatever a connection asks for that is one too many, of its address or of all.
    mutating func refuseCrowd(_ index: ClientIndex) throws(HTTPError) {
        if !findPlace(for: index) { throw .full }
        guard clients[index].allowance.marks.contains(.isOverAddressLimit) else { return }
        metrics.limitsReached[.address] += 1
        throw .tooManyOfAddress
    }

    private mutating func readForwardedAddress(
        of head: RequestHead, in bytes: borrowing Span<UInt8>, from index: ClientIndex
    ) {
        guard clients[index].allowance.marks.contains(.fromTrustedProxy),
            !clients[index].allowance.marks.contains(.isForwarded)
        else { return }
        let forwarded = ForwardedFor(
            of: head, in: bytes, trusting: admission.limits.trustedProxies)
        switch forwarded {
        case .absent: break
        case .invalid: metrics.proxyFaults[.forwardedFor] += 1
        case .client(let address):
            // An earlier request on the connection named nobody, and was counted as the proxy's.
            admission.endCountForAddress(clients[index].peer, &clients[index].allowance)
            clients[index].peer = NetworkAddress(address)
            clients[index].allowance.marks.insert(.isForwarded)
        }
        guard !clients[index].allowance.marks.contains(.countedForAddress) else { return }
        // One that would be dropped at accept gets an answer here, since it is a request already.
        if !countForAddress(index) {
            clients[index].allowance.marks.insert(.isOverAddressLimit)
        }
    }

    // MARK: Users

    /// Refuses a request of a user who has as many connections as one may have.
    mutating func admitUser(_ user: UserID) throws(HTTPError) {
        guard admission.hasPlace(for: user, elsewhere: connectionsElsewhere(of: user)) else {
            metrics.limitsReached[.user] += 1
            throw .tooManyOfUser
        }
    }

    /// Closes a connection whose user, known by `init`, has as many as one may have. Returns whether
    /// it stays.
    mutating func admitUser(_ user: UserID, byInitOn index: ClientIndex) -> Bool {
        guard !clients[index].allowance.marks.contains(.countedForUser),
            !admission.hasPlace(for: user, elsewhere: connectionsElsewhere(of: user))
        else { return true }
        closeForAWhile(
            index, .tooManyConnectionsOfUser, because: .user,
            milliseconds: Limits.crowdRetryMilliseconds)
        return false
    }

    /// Refuses a handshake without a token when too many have yet to show theirs.
    mutating func admitUnauthenticated() throws(HTTPError) {
        guard admission.hasPlaceForUnauthenticated else {
            metrics.limitsReached[.unauthenticated] += 1
            throw .tooManyUnauthenticated
        }
    }

    // MARK: Messages

    // Hot path.
    /// Counts one message, or one ping. A client whose allowance is used up is closed.
    /// Returns whether the message is to be looked at.
    mutating func admitMessage(from index: ClientIndex) -> Bool {
        if clients[index].phase == .awaitingInit { return admitStrangerMessage(from: index) }
        if admission.countMessage(&clients[index].allowance) { return true }
        closeForAWhile(
            index, .messageRate, because: .messageRate,
            milliseconds: Limits.rateRetryMilliseconds)
        return false
    }

    private mutating func admitStrangerMessage(from index: ClientIndex) -> Bool {
        if admission.countStrangerMessage(&clients[index].allowance) { return true }
        close(
            index, .initTimeout, "no valid init among the first messages", keepsQueue: true)
        return false
    }

    /// Counts an error that the client was notified of; after the last one it is closed.
    /// What isn't the client's doing costs it nothing.
    mutating func countError(_ code: ErrorCode, of index: ClientIndex) {
        guard code.isClientsFault, !admission.countError(&clients[index].allowance) else { return }
        closeForAWhile(
            index, .messageRate, because: .errorRate,
            milliseconds: Limits.rateRetryMilliseconds)
    }

    /// Closes with `{"retry_after_ms":N}` as the reason, behind what waits.
    mutating func closeForAWhile(
        _ index: ClientIndex, _ code: CloseCode, because limit: LimitLabel, milliseconds: UInt32
    ) {
        guard clients[index].isOpenForMessages else { return }
        metrics.limitsReached[limit] += 1
        let peer = clients[index].peer
        log.limitReached(
            limit, connection: clients.number(of: index), address: peer.description, at: clock.now)
        var message = outbox.message()
        message.text.append(#"{"retry_after_ms":"#)
        message.text.append(decimal: UInt64(milliseconds))
        message.text.append("}")
        message.writeCloseWithText(code)
        close(index, code, with: message, keepsQueue: true)
    }
}

extension ErrorCode {
    /// Whether a client that behaves never gets it.
    fileprivate var isClientsFault: Bool {
        switch self {
        case .badMessage, .unknownType, .invalidProject, .invalidCursor, .badToken,
            .notAuthenticated, .forbidden, .notSubscribed, .tooManyProjects, .tooLarge:
            true
        case .membershipRevoked, .projectDeleted, .presenceOff, .directOff, .notAllowed, .inboxFull,
            .tooFast, .unavailable:
            false
        }
    }
}

extension HTTPError {
    fileprivate static var tooManyOfAddress: HTTPError {
        var error = HTTPError(.tooManyConnections, "too many connections from this address")
        error.retryAfterSeconds = Limits.crowdRetrySeconds
        return error
    }

    fileprivate static var tooManyOfUser: HTTPError {
        var error = HTTPError(.tooManyConnections, "too many connections of this user")
        error.retryAfterSeconds = Limits.crowdRetrySeconds
        return error
    }

    fileprivate static func tooManyHandshakes(
        retryAfterNanoseconds nanoseconds: UInt64
    ) -> HTTPError {
        var error = HTTPError(.tooManyConnections, "too many handshakes from this address")
        error.retryAfterSeconds = UInt16(clamping: nanoseconds / 1_000_000_000 + 1)
        return error
    }

    fileprivate static var tooManyUnauthenticated: HTTPError {
        .unavailable(
            "too many connections have yet to show their token",
            retryAfterSeconds: Limits.unauthenticatedRetrySeconds)
    }
}
