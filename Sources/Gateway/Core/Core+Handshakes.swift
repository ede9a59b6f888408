internal import Reactor

// The limits on who comes in: at accept, at the handshake, when a user is known, at the end.
extension Core {
    // MARK: Addresses

    /// Takes in an accepted connection of the public listener: says which proxy it comes from, what
    /// its first bytes are, and counts it.
    ///
    /// - Returns: `false` when the caller has to close it at once.
    mutating func beginLimits(of index: ClientIndex, from address: SocketAddress?) -> Bool {
        if admission.limits.expectsProxyHeader {
            guard let address, admission.limits.trustedProxies.contains(address) else {
                metrics.proxyFaults[.untrusted] += 1
                let peer = clients[index].peer
                log.proxyFault(
                    "PROXY header from an address that is not trusted",
                    address: peer.description, at: now)
                return false
            }
            clients[index].phase = .proxyHeader
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

    /// Counts a connection whose address is known. Returns whether it may stay.
    mutating func countForAddress(_ index: ClientIndex) -> Bool {
        switch admission.addConnection(of: clients[index].peer) {
        case .admitted:
            clients[index].allowance.marks.insert(.countedForAddress)
            return true
        case .overLimit:
            clients[index].allowance.marks.insert([.countedForAddress, .isOverAddressLimit])
            return true
        case .dropped:
            metrics.connectionsDropped[.address] += 1
            return false
        }
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
        takeForwardedAddress(of: head, in: bytes, from: index)
        try refuseCrowd(index)
        let wait = admission.takeHandshake(of: clients[index].peer, at: now)
        guard wait == 0 else {
            metrics.limitsReached[.handshakeRate] += 1
            throw .tooManyHandshakes(retryAfterNanoseconds: wait)
        }
    }

    /// Whether a refusal is the end of the connection: the address that a proxy named was one
    /// request's, and the next request on the connection may be another's.
    func endsAfterRefusal(_ index: ClientIndex) -> Bool {
        clients[index].allowance.marks.contains(.isForwarded)
    }

    /// Refuses whatever a connection asks for that is one too many of its address.
    mutating func refuseCrowd(_ index: ClientIndex) throws(HTTPError) {
        guard clients[index].allowance.marks.contains(.isOverAddressLimit) else { return }
        metrics.limitsReached[.address] += 1
        throw .tooManyOfAddress
    }

    private mutating func takeForwardedAddress(
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
            endAddressCount(of: index)
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

    /// Refuses a handshake of a user who has as many connections as one may have.
    mutating func admitUser(_ user: UserID) throws(HTTPError) {
        guard admission.hasPlace(for: user) else {
            metrics.limitsReached[.user] += 1
            throw .tooManyOfUser
        }
    }

    /// Closes a connection whose user, known by `init`, has as many as one may have. Returns whether
    /// it stays.
    mutating func admitUser(_ user: UserID, byInitOn index: ClientIndex) -> Bool {
        guard !clients[index].allowance.marks.contains(.countedForUser),
            !admission.hasPlace(for: user)
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

    // MARK: Counting

    /// The WebSocket has yet to say who it is.
    mutating func countAsUnauthenticated(_ index: ClientIndex) {
        clients[index].allowance.marks.insert(.countedAsUnauthenticated)
        admission.addUnauthenticated()
    }

    /// The WebSocket is its user's from here on; a second time changes nothing.
    mutating func countForUser(_ index: ClientIndex) {
        if clients[index].allowance.marks.contains(.countedAsUnauthenticated) {
            clients[index].allowance.marks.remove(.countedAsUnauthenticated)
            admission.removeUnauthenticated()
        }
        guard !clients[index].allowance.marks.contains(.countedForUser),
            admission.addConnection(of: clients[index].user)
        else { return }
        clients[index].allowance.marks.insert(.countedForUser)
    }

    /// The connection is no longer its address's.
    private mutating func endAddressCount(of index: ClientIndex) {
        clients[index].allowance.marks.remove(.isOverAddressLimit)
        guard clients[index].allowance.marks.remove(.countedForAddress) != nil else { return }
        admission.removeConnection(of: clients[index].peer)
    }

    /// The connection is over.
    mutating func endLimits(of index: ClientIndex) {
        endAddressCount(of: index)
        let marks = clients[index].allowance.marks
        clients[index].allowance.marks = []
        if marks.contains(.countedForUser) {
            admission.removeConnection(of: clients[index].user)
        }
        if marks.contains(.countedAsUnauthenticated) { admission.removeUnauthenticated() }
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
