internal import Reactor

// What the database sessions ask of the loop, and what the loop asks of them.
extension Server {
    mutating func startDatabase() {
        // Not all gateways in the same moment.
        let delay = jitter.next() % DatabaseLimits.pruneIntervalNanoseconds
        sessions.pruneAt = core.clock.now.advanced(byNanoseconds: delay)
        if core.database.role.hasSessions { startSessions() }
    }

    mutating func startSessions() {
        listenerDid(sessions.listener.start(core.clock.now))
        queriesDid(sessions.queries.start(core.clock.now))
        readsDid(sessions.reads.start(core.clock.now))
    }

    mutating func queriesReady() {
        guard sessions.logins.admits(sessions.queries.phase, core.clock.now) else { return }
        queriesDid(sessions.queries.ready(core.clock.now))
    }

    mutating func hostsResolved() {
        guard let hosts = sessions.dequeueResolvedHosts() else { return }
        if sessions.listener.needsResolution {
            listenerDid(sessions.listener.resolved(hosts, core.clock.now))
        }
        if sessions.queries.needsResolution {
            queriesDid(sessions.queries.resolved(hosts, core.clock.now))
        }
        if sessions.reads.needsResolution {
            readsDid(sessions.reads.resolved(hosts, core.clock.now))
        }
    }

    mutating func runDatabaseTimers() {
        runSessionTimers()
        runCanary()
        if !sessions.isRelayed { prune() }
        runSharingTimers()
        core.expireReads()
    }

    private mutating func runSessionTimers() {
        guard !sessions.isRelayed, !sessions.logins.hasPostponed(core.clock.now) else { return }
        if let deadline = sessions.listener.deadline, deadline <= core.clock.now {
            listenerDid(sessions.listener.timer(core.clock.now))
        }
        if let deadline = sessions.queries.deadline, deadline <= core.clock.now {
            queriesDid(sessions.queries.timer(core.clock.now))
        }
        if let deadline = sessions.reads.deadline, deadline <= core.clock.now {
            readsDid(sessions.reads.timer(core.clock.now))
        }
    }

    // MARK: What became of a call

    mutating func queriesDid(_ event: DatabaseEvent) {
        act(on: event)
        while let answer = sessions.queries.dequeueAnswer() {
            handle(answer)
            act(on: sessions.queries.continueReading(core.clock.now))
        }
        apply(
            sessions.queries.registration, instead: sessions.queriesRegistration,
            kind: .querySession)
        sessions.queriesRegistration = sessions.queries.registration
        sessions.resolveIfNeeded()
    }

    /// Hands an answer of a session to who asked.
    mutating func handle(_ answer: consuming QueryAnswer) {
        if let follower = answer.follower {
            relay(answer, to: follower)
            return
        }
        switch answer.query {
        case .path, .resources: preconditionFailure("the session reads this answer itself")
        case .members: handleMembers(answer)
        case .canary: handleCanary(answer.outcome)
        case .events: handleEvents(answer.outcome, tag: answer.tag)
        case .prune: handlePruned(answer.outcome)
        case .expire: handleExpired(answer.outcome, tag: answer.tag)
        case .directSend, .directSendOne, .directAck, .directRead, .directInbox, .directPrune:
            handleDirect(answer)
        }
    }

    mutating func act(on event: DatabaseEvent) {
        switch event {
        case .none: break
        case .live:
            core.database.answersQueries = true
            noteResources()
            relayStatus()
            sessions.canary.hurry(core.clock.now)
        case .lost(let loss):
            core.database.answersQueries = false
            // A canary under way may not have been sent. A server that stands still, though, is
            // silent to both, and what fails after that says nothing new.
            if case .closed = loss { sessions.canary.forget() }
            core.log.queriesLost(
                error: loss.description, advice: loss.advice, at: core.clock.now)
            relayStatus()
        case .resources: noteResources()
        case .refused(let error):
            core.log.refused("a statement of the query session", error, at: core.clock.now)
        }
    }

    /// What the session reads in the catalogue as it begins and now and then. Whether memberships can
    /// be asked for is tried as well, by asking about nobody: a right may be there for one column.
    private mutating func noteResources() {
        core.tablesAre(sessions.queries.tables)
        relayTables()
        if let fault = sessions.queries.membersFault {
            core.membersAre(fault: fault)
        } else if core.settings.checksMembership {
            probeMembers()
        }
    }

    /// Tells epoll what a session wants to be told. libpq closes its sockets itself, and opens
    /// others that may have the same number: adding is tried first.
    func apply(
        _ wanted: DatabaseRegistration?, instead old: DatabaseRegistration?, kind: HandleKind
    ) {
        guard let wanted, wanted != old else { return }
        let handle = Handle(kind: kind.rawValue, index: 0, generation: 0)
        var interest: Interest = []
        if wanted.wantsRead { interest.insert(.read) }
        if wanted.wantsWrite { interest.insert(.write) }
        do throws(Errno) {
            do throws(Errno) {
                try poller.add(wanted.descriptor, handle: handle, interest: interest)
            } catch  where error == .alreadyExists {
                try poller.modify(wanted.descriptor, handle: handle, interest: interest)
            }
        } catch {
            // Without it the session hears nothing, runs into its own deadline and tries again.
            core.log.failed("epoll_ctl for the database", error: error.description)
        }
    }
}
