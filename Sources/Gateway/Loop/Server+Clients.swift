internal import Reactor

// Clients' sockets: accepting, receiving, watching, closing.
extension Server {
    // MARK: Accepting

    /// How long nobody is accepted after descriptors ran out: trying again at once would find the
    /// same, in a loop that spins.
    private static let acceptPauseNanoseconds: UInt64 = 1_000_000_000

    /// Accepts those who wait at a listener, within the turn's budget.
    mutating func acceptClients(at role: ListenerRole) {
        let budget = role == .admin ? Limits.adminAcceptsPerTurn : Limits.acceptsPerTurn
        for position in 0..<budget {
            if let index = core.connectionToGiveWay(at: role) {
                // For the first, somebody waits: epoll said so, and says it again in the next turn.
                if position == 0 { core.giveWay(index) }
                return
            }
            switch listener(role, { $0.socket.accept() }) {
            case .accepted(let descriptor, let address):
                guard let index = core.admit(descriptor: descriptor, from: address, at: role)
                else {
                    ClientSocket.close(descriptor)
                    continue
                }
                if secure != nil, role == .public { core.beginTLS(index) }
                // Most have sent their request by now, and are answered without a round of epoll.
                receiveBytes(from: index)
            case .aborted:
                continue
            case .wouldBlock:
                return
            case .exhausted(let error):
                pauseAccepting(at: role, error)
                return
            }
        }
    }

    private func listener<Result>(_ role: ListenerRole, _ body: (borrowing Listener) -> Result)
        -> Result
    {
        role == .admin ? body(adminListener) : body(publicListener)
    }

    private mutating func pauseAccepting(at role: ListenerRole, _ error: Errno) {
        core.metrics.acceptPauses += 1
        core.log.acceptPaused(
            error, connections: Int(core.metrics.connections), at: core.clock.now)
        let until = core.clock.now.advanced(byNanoseconds: Self.acceptPauseNanoseconds)
        switch role {
        case .public: publicListener.pausedUntil = until
        case .admin: adminListener.pausedUntil = until
        }
        watchListener(role, [])
    }

    /// Accepts again where the pause is over.
    mutating func resumeAccepting() {
        if let until = publicListener.pausedUntil, until <= core.clock.now {
            publicListener.pausedUntil = nil
            watchListener(.public, .read)
        }
        if let until = adminListener.pausedUntil, until <= core.clock.now {
            adminListener.pausedUntil = nil
            watchListener(.admin, .read)
        }
    }

    private func watchListener(_ role: ListenerRole, _ interest: Interest) {
        let kind: HandleKind = role == .admin ? .adminListener : .publicListener
        let handle = Handle(kind: kind.rawValue, index: 0, generation: 0)
        do throws(Errno) {
            try poller.modify(
                listener(role) { $0.socket.descriptor }, handle: handle, interest: interest)
        } catch {
            // EPOLL_CTL_MOD of a registered descriptor needs no memory: this is a bug.
            preconditionFailure("a listener can't be watched: \(error)")
        }
    }

    // MARK: Receiving

    // Hot path.
    mutating func clientReady(_ handle: Handle, _ readiness: Readiness) {
        // A handle is stale when its client was freed after epoll reported it; that is normal.
        guard let index = core.clients.index(of: handle) else { return }
        if readiness.isWritable { core.becameWritable(index) }
        if core.isPaused(index) {
            // Nothing is read of it now; what epoll reports unasked is that it is over.
            if readiness.isBroken { core.connectionLost(index) }
            return
        }
        if readiness.isReadable { receiveBytes(from: index) }
    }

    // Hot path.
    private mutating func receiveBytes(from index: ClientIndex) {
        guard core.mayReceive(from: index) else {
            noteHandshakeDeferred(of: index)
            return
        }
        hear(index)
    }

    // Hot path.
    /// Reads what the client has sent, at the cost of its share of the turn.
    private mutating func hear(_ index: ClientIndex) {
        let share = core.share(of: index)
        let began = Clock.monotonic()
        if core.hasUnread(index) {
            receiveUnread(from: index)
        } else {
            receiveFromSocket(of: index)
        }
        core.spend(Clock.monotonic().nanoseconds(since: began), of: share)
    }

