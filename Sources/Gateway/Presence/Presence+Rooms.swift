package import Reactor

// The rooms of projects: made and freed, awake while something happens there, else packed.
extension Presence {
    /// Projects in which somebody takes part, and those of them whose rooms are packed.
    package var projectCount: Int { rooms.count }
    package var restingCount: Int { rooms.restingCount }
    package var isEmpty: Bool { rooms.count == 0 }

    // Hot path.
    subscript(raw: UInt32) -> PresenceRoom {
        unsafeAddress { unsafe UnsafePointer(rooms.address(of: raw)) }
        unsafeMutableAddress { unsafe rooms.address(of: raw) }
    }

    func isInUse(_ raw: UInt32) -> Bool { rooms.isAwake(raw) }

    /// The project's room, which is awake for some seconds from now on.
    mutating func room(of project: ProjectID) -> UInt32? {
        guard let place = rooms.place(of: project) else { return nil }
        let raw = place.isAwake ? UInt32(place.index) : wake(place)
        self[raw].wasUsed = true
        return raw
    }

    /// The project's room, unless it rests.
    func awakeRoom(of project: ProjectID) -> UInt32? {
        guard let place = rooms.place(of: project), place.isAwake else { return nil }
        return UInt32(place.index)
    }

    mutating func makeRoom(of project: ProjectID, _ now: Instant) -> UInt32? {
        if let raw = room(of: project) { return raw }
        guard rooms.count < Limits.presenceProjectsMax else { return nil }
        if timers == nil {
            timers = TimerWheel(
                capacity: Limits.presenceProjectsMax, now: TimerWheel.tick(now))
        }
        let raw = rooms.insert(project)
        setRestTimer(of: raw, now)
        return raw
    }

    /// Whether somebody takes part in the project here.
    package func concerns(_ project: ProjectID) -> Bool { rooms.place(of: project) != nil }

    /// Frees a room in which nobody of this process is any more. One whose round is under way is freed at its end.
    mutating func discardIfUnused(_ raw: UInt32) {
        guard isInUse(raw), self[raw].ownCount == 0, self[raw].cursor == nil else { return }
        timers?.cancel(raw)
        let end = rooms.awakeEnd
        rooms.remove(raw)
        returnTimers(since: end)
    }

    // MARK: Rest

    /// Lets a small room rest when nothing has happened there since the last look, else looks again
    /// later. Returns whether it rests.
    mutating func restIfQuiet(_ raw: UInt32, _ clock: TurnClock) -> Bool {
        guard self[raw].isSmall, self[raw].restTick <= clock.tick else { return false }
        guard !self[raw].wasUsed, self[raw].canRest(truncates: truncates(raw), clock.now) else {
            self[raw].wasUsed = false
            setRestTimer(of: raw, clock.now)
            return false
        }
        timers?.cancel(raw)
        let end = rooms.awakeEnd
        rooms.rest(raw)
        returnTimers(since: end)
        return true
    }

    private mutating func wake(_ place: RoomPlace) -> UInt32 {
        let raw = rooms.wake(place, listsUsers: listsUsers)
        for position in self[raw].users.indices {
            var next = firstWatch(of: position, in: raw)
            while let watch = next {
                next = nextWatch(after: watch, of: position, in: raw)
                if marks(of: watch, position, raw).contains(.hasState) {
                    self[raw].followerCount += 1
                }
            }
        }
        setTimer(of: raw)
        return raw
    }

    // MARK: Timers

    /// When a room has to be looked at; `nil` when none has.
    package mutating func nanosecondsUntilNext(_ now: Instant) -> UInt64? {
        timers?.nanosecondsUntilNext(now: now)
    }

    mutating func setTimer(of raw: UInt32) {
        var due = self[raw].expiryTick
        if let roundAt = self[raw].roundAt, !self[raw].isQueued {
            due = min(due, TimerWheel.tick(0, after: roundAt))
        }
        if self[raw].isSmall { due = min(due, self[raw].restTick) }
        if due == .max { timers?.cancel(raw) } else { timers?.schedule(raw, at: due) }
    }

    private mutating func setRestTimer(of raw: UInt32, _ now: Instant) {
        self[raw].restTick = TimerWheel.tick(Limits.presenceRestNanoseconds, after: now)
        setTimer(of: raw)
    }

    /// Fewer rooms may be awake than were: the memory of the last ones' timers is given back.
    private mutating func returnTimers(since end: Int) {
        if rooms.awakeEnd < end { timers?.returnMemory(from: rooms.awakeEnd) }
    }
}
