internal import Reactor

// One turn of the loop, and with it the program; the order of its phases stands in `TurnPhases`.
extension Server {
    /// Returns whether there is a next turn.
    mutating func turn() throws(Errno) -> Bool {
        eventCount = try poller.wait(nanoseconds: patience())
        let began = Clock.monotonic()
        core.beginTurn(now: began, wall: Timestamp(microseconds: Clock.wallMicroseconds()))
        secure?.beginTurn()

        runInboundPhases()
        runOutboundPhases()

        core.metrics.loopTurn.observe(nanoseconds: Clock.monotonic().nanoseconds(since: began))
        core.checkInvariants()
        return !isOver
    }

    /// How long the turn may wait for events: not at all while work is left over from the last one,
    /// else until the next deadline of anybody. `nil` when there is none.
    private mutating func patience() -> UInt64? {
        let nearest = nanosecondsUntilNextDeadline()
        timersDue = nearest.map { core.clock.now.advanced(byNanoseconds: $0) }
        if hasMoreNotifications || hasMoreTimers || core.hasWorkLeft { return 0 }
        if !core.isCatchingUp && !sessions.backlog.isEmpty { return 0 }
        return nearest
    }

    private mutating func nanosecondsUntilNextDeadline() -> UInt64? {
        var nearest = core.clients.nanosecondsUntilNextVisit(core.clock)
        shorten(&nearest, to: sessions.deadline)
        shorten(&nearest, to: core.membershipDeadline)
        shorten(&nearest, to: core.readsDeadline)
        shorten(&nearest, to: drainDeadline)
        shorten(&nearest, to: publicListener.pausedUntil)
        shorten(&nearest, to: adminListener.pausedUntil)
        return nearest
    }

    private func shorten(_ nanoseconds: inout UInt64?, to deadline: Instant?) {
        guard let deadline else { return }
        nanoseconds = min(nanoseconds ?? .max, deadline.nanoseconds(since: core.clock.now))
    }

    private var isOver: Bool {
        endsAtOnce || core.drain != nil && drainDeadline == nil
    }
}

extension Server: TurnPhases {
    package mutating func receiveReady() {
        for position in 0..<eventCount {
            let handle = poller.handle(at: position)
            let readiness = poller.readiness(at: position)
            switch HandleKind(rawValue: handle.kind) {
            case .client: clientReady(handle, readiness)
            case .publicListener: acceptClients(at: .public)
            case .adminListener: acceptClients(at: .admin)
            case .signals: receiveSignals()
            case .listenerSession: listenerReady()
            case .querySession: queriesReady()
            case .resolver: hostsResolved()
            case nil: preconditionFailure("epoll reported a handle that was never registered")
            }
        }
    }

    package mutating func handleMembershipAnswers() { core.handleMembershipAnswers() }

    package mutating func continueClosings() { core.continueClosings() }

    /// Looking at everything that may be due is for the turns in which something is: it stands
    /// between a notification and its clients.
    package mutating func runTimers() {
        let isDue = timersDue.map { $0 <= core.clock.now } ?? false
        guard hasMoreTimers || core.drain != nil || isDue else { return }
        hasMoreTimers = core.runTimers(heardEveryone: eventCount < Poller.eventCountMax)
        runDatabaseTimers()
        resumeAccepting()
        if core.drain != nil {
            drainDeadline = core.continueDrain().map {
                core.clock.now.advanced(byNanoseconds: $0)
            }
        }
        core.log.reportSuppressed(at: core.clock.now)
    }

    // MARK: Signals

    /// SIGHUP reads files again. A first SIGTERM or SIGINT begins the drain, a second one ends the
    /// program. For a worker a second one says nothing new: one may have come from its parent and one
    /// from a service manager that signals every process. What ends it at once is SIGKILL.
    private mutating func receiveSignals() {
        while let signal = signals.next() {
            guard signal == .terminate else {
                reload()
                continue
            }
            if core.drain != nil { endsAtOnce = !isWorker }
            if core.drain == nil, !isWorker { ServiceManager.notify(.stopping) }
            core.beginDrain()
        }
    }
}
