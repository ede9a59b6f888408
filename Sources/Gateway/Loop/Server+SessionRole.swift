internal import Reactor

// Who has the sessions with the database: what the parent says, and what follows without its word.
extension Server {
    /// The parent says who leads, over this socket.
    mutating func share(by control: consuming OwnedDescriptor) throws(Errno) {
        try watch(control.raw, as: .sessionControl)
        sharing.control = consume control
        core.database.sharesSessions = true
        core.database.role = .waiting
        sessions.isRelayed = true
        sharing.waitsUntil = core.clock.now.advanced(
            byNanoseconds: DatabaseLimits.leaderWaitNanoseconds)
    }

    mutating func setRole(_ role: SessionRole) {
        guard core.database.role != role else { return }
        core.database.role = role
        core.log.sessionsAre(role)
    }

    // MARK: What the parent says

    mutating func sessionControlReady() {
        while let descriptor = controlDescriptor {
            switch DescriptorPacket.receive(from: descriptor) {
            case .wouldBlock: return
            case .over:
                // The parent is gone, and this process soon will be.
                sharing.control = nil
            case .packet(let packet): receive(packet)
            }
        }
    }

    private var controlDescriptor: Int32? {
        switch sharing.control {
        case .some(let control): control.raw
        case .none: nil
        }
    }

    private mutating func receive(_ packet: consuming DescriptorPacket) {
        var packet = packet
        guard let control = SessionControl(packet.bytes) else { return }
        if control.kind == .lead { lead(control.generation) }
        guard let socket = packet.takeDescriptor() else { return }
        switch control.kind {
        case .follow: follow(control.generation, over: socket)
        case .follower:
            guard core.database.role == .leader, control.generation == sharing.generation else {
                return
            }
            adopt(socket)
        case .lead, .leaderIsSilent, .linkHasEnded: return
        }
    }

    /// Leads from here on. Sessions of its own go on.
    private mutating func lead(_ generation: UInt32) {
        sharing.generation = generation
        removeFollowers()
        if !core.database.role.hasSessions {
            dropLeader(.handedOver)
            openOwnSessions()
        }
        setRole(.leader)
    }

    private mutating func follow(_ generation: UInt32, over socket: consuming OwnedDescriptor) {
        sharing.generation = generation
        if core.database.role.hasSessions {
            closeOwnSessions()
        } else {
            dropLeader(.handedOver)
        }
        sharing.waitsUntil = nil
        sharing.reportAt = nil
        guard follow(over: socket) else {
            openOwnSessions()
            return
        }
        setRole(.follower)
    }

    // MARK: Sessions of its own

    mutating func openOwnSessions() {
        sharing.waitsUntil = nil
        sharing.reportAt = nil
        sessions.isRelayed = false
        setRole(.own)
        startSessions()
    }

    private mutating func closeOwnSessions() {
        removeFollowers()
        let now = core.clock.now
        listenerDid(sessions.listener.close(.handedOver, now))
        queriesDid(sessions.queries.session.close(.handedOver, now))
        readsDid(sessions.reads.session.close(.handedOver, now))
        sessions.isRelayed = true
    }

    // MARK: Time

    mutating func runSharingTimers() {
        let now = core.clock.now
        if let due = sharing.beatAt, due <= now { relayStatus() }
        if let due = sharing.silenceDeadline, due <= now { listenToSilentLeader() }
        if let due = sharing.reportAt, due <= now { report() }
        // Nobody says who leads: better sessions too many than a worker that hears nothing.
        if let due = sharing.waitsUntil, due <= now { openOwnSessions() }
    }

    /// A process that was stopped itself (SIGSTOP) may find out that time has passed before it finds out what has come:
    /// a stop ends epoll_wait(2) without an event.
    private mutating func listenToSilentLeader() {
        leaderReady()
        guard let due = sharing.silenceDeadline, due <= core.clock.now else { return }
        leaderIsLost(.leaderIsSilent)
    }

    private mutating func report() {
        sharing.reportAt = nil
        guard let descriptor = controlDescriptor else { return }
        let kind: SessionControl.Kind = sharing.isLeaderSilent ? .leaderIsSilent : .linkHasEnded
        // Without room for it the parent hangs, and the time to wait runs.
        _ = DescriptorPacket.send(
            SessionControl(kind, sharing.generation).bytes, to: descriptor)
    }
}
