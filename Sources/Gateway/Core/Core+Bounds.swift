internal import Reactor

// Those for whom too much waits. Queueing only marks them; once a turn they are judged here.
extension Core {
    mutating func enforceBounds() {
        forgetDroppedStates()
        while let index = outbox.dequeueOverflown() {
            guard clients.isOccupied(index) else { continue }
            enforceBounds(of: index)
        }
        if outbox.needsRelief(clock) { relieveMemory() }
    }

    /// Broadcasts give way first; a client that lets its own answers pile up is closed. One whose
    /// socket takes everything isn't slow, only because much was announced in one turn: it gets a
    /// resync.
    private mutating func enforceBounds(of index: ClientIndex) {
        let marks = clients[index].queue.marks
        clients[index].queue.marks.subtract([.overflown, .lostFrame])
        guard clients[index].isOpenForMessages else {
            // Memory being short is no fault of whoever waits for one HTTP answer.
            if clients[index].phase == .request, outbox.isOverBounds(clients[index].queue) {
                connectionLost(index)
            }
            return
        }
        if marks.contains(.lostFrame) {
            disconnectSlow(index)
        } else if outbox.isOverBoundsBesidesState(clients[index].queue) {
            if settings.disconnectsSlowConsumers, marks.contains(.blocked) {
                disconnectSlow(index)
            } else {
                collapse(index)
                if outbox.isOverBoundsBesidesState(clients[index].queue) { disconnectSlow(index) }
            }
        }
    }

    /// More waits for all together than may. Those for which something waits are collapsed, whoever
    /// they are, since what they hold can't be told from outside; if that isn't enough, those are
    /// closed that don't read what is their own.
    private mutating func relieveMemory() {
        for index in 0..<ClientIndex(clients.highWaterMark) where waits(index) { collapse(index) }
        for index in 0..<ClientIndex(clients.highWaterMark)
        where outbox.isOverTotal && waits(index)
            && clients[index].queue.pieces.byteCount > Limits.privateSegmentBytesMax
        {
            disconnectSlow(index)
        }
    }

    private func waits(_ index: ClientIndex) -> Bool {
        clients.isOccupied(index) && clients[index].isOpenForMessages
            && !clients[index].queue.isEmpty
    }

    /// Drops the broadcasts that wait, and remembers their projects: O(1) memory from here on, and
    /// a resync when the socket takes bytes again.
    private mutating func collapse(_ index: ClientIndex) {
        guard !clients[index].queue.marks.contains(.collapsed) else { return }
        metrics.collapsedClients += 1
        log.slowClient(
            connection: clients.number(of: index), disconnected: false,
            queuedBytes: Int(clients[index].queue.pieces.byteCount), at: clock.now)
        withholdBroadcasts(from: index)
    }

    /// The same for a client that isn't slow.
    mutating func withholdBroadcasts(from index: ClientIndex) {
        guard !clients[index].queue.marks.contains(.collapsed) else { return }
        clients[index].queue.marks.insert(.collapsed)
        dropQueue(of: index, keepsOwn: true)
        outbox.markDirty(index, &clients[index].queue)
    }

    private mutating func disconnectSlow(_ index: ClientIndex) {
        metrics.slowConsumersDisconnected += 1
        log.slowClient(
            connection: clients.number(of: index), disconnected: true,
            queuedBytes: Int(clients[index].queue.pieces.byteCount), at: clock.now)
        close(index, .tooSlow, "too slow", keepsQueue: false)
    }

    /// What was dropped of presence and typing is told anew when the socket takes bytes again.
    private mutating func forgetDroppedStates() {
        while let index = outbox.dequeueWithoutState() {
            if clients.isOccupied(index) { forgetStates(of: index) }
        }
    }

    /// Drops what waits, except HTTP answers and the rest of a frame of which the peer has a part, and
    /// with `keepsOwn` what is the client's own. It is owed a resync of the projects whose broadcasts
    /// were dropped.
    mutating func dropQueue(of index: ClientIndex, keepsOwn: Bool) {
        outbox.drop(&clients[index].queue, keepsOwn: keepsOwn)
        var hasLostState = false
        while let tag = outbox.dequeueDropped() {
            if let room = QueueTag.room(tag) { hub.markStale(index, in: room) }
            if tag == QueueTag.ordered { hub.markAllStale(index) }
            if tag == QueueTag.state { hasLostState = true }
        }
        if hasLostState { forgetStates(of: index) }
    }
}
