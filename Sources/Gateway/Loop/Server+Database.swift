internal import Reactor

// What the database sessions ask of the loop, and what the loop asks of them.
extension Server {
    mutating func startDatabase() {
        // Not all gateways in the same moment.
        let delay = core.jitter.next() % DatabaseLimits.pruneIntervalNanoseconds
        database.pruneAt = core.now.advanced(byNanoseconds: delay)
        listenerDid(database.listener.start(core.now))
        queriesDid(database.queries.start(core.now))
    }

    mutating func listenerReady() {
        listenerDid(database.listener.ready(core.now))
    }

    mutating func queriesReady() {
        queriesDid(database.queries.ready(core.now))
    }

    mutating func hostsResolved() {
        guard let hosts = database.takeResolvedHosts() else { return }
        if database.listener.needsResolution {
            listenerDid(database.listener.resolved(hosts, core.now))
        }
        if database.queries.needsResolution {
            queriesDid(database.queries.resolved(hosts, core.now))
        }
    }

    mutating func runDatabaseTimers() {
        if let deadline = database.listener.deadline, deadline <= core.now {
            listenerDid(database.listener.timer(core.now))
        }
        if let deadline = database.queries.deadline, deadline <= core.now {
            queriesDid(database.queries.timer(core.now))
        }
        runCanary()
        prune()
        core.expireReads()
    }

    // MARK: Notifications

    /// Takes notifications, in commit order, within the turn's budget. libpq has read them from
    /// its socket already, however slow our clients are: a listener that doesn't read fills
    /// PostgreSQL's queue, and in the end writers fail.
    mutating func takeNotifications() {
        var bytes = 0
        var count = 0
        hasMoreNotifications = true
        while count < Limits.notificationsPerTurn, bytes < Limits.notificationBytesPerTurn,
            core.membersScanned < Limits.membersScannedPerTurn
        {
            // What was kept while missed events were read is older than what libpq holds.
            if !core.isCatchingUp, database.backlog.takeFirst(into: &database.payload) {
                core.notify(database.payload)
                bytes += database.payload.count
                count += 1
                continue
            }
            switch database.listener.takeNotification() {
            case .some(let notification): bytes += take(notification)
            case .none: hasMoreNotifications = false
            }
            guard hasMoreNotifications else { break }
            count += 1
        }
        core.continueResync()
    }

    // Hot path. By a parameter: a local value whose spans are looked at would live on the heap.
    /// Returns the length of the payload.
    private mutating func take(_ notification: borrowing PostgresNotification) -> Int {
        let payload = notification.payload
        if !notification.channel.isEqual(to: "cache_invalidate") {
            heardCanary(payload)
        } else if !core.isCatchingUp {
            core.notify(payload)
        } else {
            database.backlog.append(payload)
            if database.backlog.isFull { core.giveUpCatchingUp() }
        }
        return payload.count
    }

    // MARK: What became of a call

    mutating func listenerDid(_ event: DatabaseEvent) {
        switch event {
        case .none: break
        case .live: listenerIsLive()
        case .lost(let loss): listenerIsLost(loss)
        case .resources, .refused: preconditionFailure("the listener asks nothing")
        }
        apply(
            database.listener.registration, instead: database.listenerRegistration,
            kind: .listenerSession)
        database.listenerRegistration = database.listener.registration
        database.resolveIfNeeded()
    }

    private mutating func listenerIsLive() {
        if database.hasListened { core.metrics.listenerReconnects += 1 }
        database.hasListened = true
        let down = database.lostSince.map { core.now.nanoseconds(since: $0) }
        core.log.listenerUp(channel: "cache_invalidate", downNanoseconds: down)
        database.lostSince = nil
        core.listenerBecameLive()
        database.canary.begin(core.now)
        queriesDid(database.queries.refreshResources(core.now))
    }

    private mutating func listenerIsLost(_ loss: DatabaseLoss) {
        if core.isListening { database.lostSince = core.now }
        core.listenerWasLost()
        database.backlog.removeAll()
        database.canary.end()
        core.isCanaryInTime = false
        let retry = database.listener.deadline?.nanoseconds(since: core.now) ?? 0
        core.log.listenerLost(
            error: loss.description, advice: loss.advice, retryNanoseconds: retry)
    }

    private mutating func queriesDid(_ event: DatabaseEvent) {
        act(on: event)
        while let answer = database.queries.takeAnswer() {
            take(answer)
            act(on: database.queries.continueReading(core.now))
        }
        apply(
            database.queries.registration, instead: database.queriesRegistration,
            kind: .querySession)
        database.queriesRegistration = database.queries.registration
        database.resolveIfNeeded()
    }

    /// Hands an answer of the query session to who asked.
    private mutating func take(_ answer: consuming QueryAnswer) {
        switch answer.query {
        case .resources: preconditionFailure("the session reads this answer itself")
        case .members: takeMembers(answer)
        case .canary: takeCanary(answer.outcome)
        case .events: takeEvents(answer.outcome, tag: answer.tag)
        case .prune: takePruned(answer.outcome)
        }
    }

    private mutating func act(on event: DatabaseEvent) {
        switch event {
        case .none: break
        case .live:
            core.canAsk = true
            takeResources()
            database.canary.hurry(core.now)
        case .lost(let loss):
            core.canAsk = false
            // A canary under way may not have been sent. A server that stands still, though, is
            // silent to both, and what fails after that says nothing new.
            if case .closed = loss { database.canary.forget() }
            core.log.failed("the query session", error: loss.description)
        case .resources: takeResources()
        case .refused(let error):
            core.log.failed("a statement of the query session", error: error.description)
        }
    }

    /// The tables that announce what changes, which the session reads as it begins and now and then:
    /// a resync names them all.
    private mutating func takeResources() {
        guard !database.queries.resources.isEmpty else { return }
        core.resources = ResourceList(database.queries.resources)
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
