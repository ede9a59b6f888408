internal import Reactor

/// The phases of a turn, for everything that has turns: the server, and the worlds in which it is
/// tested. Their order stands here alone.
///
/// Bytes come in, changes come in, time passes, and then everything goes out. Nothing before `flush`
/// sends, and nothing before `freeClosed` frees.
package protocol TurnPhases: ~Copyable {
    associatedtype Failure: Error

    /// Reads what has arrived from clients and from the database.
    mutating func receiveReady() throws(Failure)
    /// Acts on answers about memberships. They come before the turn's notifications: a removal that is
    /// among those was committed after the answer was found, and must come after it here too.
    mutating func handleMembershipAnswers()
    /// Gives those who resume what was read for them, some in each turn.
    mutating func answerResumes()
    /// Reads what waits for its turn: of clients that were paused, or came when their share was used up.
    mutating func receiveUnpaused()

    /// Reads notifications, in commit order, within the turn's budget.
    mutating func receiveNotifications()
    /// Acts on what is due because time has passed.
    mutating func runTimers()
    /// Asks the database for what clients have missed.
    mutating func askReads()
    /// Asks the database about memberships.
    mutating func askMemberships()
    /// Sends everything.
    mutating func flush()
    /// Tells epoll what changed, once for each client.
    mutating func applyInterests() throws(Failure)
    /// Closes what ended, and frees it.
    mutating func freeClosed() throws(Failure)
}

extension TurnPhases where Self: ~Copyable {
    /// What comes in.
    package mutating func runInboundPhases() throws(Failure) {
        try receiveReady()
        handleMembershipAnswers()
        answerResumes()
        receiveUnpaused()
    }

    /// What follows from it, and what goes out.
    package mutating func runOutboundPhases() throws(Failure) {
        receiveNotifications()
        runTimers()
        askReads()
        askMemberships()
        flush()
        try applyInterests()
        try freeClosed()
    }
}

// One turn of the loop, and with it the program.
extension Server {
    /// Returns whether there is a next turn.
    mutating func turn() throws(Errno) -> Bool {
        eventCount = try poller.wait(nanoseconds: patience())
        let began = Clock.monotonic()
        core.beginTurn(now: began, wall: Timestamp(microseconds: Clock.wallMicroseconds()))

        runInboundPhases()
        runOutboundPhases()

        measureTurn(since: began)
        core.checkInvariants()
        return !isOver
    }

    /// A turn that takes longer than its processor time was kept from running: by other programs, or by
    /// the kernel's work for their sockets.
    private mutating func measureTurn(since began: Instant) {
        core.metrics.loopTurn.observe(nanoseconds: Clock.monotonic().nanoseconds(since: began))
        let used = Clock.processorNanoseconds()
        core.metrics.loopTurnProcessor.observe(nanoseconds: used &- processorNanoseconds)
        processorNanoseconds = used
    }

    /// How long the turn may wait for events: not at all while work is left over from the last one,
    /// else until the next deadline of anybody. `nil` when there is none.
    private mutating func patience() -> UInt64? {
        let nearest = nanosecondsUntilNextDeadline()
        timersDue = nearest.map { core.clock.now.advanced(byNanoseconds: $0) }
        if hasMoreNotifications || hasMoreTimers || core.hasWorkLeft { return 0 }
        if remoteBus?.hasUnread == true || sharing.hasUnread { return 0 }
        if !core.isCatchingUp && !sessions.backlog.isEmpty { return 0 }
        if sessions.eventsReadAt == core.clock.now { return 0 }
        return nearest
    }

    private mutating func nanosecondsUntilNextDeadline() -> UInt64? {
        var nearest = core.clients.nanosecondsUntilNextVisit(core.clock)
        if let due = core.nanosecondsUntilPresence() { nearest = min(nearest ?? .max, due) }
        shorten(&nearest, to: sessions.deadline)
        shorten(&nearest, to: sharing.deadline)
        shorten(&nearest, to: core.membershipDeadline)
        shorten(&nearest, to: core.recheckDeadline)
        shorten(&nearest, to: core.readsDeadline)
        shorten(&nearest, to: core.busDeadline)
        shorten(&nearest, to: remoteBus?.deadline)
        shorten(&nearest, to: drainDeadline)
        shorten(&nearest, to: publicListener.pausedUntil)
        shorten(&nearest, to: adminListener.pausedUntil)
        shorten(&nearest, to: secure?.clients.ticketKeysDue)
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
            case .readSession: readsReady()
            case .resolver: hostsResolved()
            case .sessionControl: sessionControlReady()
            case .leaderLink: leaderReady()
            case .followerLink: followerReady(handle, readiness)
            case .bus: busReady()
            case .busPublisher: busPublisherReady()
            case .busSubscriber: busSubscriberReady()
            case .busResolver: busHostResolved()
            case nil: preconditionFailure("epoll reported a handle that was never registered")
            }
        }
        if remoteBus?.hasUnread == true { receiveCarried() }
        if sharing.hasUnread { readLeaderFrames() }
    }

    package mutating func handleMembershipAnswers() {
        core.handleMembershipAnswers()
        core.answerStatuses()
    }

    package mutating func answerResumes() {
        continueReads()
        core.answerResumes()
    }

    /// Looking at everything that may be due is for the turns in which something is: it stands
    /// between a notification and its clients.
    package mutating func runTimers() {
        let isDue = timersDue.map { $0 <= core.clock.now } ?? false
        guard hasMoreTimers || core.drain != nil || isDue else { return }
        hasMoreTimers = core.runTimers(heardEveryone: eventCount < Poller.eventCountMax)
        runDatabaseTimers()
        core.runBusTimers()
        runCarrierTimers()
        resumeAccepting()
        secure?.clients.rotateTicketKeys(at: core.clock.now)
        if core.drain != nil {
            drainDeadline = core.continueDrain().map {
                core.clock.now.advanced(byNanoseconds: $0)
            }
        }
        core.log.reportSuppressed(at: core.clock.now)
    }

    package mutating func flush() {
        sendToLinks()
        plain?.flush(&core)
        secure?.flush(&core)
        sendBusFrames()
        noteSendMethod()
        if core.hasAnnounced {
            core.observeFlush(wall: Timestamp(microseconds: Clock.wallMicroseconds()))
        }
    }
}

extension Transport where Self: ~Copyable {
    /// A flush to a transport that may be missing.
    fileprivate mutating func flush(_ core: inout Core) { core.flush(to: &self) }
}
