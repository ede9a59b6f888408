package import Reactor

// How a connection begins.
extension Core {
    /// Takes in an accepted connection. Returns `nil` when even the places for refusals are taken,
    /// those of its address or of all: then the caller closes it, which is all that can be done.
    ///
    /// - Parameter address: where it comes from; `nil` over a Unix socket.
    package mutating func admit(
        descriptor: Int32, from address: SocketAddress?, at listener: ListenerRole
    ) -> ClientIndex? {
        let peer = address.map(NetworkAddress.init) ?? .local
        let flags: ClientFlags = listener == .admin ? [.admin] : []
        let deadline = TimerWheel.tick(settings.handshakeTimeoutNanoseconds, after: now)
        let client = Client(
            descriptor: descriptor, peer: peer, flags: flags, nowTick: nowTick,
            deadlineTick: deadline)
        guard let index = clients.insert(client) else {
            metrics.connectionsDropped[.places] += 1
            return nil
        }
        if listener == .public, !beginLimits(of: index, from: address) {
            clients.remove(index)
            return nil
        }
        timers.schedule(index, at: deadline)
        noteInterest(of: index)
        return index
    }

    /// Puts the client in the list of those whose interest is compared with what is registered.
    mutating func noteInterest(of index: ClientIndex) {
        guard !clients[index].flags.contains(.interestListed) else { return }
        clients[index].flags.insert(.interestListed)
        interestChanged.append(index)
    }

    /// The next client whose interest may have changed, taken out of the list.
    package mutating func nextInterestChange() -> ClientIndex? {
        guard let index = interestChanged.removeLast() else { return nil }
        clients[index].flags.remove(.interestListed)
        return index
    }

    /// What the client's descriptor should be watched for.
    package func interest(of index: ClientIndex) -> Interest {
        let flags = clients[index].flags
        var interest: Interest = []
        if flags.isDisjoint(with: [.readEnded, .awaitsMembership]) { interest.insert(.read) }
        if flags.contains(.blocked) { interest.insert(.write) }
        return interest
    }

    /// Where the connection comes from, as limits and logs see it.
    package func clientAddress(of index: ClientIndex) -> NetworkAddress {
        clients[index].peer
    }

    /// The id under which the connection is known to its client, and in `origin`: no two
    /// connections of all gateways share one.
    func connectionID(of index: ClientIndex) -> UUID {
        UUID(high: settings.processNonce, low: clients.handle(of: index, kind: 0).raw)
    }

    /// The connection as logs name it.
    func connectionNumber(of index: ClientIndex) -> UInt64 {
        clients.handle(of: index, kind: 0).raw
    }
}
