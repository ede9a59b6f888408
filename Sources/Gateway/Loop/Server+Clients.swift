internal import Reactor

// Clients' sockets: accepting, receiving, watching, closing.
extension Server {
    // MARK: Accepting

    /// How long nobody is accepted after descriptors ran out: trying again at once would find the
    /// same, in a loop that spins.
    private static let acceptPauseNanoseconds: UInt64 = 1_000_000_000

    /// Takes in those who wait at a door, within the turn's budget.
    mutating func acceptClients(at role: ListenerRole) {
        for _ in 0..<Limits.acceptsPerTurn {
            switch door(role, { $0.socket.accept() }) {
            case .accepted(let descriptor, let address):
                guard let index = core.admit(descriptor: descriptor, from: address, at: role)
                else {
                    ClientSocket.close(descriptor)
                    continue
                }
                if secure != nil, role == .public { core.speaksTLS(index) }
                // Most have sent their request by now, and are answered without a round of epoll.
                takeBytes(from: index)
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

    private func door<Result>(_ role: ListenerRole, _ body: (borrowing Door) -> Result) -> Result {
        role == .admin ? body(adminDoor) : body(publicDoor)
    }

    private mutating func pauseAccepting(at role: ListenerRole, _ error: Errno) {
        core.metrics.acceptPauses += 1
        core.log.acceptPaused(
            error, connections: Int(core.metrics.connections), at: core.now)
        let until = core.now.advanced(byNanoseconds: Self.acceptPauseNanoseconds)
        switch role {
        case .public: publicDoor.pausedUntil = until
        case .admin: adminDoor.pausedUntil = until
        }
        watchDoor(role, [])
    }

    /// Opens the doors again whose pause is over.
    mutating func resumeAccepting() {
        if let until = publicDoor.pausedUntil, until <= core.now {
            publicDoor.pausedUntil = nil
            watchDoor(.public, .read)
        }
        if let until = adminDoor.pausedUntil, until <= core.now {
            adminDoor.pausedUntil = nil
            watchDoor(.admin, .read)
        }
    }

    private func watchDoor(_ role: ListenerRole, _ interest: Interest) {
        let kind: HandleKind = role == .admin ? .adminListener : .publicListener
        let handle = Handle(kind: kind.rawValue, index: 0, generation: 0)
        do throws(Errno) {
            try poller.modify(
                door(role) { $0.socket.descriptor }, handle: handle, interest: interest)
        } catch {
            // EPOLL_CTL_MOD of a registered descriptor needs no memory: this is a bug.
            preconditionFailure("a listener can't be watched: \(error)")
        }
    }

    // MARK: Receiving

    // Hot path.
    mutating func takeClient(_ handle: Handle, _ readiness: Readiness) {
        // A handle is stale when its client was freed after epoll reported it; that is normal.
        guard let index = core.clients.index(of: handle) else { return }
        if readiness.isWritable { core.becameWritable(index) }
        if core.clients[index].flags.contains(.awaitsMembership) {
            // Nothing is read of it now; what epoll reports unasked is that it is gone.
            if readiness.isBroken { core.connectionFailed(index) }
            return
        }
        if readiness.isReadable { takeBytes(from: index) }
    }

    // Hot path.
    private mutating func takeBytes(from index: ClientIndex) {
        guard core.takesBytes(of: index) else { return }
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
        guard core.clients[index].phase != .gone else { return }
        core.restoreLeftover(of: index, to: &area)
        guard area.hasRoomToReceive else {
            // What was held while it waited, and the wait is over; epoll reports the rest again.
            Self.receive(0, in: &area, from: index, core: &core)
            return
        }
        switch area.receive(from: core.clients[index].descriptor) {
        case .bytes(let count):
            Self.receive(count, in: &area, from: index, core: &core)
        case .wouldBlock:
            break
        case .endOfStream:
            core.receiveEnded(from: index)
        case .failed:
            core.connectionFailed(index)
        }
    }

    /// Takes what there is of a PROXY header out of the socket, and nothing of what follows it: that
    /// is read by whoever comes next, when epoll reports it again.
    private mutating func receiveProxyHeader(from index: ClientIndex) {
        guard core.clients[index].phase != .gone else { return }
        core.restoreLeftover(of: index, to: &area)
        let leftoverCount = area.count
        let descriptor = core.clients[index].descriptor
        switch area.peek(at: descriptor, atMost: ProxyHeader.byteCountMax) {
        case .bytes:
            let count = Self.takeProxyHeader(
                in: &area, leftoverCount: leftoverCount, from: index, core: &core)
            area.discard(count, of: descriptor)
        case .wouldBlock:
            break
        case .endOfStream:
            core.receiveEnded(from: index)
        case .failed:
            core.connectionFailed(index)
        }
    }

    private static func takeProxyHeader(
        in area: inout ReceiveArea, leftoverCount: Int, from index: ClientIndex, core: inout Core
    ) -> Int {
        let bytes = area.bytes
        return core.takeProxyHeader(in: bytes.span, leftoverCount: leftoverCount, from: index)
    }

    /// Takes in what clients sent behind messages that waited for an answer.
    mutating func resumeClients() {
        while let index = core.nextResumed() {
            core.restoreLeftover(of: index, to: &area)
            Self.receive(0, in: &area, from: index, core: &core)
        }
    }

    /// The bytes are a span of the area, so the area and the core are passed apart.
    static func receive(
        _ count: Int, in area: inout ReceiveArea, from index: ClientIndex, core: inout Core
    ) {
        var bytes = area.bytes
        core.receive(&bytes, received: count, from: index)
    }

    // MARK: Watching

    /// Tells epoll what changed, once for each client however often it did.
    mutating func applyInterests() {
        for position in 0..<core.interestChanged.count {
            let index = core.interestChanged[position]
            core.clients[index].flags.remove(.interestListed)
            guard core.clients[index].phase != .gone else { continue }
            applyInterest(of: index)
        }
        core.interestChanged.removeAll()
    }

    private mutating func applyInterest(of index: ClientIndex) {
        let client = core.clients[index]
        let wanted = core.interest(of: index)
        let isRegistered = client.flags.contains(.registered)
        if isRegistered, wanted == client.flags.registeredInterest { return }
        let handle = core.clients.handle(of: index, kind: HandleKind.client.rawValue)
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
            core.connectionFailed(index)
        }
    }

    // MARK: Closing

    /// Closes what ended in this turn or before, within the turn's budget.
    mutating func freeClosed() {
        for _ in 0..<Limits.closesPerTurn {
            if secure != nil, let index = core.nextToFree {
                secure?.forget(index, in: &core.segments)
            }
            guard let descriptor = core.freeNext() else { break }
            ClientSocket.close(descriptor)
        }
        guard let first = core.returnMemoryOfTheGone() else { return }
        secure?.returnMemory(from: first)
    }
}
