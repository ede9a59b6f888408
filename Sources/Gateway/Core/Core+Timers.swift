internal import Reactor

// What happens because time passes.
extension Core {
    /// Asks for the next look at the client, at the earliest tick at which something can be due.
    mutating func scheduleVisit(of index: ClientIndex) {
        let client = clients[index]
        var due: UInt32
        switch client.phase {
        case .proxyHeader, .request, .closing, .draining, .flushing:
            due = client.deadlineTick
        case .awaitingInit:
            due = min(client.deadlineTick, client.pingTick)
        case .open:
            due = min(client.pingTick, client.expiryTick, readDeadline(of: client))
        case .gone:
            return
        }
        if client.flags.contains(.blocked) { due = min(due, stallDeadline(of: client)) }
        timers.schedule(index, at: due)
    }

    /// Looks at the clients whose time has come. Returns whether some had to be put off.
    ///
    /// - Parameter heardEveryone: whether everything that had arrived was read in this turn. If
    ///   not, nobody is closed for silence: after the process was stopped for a while, the answers
    ///   of the living are still waiting to be read.
    package mutating func runTimers(heardEveryone: Bool) -> Bool {
        var visits = 0
        while visits < Limits.timerVisitsPerTurn {
            guard let index = timers.popDue(now: nowTick) else { return false }
            visit(index, heardEveryone: heardEveryone)
            visits += 1
        }
        return true
    }

    private mutating func visit(_ index: ClientIndex, heardEveryone: Bool) {
        let client = clients[index]
        if client.flags.contains(.blocked), stallDeadline(of: client) <= nowTick {
            // Not even a Close frame would get through.
            if client.closeCode == 0 { clients[index].closeCode = CloseCode.tooSlow.rawValue }
            finish(index)
            return
        }
        switch client.phase {
        case .proxyHeader:
            if client.deadlineTick <= nowTick {
                metrics.proxyFaults[.late] += 1
                finish(index)
                return
            }
        case .request:
            guard client.deadlineTick <= nowTick else { break }
            if client.flags.contains(.awaitsMembership) {
                finish(index)
            } else {
                requestTimeout(index)
            }
        case .awaitingInit:
            if client.deadlineTick <= nowTick {
                close(index, .initTimeout, "no init in time", keepsQueue: true)
            }
        case .open:
            forgiveOwnDelay(index)
            visitOpen(index, heardEveryone: heardEveryone)
        case .closing, .draining, .flushing:
            if client.deadlineTick <= nowTick { finish(index) }
        case .gone:
            return
        }
        ping(index)
        scheduleVisit(of: index)
    }

    /// Takes the time by which a ping is late off the peer's silence: a process that stood still has
    /// asked nobody meanwhile.
    private mutating func forgiveOwnDelay(_ index: ClientIndex) {
        let client = clients[index]
        guard client.takesMessages, client.pingTick < nowTick else { return }
        let silence = nowTick - client.heardTick
        clients[index].heardTick = nowTick - (silence - min(silence, nowTick - client.pingTick))
        clients[index].pingTick = nowTick
    }

    private mutating func visitOpen(_ index: ClientIndex, heardEveryone: Bool) {
        let client = clients[index]
        if client.expiryTick <= nowTick {
            close(index, .tokenExpired, "the token has expired", keepsQueue: true)
        } else if readDeadline(of: client) <= nowTick && heardEveryone {
            close(index, .readTimeout, "nothing heard", keepsQueue: false)
        }
    }

    private mutating func requestTimeout(_ index: ClientIndex) {
        if clients[index].head.isIdle && clients[index].flags.contains(.answered) {
            finish(index)  // Kept alive and idle: that is no fault.
        } else {
            refuseLateRequest(index)
        }
    }

    /// A ping, when it is time. A client for which something waits already gets none: it has
    /// enough to answer.
    private mutating func ping(_ index: ClientIndex) {
        guard clients[index].takesMessages, clients[index].pingTick <= nowTick else { return }
        clients[index].pingTick = TimerWheel.tick(settings.pingIntervalNanoseconds, after: now)
        if clients[index].queue.isEmpty { queueKeepalive(to: index) }
    }

    private func readDeadline(of client: Client) -> UInt32 {
        // Of a client that waits for an answer nothing is read: its silence is ours.
        if client.flags.contains(.awaitsMembership) { return .max }
        let ticks = settings.readTimeoutNanoseconds / TimerWheel.tickNanoseconds + 1
        return UInt32(clamping: UInt64(client.heardTick) + ticks)
    }

    private func stallDeadline(of client: Client) -> UInt32 {
        let ticks = Limits.stallSecondsMax * 1_000_000_000 / TimerWheel.tickNanoseconds + 1
        return UInt32(clamping: UInt64(client.progressTick) + ticks)
    }

    /// Nanoseconds until the loop has to wake for a client; `nil` when nothing is pending.
    package mutating func nanosecondsUntilNextTimer() -> UInt64? {
        timers.nanosecondsUntilNext(now: now)
    }
}
