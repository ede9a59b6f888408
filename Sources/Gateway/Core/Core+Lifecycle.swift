package import Reactor

// How a connection begins, what time does to it, and how it ends.
extension Core {
    // MARK: The beginning

    /// Takes in an accepted connection. Returns `nil` when even the places for refusals are taken,
    /// those of its address or of all: then the caller closes it, which is all that can be done.
    ///
    /// - Parameter address: where it comes from; `nil` over a Unix socket.
    package mutating func admit(
        descriptor: Int32, from address: SocketAddress?, at listener: ListenerRole
    ) -> ClientIndex? {
        let peer = address.map(NetworkAddress.init) ?? .local
        let flags: ClientFlags = listener == .admin ? [.admin] : []
        guard let queue = arrivalQueue(at: listener),
            let index = clients.insert(descriptor: descriptor, peer: peer, flags: flags, clock)
        else {
            metrics.connectionsDropped[.places] += 1
            return nil
        }
        clients.arrivals.append(index, to: queue, at: clock.tick)
        if queue == .refusals { clients[index].allowance.marks.insert(.isOverPlaces) }
        if listener == .public, !beginLimits(of: index, from: address) {
            clients.withdraw(index)
            return nil
        }
        clients.scheduleVisit(of: index, clock)
        clients.noteInterest(of: index)
        return index
    }

    /// From here on the client's bytes are ciphertext.
    package mutating func beginTLS(_ index: ClientIndex) {
        clients[index].flags.insert(.tls)
    }

    // MARK: Closing a WebSocket

    /// Closes a WebSocket with a code of our own: the Close frame is queued, and the peer has a
    /// while to answer it.
    ///
    /// - Parameter keepsQueue: whether what waits is still sent before the Close frame.
    mutating func close(
        _ index: ClientIndex, _ code: CloseCode, _ reason: StaticString, keepsQueue: Bool
    ) {
        var message = outbox.message()
        message.writeClose(code, reason)
        close(index, code, with: message, keepsQueue: keepsQueue)
    }

    /// The same with a Close frame that is written already.
    mutating func close(
        _ index: ClientIndex, _ code: CloseCode, with message: consuming OutgoingMessage,
        keepsQueue: Bool
    ) {
        let duties = clients[index].handle(.closeSent)
        perform(duties, for: index, code, last: message, keepsQueue: keepsQueue)
    }

    /// Fails the WebSocket (RFC 6455 §7.1.7): the peer broke the protocol, so nothing that it
    /// still sends is read as frames.
    mutating func fail(_ index: ClientIndex, _ code: CloseCode, _ reason: StaticString) {
        var message = outbox.message()
        message.writeClose(code, reason)
        let duties = clients[index].handle(.protocolViolated)
        perform(duties, for: index, code, last: message, keepsQueue: false)
    }

    /// The peer's Close: answered with the same code unless ours went out before; then it is over
    /// (RFC 6455 §5.5.1, §7.1).
    mutating func receiveClose(_ close: ClosePayload, from index: ClientIndex) {
        if case .malformed(let code, let reason) = close, clients[index].phase != .closing {
            fail(index, code, reason)
            return
        }
        var message = outbox.message()
        message.writeClose(close.answer)
        let duties = clients[index].handle(.closeReceived)
        perform(duties, for: index, close.answer, last: message, keepsQueue: false)
    }

    // MARK: Other ends

    /// The peer has ended its direction.
    ///
    /// - Parameter keepsMore: whether something waits for the client besides its queue.
    package mutating func receiveEnd(from index: ClientIndex, keepsMore: Bool = false) {
        let hasOutput = !clients[index].queue.isEmpty || keepsMore
        let duties = clients[index].handle(.endReceived(hasOutput: hasOutput))
        if duties.contains(.free) {
            free(index)
        } else if clients[index].phase == .flushing {
            stopReading(index)
        }
    }

    /// The peer's close_notify: it sends nothing more, and awaits ours (RFC 8446 §6.1). What answers
    /// it, such as our Close frame, still goes out; broadcasts don't.
    package mutating func receiveSecureEnd(from index: ClientIndex) {
        let duties = clients[index].handle(.secureEndReceived)
        guard !duties.isEmpty else { return }
        guard !duties.contains(.free) else {
            free(index)
            return
        }
        stopReading(index)
        perform(duties, for: index, keepsQueue: true)
        outbox.seal(&clients[index].queue)
    }

    /// The client's TLS session has failed: nothing can be said to it any more but the alert, which
    /// the caller keeps. Nothing that waits may go out: it isn't encrypted.
    package mutating func secureSessionFailed(_ index: ClientIndex) {
        let duties = clients[index].handle(.secureSessionFailed)
        guard !duties.isEmpty else { return }
        perform(duties, for: index, keepsQueue: true)
        outbox.dropAll(&clients[index].queue)
        outbox.seal(&clients[index].queue)
    }

    /// The connection failed: a reset, or a send or receive that can't succeed any more.
    package mutating func connectionLost(_ index: ClientIndex) {
        if clients[index].handle(.connectionLost).contains(.free) { free(index) }
    }

    /// Lets what is queued go out, ends our direction, and waits for the peer to end its own.
    mutating func endAfterAnswer(_ index: ClientIndex) {
        let duties = clients[index].handle(.lastAnswerQueued)
        perform(duties, for: index, keepsQueue: true)
        outbox.seal(&clients[index].queue)
    }

    private mutating func stopReading(_ index: ClientIndex) {
        clients[index].flags.insert(.readEnded)
        // An answer that comes too late must not find a client to open.
        endWait(of: index)
        clients.noteInterest(of: index)
    }

