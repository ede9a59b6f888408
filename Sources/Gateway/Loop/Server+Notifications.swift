internal import Reactor

// What the database announces, from libpq to the core.
extension Server {
    /// Dequeues notifications, in commit order, within the turn's budget. libpq has read them from
    /// its socket already, however slow our clients are: a listener that doesn't read fills
    /// PostgreSQL's queue, and in the end writers fail.
    package mutating func receiveNotifications() {
        var bytes = 0
        var count = 0
        hasMoreNotifications = true
        while count < Limits.notificationsPerTurn, bytes < Limits.notificationBytesPerTurn,
            core.mayScanMembers
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
            switch sessions.listener.dequeueNotification() {
            case .some(let notification): bytes += receive(notification)
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
        while let notification = sessions.listener.dequeueNotification() { keep(notification) }
    }

    // Hot path. By a parameter: a local value whose spans are looked at would live on the heap.
    /// Returns the length of the payload.
    private mutating func receive(_ notification: borrowing PostgresNotification) -> Int {
        let count = notification.payload.count
        if core.isCatchingUp {
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
    private mutating func actOnKept(isCanary: Bool) {
        if isCanary {
            receiveCanary(CanaryPayload(sessions.payload.bytes))
        } else {
            core.notify(sessions.payload)
        }
    }

    private func isCanary(_ notification: borrowing PostgresNotification) -> Bool {
        !notification.channel.isEqual(to: "cache_invalidate")
    }

    /// Puts a notification behind those that wait. When there are too many, all are dropped, and what
    /// follows is what would follow had they not been heard.
    private mutating func keep(_ notification: borrowing PostgresNotification) {
        let isCanary = isCanary(notification)
        // While missed events are read, a canary only says that the listener hears.
        guard !isCanary || !core.isCatchingUp else {
            receiveCanary(CanaryPayload(notification.payload))
            return
        }
        sessions.backlog.append(notification.payload, isCanary: isCanary)
        if core.isCatchingUp, sessions.backlog.isFull { core.giveUpCatchingUp() }
        guard sessions.backlog.isOverflowing else { return }
        core.notificationsWereDropped(count: sessions.backlog.count)
        sessions.backlog.removeAll()
    }
}
