internal import Reactor

// The session that listens, and what the database announces, from libpq to the core.
extension Server {
    /// libpq reads its socket. What it finds there waits for `receiveNotifications`.
    mutating func listenerReady() {
        guard sessions.logins.admits(sessions.listener.phase, core.clock.now) else { return }
        listenerDid(sessions.listener.ready(core.clock.now))
    }

    // MARK: Notifications

    /// Dequeues notifications, in commit order, within the turn's budget. libpq has read them from
    /// its socket already, however slow our clients are: a listener that doesn't read fills
    /// PostgreSQL's queue, and in the end writers fail.
    package mutating func receiveNotifications() {
        var bytes = 0
        var count = 0
        hasMoreNotifications = true
        while count < Limits.notificationsPerTurn, bytes < Limits.notificationBytesPerTurn,
            core.mayHearMore
        {
            // What was kept is older than what libpq holds.
            if !core.isCatchingUp,
                let isCanary = sessions.backlog.dequeueFirst(into: &sessions.payload)
            {
                actOnKept(isCanary: isCanary)
                bytes += sessions.payload.count
                count += 1
                continue
            }
            if let heard = receiveHeard() {
                bytes += heard
                count += 1
                continue
            }
            switch sessions.listener.dequeueNotification() {
            case .some(let notification):
                relay(notification)
                bytes += receive(notification)
            case .none: hasMoreNotifications = false
            }
            guard hasMoreNotifications else { break }
            count += 1
        }
        keepRest()
        core.continueResync()
    }

    /// Takes from libpq what is beyond the turn's budget: its list has no bound.
    private mutating func keepRest() {
        keepHeardRest()
        while let notification = sessions.listener.dequeueNotification() {
            relay(notification)
            keep(notification)
        }
    }

    // Hot path. By a parameter: a local value whose spans are looked at would live on the heap.
    /// Returns the length of the payload.
    private mutating func receive(_ notification: borrowing PostgresNotification) -> Int {
        let count = notification.payload.count
        if isDirect(notification) {
            core.noteDirect(notification.payload)
        } else if core.isCatchingUp {
            keep(notification)
        } else {
            act(on: notification)
        }
        return count
    }

    // Hot path.
    private mutating func act(on notification: borrowing PostgresNotification) {
        if isCanary(notification) {
            receiveCanary(CanaryPayload(notification.payload))
        } else {
            core.notify(notification.payload)
        }
    }

    /// Acts on what was taken from the backlog.
    mutating func actOnKept(isCanary: Bool) {
        if isCanary {
            receiveCanary(CanaryPayload(sessions.payload.bytes))
        } else {
            core.notify(sessions.payload)
        }
    }

    /// Rows that are read are no part of what is caught up with: they wait for nothing.
    func isDirect(_ notification: borrowing PostgresNotification) -> Bool {
        notification.channel.isEqual(to: "devhive_direct")
    }

    func isCanary(_ notification: borrowing PostgresNotification) -> Bool {
        !notification.channel.isEqual(to: "cache_invalidate")
    }

    /// Puts a notification behind those that wait. When there are too many, all are dropped, and what
    /// follows is what would follow had they not been heard.
    private mutating func keep(_ notification: borrowing PostgresNotification) {
        guard !isDirect(notification) else {
            core.noteDirect(notification.payload)
            return
        }
        let isCanary = isCanary(notification)
        // While missed events are read, a canary only says that the listener hears.
        guard !isCanary || !core.isCatchingUp else {
            receiveCanary(CanaryPayload(notification.payload))
            return
        }
        sessions.backlog.append(notification.payload, isCanary: isCanary)
        boundBacklog()
    }

    mutating func boundBacklog() {
        if core.isCatchingUp, sessions.backlog.isFull { core.giveUpCatchingUp() }
        guard sessions.backlog.isOverflowing else { return }
        core.notificationsWereDropped(count: sessions.backlog.count)
        sessions.backlog.removeAll()
    }

    // MARK: What became of a call

    mutating func listenerDid(_ event: DatabaseEvent) {
        switch event {
        case .none: break
        case .live: listenerIsLive()
        case .lost(let loss): listenerIsLost(loss)
        case .resources, .refused: preconditionFailure("the listener asks nothing")
        }
        let registration = sessions.listener.registration
        if registration != sessions.listenerRegistration {
            apply(registration, instead: sessions.listenerRegistration, kind: .listenerSession)
            sessions.listenerRegistration = registration
        }
        if sessions.listener.needsResolution { sessions.resolveIfNeeded() }
    }

    mutating func listenerIsLive() {
        if sessions.hasListened { core.metrics.listenerReconnects += 1 }
        sessions.hasListened = true
        let down = sessions.lostSince.map { core.clock.now.nanoseconds(since: $0) }
        core.log.listenerUp(channel: "cache_invalidate", downNanoseconds: down)
        sessions.lostSince = nil
        core.listenerBecameLive()
        relayStatus()
        guard !sessions.isRelayed else { return }
        sessions.canary.begin(core.clock.now)
        queriesDid(sessions.queries.refreshResources(core.clock.now))
        readsDid(sessions.reads.refreshResources(core.clock.now))
    }

    mutating func listenerIsLost(_ loss: DatabaseLoss) {
        if core.database.isListening { sessions.lostSince = core.clock.now }
        core.listenerWasLost()
        sessions.backlog.removeAll()
        sessions.canary.end()
        core.database.isCanaryInTime = false
        relayStatus()
        let retry = sessions.listener.deadline?.nanoseconds(since: core.clock.now) ?? 0
        core.log.listenerLost(
            error: loss.description, advice: loss.advice, retryNanoseconds: retry,
            at: core.clock.now)
    }
}
