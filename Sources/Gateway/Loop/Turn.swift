internal import Reactor

// One turn of the loop, and with it the program: bytes come in, changes come in, time passes, and
// then everything goes out. Nothing before `flush` sends, and nothing before `freeClosed` frees.
extension Server {
    /// Returns whether there is a next turn.
    mutating func turn() throws(Errno) -> Bool {
        let eventCount = try poller.wait(nanoseconds: patience())
        let began = Clock.monotonic()
        core.beginTurn(now: began, wall: Timestamp(microseconds: Clock.wallMicroseconds()))

        beginSecureTurn()
        takeReadiness(eventCount)
        takeMembershipAnswers()
        takeNotifications()
        if areTimersDue { runTimers(heardEveryone: eventCount < Poller.eventCountMax) }
        askReads()
        askMemberships()
        flush()
        applyInterests()
        freeClosed()

        core.metrics.loopTurn.observe(nanoseconds: Clock.monotonic().nanoseconds(since: began))
        core.checkInvariants()
        return !isOver
    }

    /// How long the turn may wait for events: not at all while work is left over from the last one,
    /// else until the next deadline of anybody. `nil` when there is none.
    private mutating func patience() -> UInt64? {
        let nearest = nanosecondsUntilNextDeadline()
        timersDue = nearest.map { core.now.advanced(byNanoseconds: $0) }
        if hasMoreNotifications || hasMoreTimers || core.hasWorkLeft { return 0 }
        if !core.isCatchingUp && !database.backlog.isEmpty { return 0 }
        return nearest
    }

    private mutating func nanosecondsUntilNextDeadline() -> UInt64? {
        var nearest = core.nanosecondsUntilNextTimer()
        shorten(&nearest, to: database.deadline)
        shorten(&nearest, to: core.membershipDeadline)
        shorten(&nearest, to: core.readsDeadline)
        shorten(&nearest, to: drainDeadline)
        shorten(&nearest, to: publicDoor.pausedUntil)
        shorten(&nearest, to: adminDoor.pausedUntil)
        return nearest
    }

    private func shorten(_ nanoseconds: inout UInt64?, to deadline: Instant?) {
        guard let deadline else { return }
        nanoseconds = min(nanoseconds ?? .max, deadline.nanoseconds(since: core.now))
    }

    private var isOver: Bool {
        endsAtOnce || core.drain != nil && drainDeadline == nil
    }

    // MARK: Readiness

    private mutating func takeReadiness(_ eventCount: Int) {
        for position in 0..<eventCount {
            let handle = poller.handle(at: position)
            let readiness = poller.readiness(at: position)
            switch HandleKind(rawValue: handle.kind) {
            case .client: takeClient(handle, readiness)
            case .publicListener: acceptClients(at: .public)
            case .adminListener: acceptClients(at: .admin)
            case .signals: takeSignals()
            case .listenerSession: listenerReady()
            case .querySession: queriesReady()
            case .resolver: hostsResolved()
            case nil: preconditionFailure("epoll reported a handle that was never registered")
            }
        }
    }

    // MARK: Time

    /// Looking at everything that may be due is for the turns in which something is: it stands
    /// between a notification and its clients.
    private var areTimersDue: Bool {
        hasMoreTimers || core.drain != nil || timersDue.map { $0 <= core.now } ?? false
    }

    private mutating func runTimers(heardEveryone: Bool) {
        hasMoreTimers = core.runTimers(heardEveryone: heardEveryone)
        runDatabaseTimers()
        resumeAccepting()
        if core.drain != nil {
            drainDeadline = core.continueDrain().map { core.now.advanced(byNanoseconds: $0) }
        }
        core.log.reportSuppressed(at: core.now)
    }

    /// SIGHUP reads files again. A first SIGTERM or SIGINT begins the drain, a second one ends the
    /// program. For a worker a
    /// second one says nothing new: one may have come from its parent and one from a service manager
    /// that signals every process. What ends it at once is SIGKILL.
    private mutating func takeSignals() {
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
