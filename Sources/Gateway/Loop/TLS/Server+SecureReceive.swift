internal import Reactor

// TLS clients: from ciphertext to what the core reads.
extension Server {
    // Hot path.
    mutating func receiveSecurely(from index: ClientIndex) {
        let phase = core.clients[index].phase
        guard phase != .closed, let isEstablished = secure?.isEstablished(index) else { return }
        if !isEstablished, phase == .request, secure?.clients.handshakeNanoseconds == 0 {
            // epoll reports it again in the next turn, which comes at once.
            core.metrics.tls.handshakesDeferred += 1
            return
        }
        let descriptor = core.clients[index].descriptor
        let bytesMax = secureReceiveBytes()
        switch secure?.clients.sessions.receive(from: descriptor, atMost: bytesMax) {
        case .bytes:
            // A failed session has nobody to read for.
            guard isEstablished || phase == .request else { return }
            if isEstablished || handshake(index) {
                let began = Clock.monotonic()
                read(index)
                secure?.clients.spendReading(Clock.monotonic().nanoseconds(since: began))
            }
        case .wouldBlock, nil:
            break
        case .endOfStream:
            let keepsMore = secure?.clients.keepsCiphertext(of: index) ?? false
            if !isEstablished, phase == .request { core.metrics.tls.failures[.abandoned] += 1 }
            core.receiveEnd(from: index, keepsMore: keepsMore)
        case .failed:
            if !isEstablished, phase == .request { core.metrics.tls.failures[.abandoned] += 1 }
            core.connectionLost(index)
        }
    }

    // MARK: The handshake

    /// Goes on with the client's handshake, which begins with its first bytes: whoever connects and
    /// says nothing costs no session. Returns whether it is over and well.
    private mutating func handshake(_ index: ClientIndex) -> Bool {
        let began = Clock.monotonic()
        defer { secure?.clients.spendHandshake(Clock.monotonic().nanoseconds(since: began)) }
        guard begin(index), let result = secure?.clients.sessions.handshake(index) else {
            return false
        }
        switch result {
        case .established:
            core.metrics.tls.handshakes += 1
            if secure?.clients.sessions.isResumed(index) == true {
                core.metrics.tls.resumptions += 1
            }
        case .needsMore:
            break
        case .failed(let fault):
            secureSessionFailed(index, fault)
            return false
        }
        keepOutput(of: index)
        return result == .established
    }

    private mutating func begin(_ index: ClientIndex) -> Bool {
        guard secure?.clients.sessions.exists(index) == false else { return true }
        do throws(TLSSetupFailure) {
            try secure?.clients.accept(index)
            return true
        } catch {
            core.log.failed("a TLS session", error: error.description)
            core.connectionLost(index)
            return false
        }
    }

    // MARK: Records

    /// Whoever sends many small records makes others wait for their decryption: when they have taken
    /// enough of a turn, everybody is still heard in it, but little of each.
    private mutating func secureReceiveBytes() -> Int {
        guard secure?.clients.readNanoseconds == 0 else { return .max }
        core.metrics.tls.readsShortened += 1
        return Limits.secureReceiveBytesOfMany
    }

    // Hot path.
    /// Reads everything that was received: the session holds no decrypted byte afterwards.
    private mutating func read(_ index: ClientIndex) {
        while core.clients[index].phase != .closed {
            // Behind it there must be room for a whole record.
            if core.pausedByteCount(of: index) > area.leftoverCapacity { core.cannotKeep(index) }
            core.restoreLeftover(of: index, to: &area)
            guard area.room >= TLSSessionTable.recordBytesMax else {
                // Only a client that is paused, and goes on talking, has so much left over.
                core.cannotKeep(index)
                continue
            }
            switch secure?.clients.sessions.read(index, into: &area) {
            case .bytes(let count):
                Self.receive(count, in: &area, from: index, core: &core)
            case .control:
                core.metrics.tls.controlRecords += 1
            case .needsMore, nil:
                keepOutput(of: index)
                return
            case .endOfStream:
                keepOutput(of: index)
                core.receiveSecureEnd(from: index)
                return
            case .failed(let fault):
                secureSessionFailed(index, fault)
                return
            }
        }
        secure?.clients.sessions.truncateOutput(to: 0)
    }

    /// What a session wrote while it read goes out in the flush, like everything.
    private mutating func keepOutput(of index: ClientIndex) {
        guard let count = secure?.clients.sessions.outputCount, count > 0 else { return }
        let isKept = secure?.clients.keep(0..<count, of: index) ?? false
        secure?.clients.sessions.truncateOutput(to: 0)
        if isKept { core.noteOutput(for: index) } else { core.connectionLost(index) }
    }

    // MARK: Failure

    private mutating func secureSessionFailed(_ index: ClientIndex, _ fault: TLSFault) {
        core.metrics.tls.failures[TLSFailureLabel(fault.kind)] += 1
        let peer = core.clients[index].peer
        core.log.secureFailed(
            detail: fault.description, address: peer.description, at: core.clock.now)
        secure?.clients.sessions.remove(index)
        if fault.kind == .plaintext, core.clients[index].phase == .request {
            secure?.clients.sessions.truncateOutput(to: 0)
            core.refusePlaintext(index)
            return
        }
        // The alert that tells the peer why.
        keepOutput(of: index)
        core.secureSessionFailed(index)
    }
}

extension SecureClients {
    fileprivate mutating func accept(_ index: ClientIndex) throws(TLSSetupFailure) {
        try sessions.accept(index, context)
    }

    /// Takes what a handshake cost off the turn's budget.
    fileprivate mutating func spendHandshake(_ nanoseconds: UInt64) {
        handshakeNanoseconds -= min(handshakeNanoseconds, nanoseconds)
    }

    /// Takes what reading records cost off the turn's budget.
    fileprivate mutating func spendReading(_ nanoseconds: UInt64) {
        readNanoseconds -= min(readNanoseconds, nanoseconds)
    }

    mutating func beginTurn() {
        handshakeNanoseconds = Limits.handshakeNanosecondsPerTurn
        readNanoseconds = Limits.secureReadNanosecondsPerTurn
    }
}
