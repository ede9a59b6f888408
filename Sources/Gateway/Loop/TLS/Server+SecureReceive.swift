internal import Reactor

// TLS clients: from ciphertext to what the core reads.
extension Server {
    // Hot path.
    mutating func receiveSecurely(from index: ClientIndex) {
        let phase = core.clients[index].phase
        guard phase != .closed, let isEstablished = secure?.isEstablished(index) else { return }
        let descriptor = core.clients[index].descriptor
        switch secure?.clients.sessions.receive(
            from: descriptor, atMost: Limits.secureReceiveBytes)
        {
        case .bytes:
            // A failed session has nobody to read for.
            guard isEstablished || phase == .request else { return }
            if isEstablished || handshake(index) { read(index) }
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

    /// Counts a handshake that waits for others to be heard.
    mutating func noteHandshakeDeferred(of index: ClientIndex) {
        guard core.clients[index].flags.contains(.tls),
            secure?.clients.sessions.isEstablished(index) == false
        else { return }
        core.metrics.tls.handshakesDeferred += 1
    }

    /// Goes on with the client's handshake, which begins with its first bytes: whoever connects and
    /// says nothing costs no session. Returns whether it is over and well.
    private mutating func handshake(_ index: ClientIndex) -> Bool {
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
        guard core.admitSecureHandshake(of: index) else { return false }
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

    // Hot path.
    /// Decrypts everything that was received, so that the session holds no decrypted byte afterwards, and
    /// reads it.
    private mutating func read(_ index: ClientIndex) {
        core.restoreLeftover(of: index, to: &area)
        var count = 0
        while true {
            // There is room for half of a request, for the record that was begun before, and for what
            // one receive holds (`Limits.check`).
            switch secure?.clients.sessions.read(index, into: &area) {
            case .bytes(let byteCount):
                count += byteCount
            case .control:
                core.metrics.tls.controlRecords += 1
            case .needsMore, nil:
                deliver(count, from: index)
                keepOutput(of: index)
                return
            case .endOfStream:
                deliver(count, from: index)
                keepOutput(of: index)
                core.receiveSecureEnd(from: index)
                return
            case .failed(let fault):
                deliver(count, from: index)
                secureSessionFailed(index, fault)
                return
            }
        }
    }

    // Hot path.
    private mutating func deliver(_ count: Int, from index: ClientIndex) {
        guard count > 0 else { return }
        Self.receive(count, in: &area, from: index, core: &core)
    }

    /// What a session wrote while it read goes out in the flush, like everything.
    private mutating func keepOutput(of index: ClientIndex) {
        guard let count = secure?.clients.sessions.outputCount, count > 0 else { return }
        guard core.clients[index].phase != .closed else {
            secure?.clients.sessions.truncateOutput(to: 0)
            return
        }
        let isKept = secure?.clients.keep(0..<count, of: index) ?? false
        secure?.clients.sessions.truncateOutput(to: 0)
        if isKept { core.noteOutput(for: index) } else { core.connectionLost(index) }
    }

    // MARK: Failure

    private mutating func secureSessionFailed(_ index: ClientIndex, _ fault: TLSFault) {
        core.metrics.tls.failures[TLSFailureLabel(fault.kind)] += 1
        guard core.clients[index].phase != .closed else {
            secure?.clients.sessions.truncateOutput(to: 0)
            return
        }
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
}
