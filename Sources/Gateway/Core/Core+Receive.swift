package import Reactor

// Bytes in: whose are read in this turn, and whose in a later one; then up to the frame or request
// that they are.
extension Core {
    // MARK: Whose turn it is

    // Hot path.
    /// Whether a client of which epoll tells is heard now. If not, it is told of by `dequeueTurn` when
    /// its turn has come, in this turn of the loop or a later one; until then epoll doesn't watch it.
    package mutating func mayReceive(from index: ClientIndex) -> Bool {
        let client = clients[index]
        // Of a PROXY header only its own bytes are taken, by a reader of its own.
        if client.flags.contains(.admin) || client.phase == .proxyHeader { return true }
        let share = clients.share(of: index)
        if budget.hasLeft(share), !clients.hasWaiting(share), maySign(index) { return true }
        metrics.waits[WaitLabel(share)] += 1
        clients.awaitTurn(index, hasUnread: false)
        return false
    }

    /// The next client whose turn it is among those who wait.
    ///
    /// When `hasUnread`, what is kept of it is read and nothing else: `restoreLeftover`, then
    /// `receive` with nothing new.
    package mutating func dequeueTurn() -> ClientIndex? {
        dequeueTurn(of: .members) ?? dequeueTurn(of: .strangers)
    }

    private mutating func dequeueTurn(of share: TurnShare) -> ClientIndex? {
        while budget.serves(share), let index = clients.firstWaiting(share), maySign(index) {
            clients.endTurn(share)
            budget.noteServed(share)
            // Its leftover can't be read yet when something else holds it up.
            if !clients[index].isPaused { return index }
        }
        return nil
    }

    /// Whether bytes are kept of the client that were never looked at.
    package func hasUnread(_ index: ClientIndex) -> Bool {
        clients[index].flags.contains(.hasUnread)
    }

    // Hot path.
    /// Whose share of the turn pays for hearing the client.
    package func share(of index: ClientIndex) -> TurnShare { clients.share(of: index) }

    // Hot path.
    /// Takes what hearing somebody has cost off the turn.
    package mutating func spend(_ nanoseconds: UInt64, of share: TurnShare) {
        budget.spend(nanoseconds, of: share)
    }

    /// Whether the client can have a signature checked, if that is what it is about to ask for.
    ///
    /// Signatures of public keys cost so much that a turn has a share of them, whatever they are
    /// needed for. Who has waited for half of the time it has is heard all the same, and told to come
    /// back (503).
    private mutating func maySign(_ index: ClientIndex) -> Bool {
        guard verifier.costlyChecksLeft < KeyRing.triesMax else { return true }
        let client = clients[index]
        let patience: UInt64
        switch client.phase {
        case .request where client.flags.contains(.admin):
            return true
        case .request:
            patience = settings.times.handshakeNanoseconds / 2
        case .awaitingInit:
            patience = settings.times.initNanoseconds / 2
        case .proxyHeader, .open, .closing, .draining, .finished, .flushing, .closed:
            return true
        }
        guard client.deadlineTick > clock.tick(afterNanoseconds: patience) else { return true }
        metrics.verificationsDeferred += 1
        return false
    }

    // MARK: What is read

    /// Puts what the client left over the last time to the front of `area`.
    package func restoreLeftover(of index: ClientIndex, to area: inout ReceiveArea) {
        clients.inbox.restore(clients[index].leftover, to: &area)
    }