    // MARK: What a change of phase asks for

    /// - Parameter last: the Close frame, when one is to be queued.
    private mutating func perform(
        _ duties: ClientLifecycle.Duties, for index: ClientIndex, _ code: CloseCode? = nil,
        last: consuming OutgoingMessage? = nil, keepsQueue: Bool
    ) {
        if duties.contains(.endMessages) {
            endWait(of: index)
            if let code { clients[index].closeCode = code.rawValue }
            endSubscriptions(of: index)
            dropQueue(of: index, keepsOwn: keepsQueue)
            clients[index].queue.marks.remove(.collapsed)
        }
        if let message = consume last {
            if duties.contains(.queueClose) {
                outbox.queueLast(message, for: index, &clients[index].queue, clock)
            } else {
                outbox.discard(message)
            }
        }
        if duties.contains(.setCloseDeadline) {
            clients.setDeadline(
                of: index, nanoseconds: settings.times.closeNanoseconds, clock)
        }
        if duties.contains(.flush) { outbox.markDirty(index, &clients[index].queue) }
    }

    /// Gives back what belongs to a connection that is over.
    private mutating func free(_ index: ClientIndex) {
        endWait(of: index)
        endSubscriptions(of: index)
        outbox.end(&clients[index].queue)
        let client = clients[index]
        admission.endCounts(client.peer, client.user, &clients[index].allowance)
        clients.close(index)
        if client.flags.contains(.upgraded) { countClosed(index) }
    }

    /// It leaves all projects, and waits for none any more.
    private mutating func endSubscriptions(of index: ClientIndex) {
        endPresenceAtClose(of: index)
        hub.leaveAll(index)
        direct.remove(index)
        history.reads.removeAll(of: clients.handle(of: index))
    }

    private mutating func countClosed(_ index: ClientIndex) {
        let client = clients[index]
        // 1006: no Close frame was seen (RFC 6455 §7.4.1).
        let code = client.closeCode == 0 ? 1_006 : client.closeCode
        let openNanoseconds =
            UInt64(clock.tick &- client.openedTick) * TimerWheel.tickNanoseconds
        metrics.connections -= 1
        if client.flags.contains(.deflates) { metrics.connectionsCompressing -= 1 }
        metrics.connectionsClosed[CloseLabel(closeCode: code)] += 1
        metrics.connectionDuration.observe(nanoseconds: openNanoseconds)
        log.clientClosed(
            connection: clients.number(of: index), code: code,
            openNanoseconds: openNanoseconds, total: Int(metrics.connections), at: clock.now)
    }

    // MARK: Time

    /// Looks at the clients whose time has come. Returns whether some had to be put off.
    package mutating func runTimers(heardEveryone: Bool) -> Bool {
        let hasMore = runPresenceTimers()
        var visits = 0
        while visits < Limits.timerVisitsPerTurn {
            guard let index = clients.dequeueDue(clock) else { return hasMore }
            let deadline = clients.deadline(of: index, heardEveryone: heardEveryone, clock)
            act(on: deadline, of: index)
            clients.scheduleVisit(of: index, clock)
            visits += 1
        }
        return true
    }

    private mutating func act(on deadline: ClientDeadline, of index: ClientIndex) {
        switch deadline {
        case .nothing: break
        case .stalled:
            if clients[index].closeCode == 0 {
                clients[index].closeCode = CloseCode.tooSlow.rawValue
            }
            connectionLost(index)
        case .proxyHeaderLate:
            metrics.proxyFaults[.late] += 1
            connectionLost(index)
        case .requestLate: refuseLateRequest(index)
        case .idle, .closeLate: connectionLost(index)
        case .initLate: close(index, .initTimeout, "no init in time", keepsQueue: true)
        case .tokenExpired: close(index, .tokenExpired, "the token has expired", keepsQueue: true)
        case .silent: close(index, .readTimeout, "nothing heard", keepsQueue: false)
        case .pingDue:
            // A client for which something waits already has enough to answer.
            guard clients[index].queue.isEmpty else { break }
            outbox.queueKeepalive(for: index, &clients[index].queue, clock)
        }
    }

    // MARK: Freeing

    /// Connections that are over and not yet freed.
    package var closedCount: Int { clients.closedCount }

    /// The connection that `freeNext` would free.
    package var nextToFree: ClientIndex? { clients.nextToFree }

    /// The descriptor of the next connection to free; the slot is free afterwards.
    package mutating func freeNext() -> Int32? { clients.freeNext() }

    /// After a crowd has left, its memory goes back to the kernel.
    ///
    /// Returns the first slot of which nothing is kept any more; `nil` when nothing was given back.
    package mutating func returnMemory() -> Int? {
        guard let first = clients.returnMemory() else { return nil }
        hub.returnMemory(from: first)
        presence.returnMemory(from: first)
        outbox.segments.returnMemory()
        return first
    }

    // MARK: Interest

    /// The next client whose interest may have changed, taken out of the list.
    package mutating func dequeueInterestChange() -> ClientIndex? {
        clients.dequeueInterestChange()
    }

    /// What the client's descriptor should be watched for.
    package func interest(of index: ClientIndex) -> Interest { clients[index].interest }

    /// Where the connection comes from, as limits and logs see it.
    package func clientAddress(of index: ClientIndex) -> NetworkAddress { clients[index].peer }

    /// Whether nothing is read of the client for now.
    package func isPaused(_ index: ClientIndex) -> Bool { clients[index].isPaused }
}
