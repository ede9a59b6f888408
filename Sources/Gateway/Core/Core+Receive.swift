package import Reactor

// Bytes in, up to the frame or request that they are.
extension Core {
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
