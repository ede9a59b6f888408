internal import Reactor

// How a connection ends.
extension Core {
    /// Closes a WebSocket with a code of our own: the Close frame is queued, and the peer has a
    /// while to answer it.
    ///
    /// - Parameter keepsQueue: whether what waits is still sent before the Close frame.
    mutating func close(
        _ index: ClientIndex, _ code: CloseCode, _ reason: StaticString, keepsQueue: Bool
    ) {
        guard clients[index].takesMessages else { return }
        frame.removeAll()
        FrameEncoder.writeClose(code, reason: reason, into: &frame)
        closeWithFrame(index, code, keepsQueue: keepsQueue)
    }

    /// The same with the Close frame in `frame`.
    mutating func closeWithFrame(_ index: ClientIndex, _ code: CloseCode, keepsQueue: Bool) {
        endMessages(of: index, code: code, keepsQueue: keepsQueue)
        appendToQueue(frames: 1, of: index)
        clients[index].phase = .closing
        setCloseDeadline(of: index)
    }

    /// Fails the WebSocket (RFC 6455 §7.1.7): the peer broke the protocol, so nothing that it
    /// still sends is read as frames.
    mutating func fail(_ index: ClientIndex, _ code: CloseCode, _ reason: StaticString) {
        switch clients[index].phase {
        case .awaitingInit, .open:
            frame.removeAll()
            FrameEncoder.writeClose(code, reason: reason, into: &frame)
            endMessages(of: index, code: code, keepsQueue: false)
            appendToQueue(frames: 1, of: index)
        case .closing:
            break  // Our Close is out already.
        case .proxyHeader, .request, .draining, .flushing, .gone:
            return
        }
        beginDraining(index)
    }

    /// Lets what is queued go out, ends our direction, and waits for the peer to end its own.
    mutating func beginDraining(_ index: ClientIndex) {
        // Whoever is closing has a deadline, and gets no later one for breaking the protocol.
        let hasDeadline = clients[index].phase == .closing
        clients[index].phase = .draining
        if !hasDeadline { setCloseDeadline(of: index) }
        markDirty(index)
    }

    /// No more events and answers for this client: it leaves all projects, and what waits for it
    /// is dropped unless it shall be kept.
    mutating func endMessages(of index: ClientIndex, code: CloseCode, keepsQueue: Bool) {
        if clients[index].flags.contains(.awaitsMembership) { endWaiting(index) }
        clients[index].closeCode = code.rawValue
        hub.leaveAll(index)
        clients[index].flags.remove(.collapsed)
        if !keepsQueue { trimQueue(of: index, keepsOwn: false) }
        markDirty(index)
    }

    mutating func setCloseDeadline(of index: ClientIndex) {
        clients[index].deadlineTick = TimerWheel.tick(
            settings.closeTimeoutNanoseconds, after: now)
        scheduleVisit(of: index)
    }

    /// The connection is over. Its slot stays until the end of a turn, so that nothing of this
    /// turn can be taken for another client's.
    mutating func finish(_ index: ClientIndex) {
        guard clients[index].phase != .gone else { return }
        if clients[index].flags.contains(.awaitsMembership) { endWaiting(index) }
        hub.leaveAll(index)
        endLimits(of: index)
        dropQueue(of: index)
        if clients[index].message != .none { segments.release(clients[index].message) }
        if clients[index].leftover != .none { segments.release(clients[index].leftover) }
        clients[index].message = .none
        clients[index].leftover = .none
        clients[index].phase = .gone
        timers.cancel(index)
        gone.append(index)
        guard clients[index].flags.contains(.upgraded) else { return }
        countClosed(index)
    }

    private mutating func countClosed(_ index: ClientIndex) {
        let client = clients[index]
        // 1006: no Close frame was seen (RFC 6455 §7.4.1).
        let code = client.closeCode == 0 ? 1_006 : client.closeCode
        let openNanoseconds =
            UInt64(nowTick &- client.openedTick) * TimerWheel.tickNanoseconds
        metrics.connections -= 1
        if client.flags.contains(.deflates) { metrics.connectionsCompressing -= 1 }
        metrics.connectionsClosed[CloseLabel(closeCode: code)] += 1
        metrics.connectionDuration.observe(nanoseconds: openNanoseconds)
        log.clientClosed(
            connection: connectionNumber(of: index), code: code,
            openNanoseconds: openNanoseconds, total: Int(metrics.connections), at: now)
    }

    // MARK: Freeing

    /// After a crowd has left, its memory goes back to the kernel: in the tables what lies behind
    /// the last client, and what was kept for segments.
    ///
    /// Returns the first slot of which nothing is kept any more; `nil` when nothing was given back.
    package mutating func returnMemoryOfTheGone() -> Int? {
        let inUse = clients.highWaterMark
        guard gone.isEmpty, slotsTouched >= Limits.memoryReturnSlotsMin, inUse < slotsTouched / 2
        else { return nil }
        slotsTouched = inUse
        clients.returnMemory()
        timers.returnMemory(from: inUse)
        hub.returnMemory(from: inUse)
        segments.returnMemory()
        return inUse
    }

    /// Connections that are over and not yet freed.
    package var goneCount: Int { gone.count }

    /// The connection that `freeNext` would free.
    package var nextToFree: ClientIndex? {
        gone.isEmpty || clients[gone[gone.count - 1]].flags.contains(.dirty)
            ? nil : gone[gone.count - 1]
    }

    /// The descriptor of the next connection to free; the slot is free afterwards.
    package mutating func freeNext() -> Int32? {
        guard !gone.isEmpty else { return nil }
        // One that still stands in the list of the dirty leaves it in the next flush.
        guard !clients[gone[gone.count - 1]].flags.contains(.dirty) else { return nil }
        guard let index = gone.removeLast() else { return nil }
        let descriptor = clients[index].descriptor
        clients.remove(index)
        slotsTouched = max(slotsTouched, Int(index) + 1)
        return descriptor
    }
}
