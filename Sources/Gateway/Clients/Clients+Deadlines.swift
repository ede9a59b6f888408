internal import Reactor

/// What is due for a client because time has passed.
package enum ClientDeadline: BitwiseCopyable {
    case nothing
    /// Its socket has taken no byte for too long: not even a Close frame would get through.
    case stalled
    case proxyHeaderLate
    case requestLate
    /// It was kept alive and asked nothing more, or the database didn't answer: it goes without a word.
    case idle
    case initLate
    case tokenExpired
    /// Nothing was heard of it, not even a pong.
    case silent
    /// It has had its time to answer a Close frame, or to take its last words.
    case closeLate
    case pingDue
}

// What is due when.
extension Clients {
    /// Asks for the next look at the client, at the earliest tick at which something can be due.
    package mutating func scheduleVisit(of index: ClientIndex, _ clock: TurnClock) {
        let client = self[index]
        var due: UInt32
        switch client.phase {
        case .proxyHeader, .request, .closing, .draining, .finished, .flushing:
            due = client.deadlineTick
        case .awaitingInit:
            due = min(client.deadlineTick, client.pingTick)
        case .open:
            due = min(client.pingTick, client.expiryTick, readDeadline(of: client))
        case .closed:
            return
        }
        if client.queue.marks.contains(.blocked) { due = min(due, stallDeadline(of: client)) }
        timers.schedule(index, at: due)
    }

    /// Limits the time of the present phase.
    package mutating func setDeadline(
        of index: ClientIndex, nanoseconds: UInt64, _ clock: TurnClock
    ) {
        self[index].deadlineTick = clock.tick(afterNanoseconds: nanoseconds)
        scheduleVisit(of: index, clock)
    }

    /// The next client that has to be looked at; `nil` when all whose time has come were.
    package mutating func dequeueDue(_ clock: TurnClock) -> ClientIndex? {
        timers.popDue(now: clock.tick)
    }

    /// What is due for the client. The caller acts on it, and asks for the next visit.
    ///
    /// - Parameter heardEveryone: whether everything that had arrived was read in this turn. If not,
    ///   nobody is silent: after the process was stopped for a while, the answers of the living still
    ///   wait to be read.
    package mutating func deadline(
        of index: ClientIndex, heardEveryone: Bool, _ clock: TurnClock
    ) -> ClientDeadline {
        let client = self[index]
        if client.queue.marks.contains(.blocked), stallDeadline(of: client) <= clock.tick {
            return .stalled
        }
        let isLate = client.deadlineTick <= clock.tick
        // Who isn't heard because of others, or written to, is late for no fault of its own.
        let isHeld = client.flags.contains(.awaitsTurn)
        let isUnwritten = client.queue.awaitsTurn
        switch client.phase {
        case .proxyHeader: return isLate ? .proxyHeaderLate : .nothing
        case .request:
            guard isLate, !isHeld, !isUnwritten else { return .nothing }
            if client.isPaused { return .idle }
            return client.head.isIdle && client.flags.contains(.answered) ? .idle : .requestLate
        case .awaitingInit:
            return isLate && !isHeld ? .initLate : ping(of: index, clock)
        case .open:
            forgiveOwnDelay(of: index, clock)
            if client.expiryTick <= clock.tick { return .tokenExpired }
            if heardEveryone, readDeadline(of: self[index]) <= clock.tick { return .silent }
            return ping(of: index, clock)
        case .closing, .draining, .finished, .flushing:
            return isLate && !isUnwritten ? .closeLate : .nothing
        case .closed: return .nothing
        }
    }

    /// Nanoseconds until a client has to be looked at; `nil` when nothing is pending.
    mutating func nanosecondsUntilNextVisit(_ clock: TurnClock) -> UInt64? {
        timers.nanosecondsUntilNext(now: clock.now)
    }

    // MARK: Pings

    private mutating func ping(of index: ClientIndex, _ clock: TurnClock) -> ClientDeadline {
        guard self[index].pingTick <= clock.tick else { return .nothing }
        self[index].pingTick = clock.tick(afterNanoseconds: times.pingNanoseconds)
        return .pingDue
    }

    /// Takes the time by which a ping is late off the peer's silence: a process that stood still has
    /// asked nobody meanwhile.
    private mutating func forgiveOwnDelay(of index: ClientIndex, _ clock: TurnClock) {
        let client = self[index]
        guard client.pingTick < clock.tick else { return }
        let silence = clock.tick - client.heardTick
        self[index].heardTick = clock.tick - (silence - min(silence, clock.tick - client.pingTick))
        self[index].pingTick = clock.tick
    }

    // MARK: Ticks

    private func readDeadline(of client: Client) -> UInt32 {
        // Of a client that waits for an answer, or for its turn, nothing is read: its silence is ours.
        if !client.flags.isDisjoint(with: [.awaitsMembership, .awaitsTurn]) { return .max }
        let ticks = times.readNanoseconds / TimerWheel.tickNanoseconds + 1
        return UInt32(clamping: UInt64(client.heardTick) + ticks)
    }

    private func stallDeadline(of client: Client) -> UInt32 {
        let ticks = Limits.stallSecondsMax * 1_000_000_000 / TimerWheel.tickNanoseconds + 1
        return UInt32(clamping: UInt64(client.queue.progressTick) + ticks)
    }
}