    // Hot path.
    /// Reads the client's bytes: what it had left over, and `received` new ones behind. When they make
    /// more work than a client may in a row, the rest is kept until it is its turn again.
    ///
    /// - Returns: nanoseconds of work, as estimated.
    @discardableResult
    package mutating func receive(
        _ bytes: inout MutableSpan<UInt8>, received: Int, from index: ClientIndex
    ) -> UInt64 {
        metrics.receivedBytes &+= UInt64(received)
        noteHeard(index)
        clients.beginReading(index)
        work = 0
        var position = 0
        // Each round reads something or ends the loop: a request or a frame at a time.
        while position < bytes.count {
            guard !clients[index].isPaused else { break }
            guard work < settings.turn.clientNanoseconds else {
                keepUnread(bytes.span, from: position, of: index)
                return work
            }
            switch clients[index].phase {
            case .proxyHeader:
                preconditionFailure("what comes before a PROXY header was taken for a request")
            case .request:
                guard receiveRequest(in: bytes.span, at: &position, from: index) else {
                    keep(bytes.span, from: position, of: index)
                    return work
                }
            case .awaitingInit, .open, .closing:
                guard receiveFrame(in: &bytes, at: &position, from: index) else {
                    keep(bytes.span, from: position, of: index)
                    return work
                }
            case .draining, .finished, .flushing, .closed:
                return work  // Nothing that still comes is of interest.
            }
        }
        if position < bytes.count { keep(bytes.span, from: position, of: index) }
        return work
    }

    // Hot path.
    /// The client is alive, and has what time has brought it since it was last heard of.
    mutating func noteHeard(_ index: ClientIndex) {
        let earlier = clients[index].heardTick
        // Before it has said who it is, time brings it nothing.
        if clients[index].phase != .awaitingInit {
            admission.refill(&clients[index].allowance, since: earlier, at: clock.tick)
        }
        clients[index].heardTick = clock.tick
    }

    // MARK: Bytes that wait inside

    /// Keeps what can't be read yet: half of something, or all that came behind a message that waits
    /// for an answer.
    private mutating func keep(
        _ bytes: borrowing Span<UInt8>, from position: Int, of index: ClientIndex
    ) {
        if !clients.keepLeftover(bytes, from: position, of: index) { cannotKeep(index) }
    }

    /// Keeps what could be read, until all others were heard.
    private mutating func keepUnread(
        _ bytes: borrowing Span<UInt8>, from position: Int, of index: ClientIndex
    ) {
        keep(bytes, from: position, of: index)
        guard clients[index].phase != .closed else { return }
        metrics.waits[WaitLabel(clients.share(of: index))] += 1
        clients.awaitTurn(index, hasUnread: true)
    }

    /// There is no room inside for what the client has sent.
    package mutating func cannotKeep(_ index: ClientIndex) {
        metrics.limitsReached[.memory] += 1
        clients.releaseLeftover(of: index)
        switch clients[index].phase {
        case .request, .proxyHeader: connectionLost(index)
        case .awaitingInit, .open, .closing:
            fail(index, .tooSlow, "there is no room for what was sent")
        case .draining, .finished, .flushing, .closed: break
        }
    }

    // MARK: Before everything else

    /// Whether the connection's next bytes belong to a PROXY header.
    package func awaitsProxyHeader(_ index: ClientIndex) -> Bool {
        clients[index].phase == .proxyHeader
    }

    /// Reads the PROXY header in `bytes`: what was left over the last time, and what the socket holds
    /// behind it.
    ///
    /// - Parameter leftoverCount: how many of the bytes were left over.
    /// - Returns: how many bytes the caller has to discard from the socket: those of the header, and
    ///   not one of what follows it, which may be TLS.
    package mutating func receiveProxyHeader(
        in bytes: borrowing Span<UInt8>, leftoverCount: Int, from index: ClientIndex
    ) -> Int {
        clients.releaseLeftover(of: index)
        let received = bytes.count - leftoverCount
        switch ProxyHeader(bytes) {
        case .incomplete:
            keep(bytes, from: 0, of: index)
            return received
        case .complete(let byteCount, let source):
            _ = clients[index].handle(.proxyHeaderReceived)
            clients[index].heardTick = clock.tick
            // Without a source it is the balancer's own connection, which isn't counted.
            if let source, !beginLimits(of: index, onBehalfOf: source) { connectionLost(index) }
            // Less than the whole header was there before, or it would have been read then.
            return byteCount - leftoverCount
        case .malformed(let fault):
            metrics.proxyFaults[.header] += 1
            let peer = clients[index].peer
            log.proxyFault(fault.text, address: peer.description, at: clock.now)
            connectionLost(index)
            return received
        }
    }
}