    // Hot path.
    private mutating func receiveFromSocket(of index: ClientIndex) {
        if core.awaitsProxyHeader(index) {
            receiveProxyHeader(from: index)
        } else if core.clients[index].flags.contains(.tls) {
            receiveSecurely(from: index)
        } else {
            receive(from: index)
        }
    }

    // Hot path.
    private mutating func receive(from index: ClientIndex) {
        guard core.clients[index].phase != .closed else { return }
        core.restoreLeftover(of: index, to: &area)
        switch area.receive(from: core.clients[index].descriptor) {
        case .bytes(let count):
            Self.receive(count, in: &area, from: index, core: &core)
        case .wouldBlock:
            break
        case .endOfStream:
            core.receiveEnd(from: index)
        case .failed:
            core.connectionLost(index)
        }
    }

    /// Receives what there is of a PROXY header from the socket, and nothing of what follows it: that
    /// is read by whoever comes next, when epoll reports it again.
    private mutating func receiveProxyHeader(from index: ClientIndex) {
        guard core.clients[index].phase != .closed else { return }
        core.restoreLeftover(of: index, to: &area)
        let leftoverCount = area.count
        let descriptor = core.clients[index].descriptor
        switch area.peek(at: descriptor, atMost: ProxyHeader.byteCountMax) {
        case .bytes:
            let count = Self.receiveProxyHeader(
                in: &area, leftoverCount: leftoverCount, from: index, core: &core)
            area.discard(count, of: descriptor)
        case .wouldBlock:
            break
        case .endOfStream:
            core.receiveEnd(from: index)
        case .failed:
            core.connectionLost(index)
        }
    }

    private static func receiveProxyHeader(
        in area: inout ReceiveArea, leftoverCount: Int, from index: ClientIndex, core: inout Core
    ) -> Int {
        let bytes = area.bytes
        return core.receiveProxyHeader(in: bytes.span, leftoverCount: leftoverCount, from: index)
    }

    package mutating func receiveUnpaused() {
        while let index = core.dequeueTurn() { hear(index) }
    }

    /// Reads what was kept of the client; what it has sent since, epoll reports.
    private mutating func receiveUnread(from index: ClientIndex) {
        core.restoreLeftover(of: index, to: &area)
        Self.receive(0, in: &area, from: index, core: &core)
    }

    /// The bytes are a span of the area, so the area and the core are passed apart.
    static func receive(
        _ count: Int, in area: inout ReceiveArea, from index: ClientIndex, core: inout Core
    ) {
        var bytes = area.bytes
        core.receive(&bytes, received: count, from: index)
    }

    // MARK: Watching

    package mutating func applyInterests() {
        while let index = core.dequeueInterestChange() {
            guard core.clients[index].phase != .closed else { continue }
            applyInterest(of: index)
        }
    }

    private mutating func applyInterest(of index: ClientIndex) {
        let client = core.clients[index]
        let wanted = core.interest(of: index)
        let isRegistered = client.flags.contains(.registered)
        if isRegistered, wanted == client.flags.registeredInterest { return }
        let handle = core.clients.handle(of: index)
        do throws(Errno) {
            if isRegistered {
                try poller.modify(client.descriptor, handle: handle, interest: wanted)
            } else {
                try poller.add(client.descriptor, handle: handle, interest: wanted)
            }
            core.clients[index].flags.insert(.registered)
            core.clients[index].flags.registeredInterest = wanted
        } catch {
            // ENOSPC or ENOMEM: a client that can't be watched can't be served.
            core.log.failed("epoll_ctl", error: error.description)
            core.connectionLost(index)
        }
    }

    // MARK: Closing

    /// Within the turn's budget.
    package mutating func freeClosed() {
        var portion = TurnPortion(
            pieces: Limits.closesPerTurn, nanoseconds: Limits.closeNanosecondsPerTurn,
            from: Clock.monotonic())
        while portion.takesPiece(at: Clock.monotonic()) {
            if secure != nil, let index = core.nextToFree { secure?.forget(index) }
            guard let descriptor = core.freeNext() else { break }
            ClientSocket.close(descriptor)
        }
        guard let first = core.returnMemory() else { return }
        secure?.returnMemory(from: first)
    }
}
