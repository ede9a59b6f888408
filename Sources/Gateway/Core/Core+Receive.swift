package import Reactor

// Bytes in, up to the frame or request that they are.
extension Core {
    /// Puts what the client left over the last time to the front of `area`.
    package func restoreLeftover(of index: ClientIndex, to area: inout ReceiveArea) {
        clients.inbox.restore(clients[index].leftover, to: &area)
    }

    // Hot path.
    /// Reads the client's bytes: what it had left over, and `received` new ones behind.
    package mutating func receive(
        _ bytes: inout MutableSpan<UInt8>, received: Int, from index: ClientIndex
    ) {
        metrics.receivedBytes &+= UInt64(received)
        noteHeard(index)
        clients.releaseLeftover(of: index)
        var position = 0
        // Each round reads something or ends the loop: a request or a frame at a time.
        while position < bytes.count {
            guard !clients[index].isPaused else { break }
            switch clients[index].phase {
            case .proxyHeader:
                preconditionFailure("what comes before a PROXY header was taken for a request")
            case .request:
                guard receiveRequest(in: bytes.span, at: &position, from: index) else {
                    keep(bytes.span, from: position, of: index)
                    return
                }
            case .awaitingInit, .open, .closing:
                guard receiveFrame(in: &bytes, at: &position, from: index) else {
                    keep(bytes.span, from: position, of: index)
                    return
                }
            case .draining, .finished, .flushing, .closed:
                return  // Nothing that still comes is of interest.
            }
        }
        if position < bytes.count { keep(bytes.span, from: position, of: index) }
    }

    // Hot path.
    /// The client is alive, and has what time has brought it since it was last heard of.
    mutating func noteHeard(_ index: ClientIndex) {
        let earlier = clients[index].heardTick
        admission.refill(&clients[index].allowance, since: earlier, at: clock.tick)
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

    /// Bytes that are kept of a client while it is paused.
    package func pausedByteCount(of index: ClientIndex) -> Int {
        clients.pausedByteCount(of: index)
    }

    /// The next client that was paused and whose bytes can be read: `restoreLeftover`, then `receive`
    /// with nothing new.
    package mutating func dequeueUnpaused() -> ClientIndex? { clients.dequeueUnpaused() }

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

    // MARK: Signatures

    /// Whether bytes of the client are read in this turn.
    ///
    /// Signatures of public keys cost so much that a turn has a share of them. Who comes when it is
    /// used up waits in its socket, and epoll reports it again in the next turn: only those who may be
    /// about to show a token for the first time. Who has waited for half of the time it has is heard
    /// all the same, and told to come back (503).
    package mutating func mayReceive(from index: ClientIndex) -> Bool {
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
}
