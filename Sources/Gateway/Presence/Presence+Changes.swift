package import Reactor

// What happens to those who take part, and what follows from it for how they are seen.
extension Presence {
    /// A connection says how it takes part. It gets a state: in this turn when it is new here, else
    /// with the next round.
    ///
    /// - Parameter isSuspended: whether its membership is being verified.
    package mutating func set(
        _ wish: PresenceWish, of client: ClientIndex, _ user: UserID, in project: ProjectID,
        isSuspended: Bool, _ now: Instant
    ) -> Outcome {
        precondition(wish.mode != .off)
        guard let raw = makeRoom(of: project, now) else { return .full }
        let marks = WatchMarks(wish)
        guard let position = self[raw].position(of: user) else {
            let outcome = add(user, client, marks, isSuspended: isSuspended, to: raw, now)
            discardIfUnused(raw)
            return outcome
        }
        if let watch = watch(of: client, position, raw) {
            setMarks(marks, of: watch, position, raw)
            self[raw].hasWaiting = true
        } else {
            let isOwn = self[raw][position].marks.contains(.isOwn)
            guard watchCount(of: position, in: raw) < Limits.presenceConnectionsPerUserMax,
                tabs.count < Limits.presenceTabsMax,
                isOwn || userCount < Limits.presentUsersMax
            else { return .full }
            if !isOwn { beginOwn(position, raw, isSuspended: isSuspended) }
            // Who has no other connection may have changed his mind about being seen.
            if !self[raw][position].hasConnections {
                self[raw][position].marks.remove(.staysHidden)
            }
            addWatch(client, marks, to: position, raw)
            asks.append(PresenceAsk(client: client, user: user, project: self[raw].project))
        }
        self[raw][position].marks.remove(.lingers)
        if !isSuspended { self[raw][position].marks.remove(.isSuspended) }
        judge(position, raw, now)
        if self[raw].hasWaiting { scheduleRound(of: raw, notBefore: now, now) }
        return .done
    }

    private mutating func add(
        _ user: UserID, _ client: ClientIndex, _ marks: WatchMarks, isSuspended: Bool,
        to raw: UInt32, _ now: Instant
    ) -> Outcome {
        guard userCount < Limits.presentUsersMax,
            self[raw].users.count < Limits.presentUsersPerProjectMax
        else { return .full }
        let position = self[raw].append(PresentUser(user, PresentUser.none, []))
        beginOwn(position, raw, isSuspended: isSuspended)
        addWatch(client, marks, to: position, raw)
        asks.append(PresenceAsk(client: client, user: user, project: self[raw].project))
        judge(position, raw, now)
        return .done
    }

    private mutating func beginOwn(_ position: Int, _ raw: UInt32, isSuspended: Bool) {
        self[raw][position].marks.insert(.isOwn)
        if isSuspended { self[raw][position].marks.insert(.isSuspended) }
        self[raw].ownCount += 1
        userCount += 1
    }

    /// The user doesn't take part here any more, if nothing is left.
    private mutating func endOwn(_ position: Int, _ raw: UInt32) {
        let user = self[raw][position]
        guard user.marks.contains(.isOwn), !user.hasConnections,
            user.marks.isDisjoint(with: [.lingers, .staysHidden])
        else { return }
        self[raw][position].marks.subtract([.isOwn, .isSuspended, .lingersActive])
        self[raw].ownCount -= 1
        userCount -= 1
    }

    /// A connection doesn't take part in the project any more; nothing when it didn't.
    ///
    /// - Parameter graceNanoseconds: how long it may take to come back; `nil` when it said goodbye, or
    ///   is sent away.
    package mutating func leave(
        _ client: ClientIndex, _ user: UserID, _ project: ProjectID,
        graceNanoseconds: UInt64?, _ now: Instant
    ) {
        guard let raw = room(of: project), let position = self[raw].position(of: user),
            let watch = watch(of: client, position, raw)
        else { return }
        let wasInvisible = marks(of: watch, position, raw).contains(.isInvisible)
        let wasSeen = ownVisibility(of: position, raw) ?? .absent
        removeWatch(watch, of: position, raw)
        if let graceNanoseconds {
            let isLast = !self[raw][position].hasConnections
            // Nobody would see a user who comes back and hasn't been seen.
            if isLast, wasSeen != .absent {
                self[raw][position].marks.remove(.lingersActive)
                if wasSeen == .active { self[raw][position].marks.insert(.lingersActive) }
                self[raw][position].marks.insert(.lingers)
                wait(for: position, raw, graceNanoseconds, now)
            }
            if wasInvisible {
                self[raw][position].marks.insert(.staysHidden)
                wait(for: position, raw, graceNanoseconds, now)
            }
        }
        judge(position, raw, now)
    }

    private mutating func wait(
        for position: Int, _ raw: UInt32, _ nanoseconds: UInt64, _ now: Instant
    ) {
        let tick = TimerWheel.tick(nanoseconds, after: now)
        self[raw][position].deadlineTick = tick
        guard tick < self[raw].expiryTick else { return }
        self[raw].expiryTick = tick
        setTimer(of: raw)
    }

    // MARK: What follows

    /// Something has happened to a user who takes part here. The position may be another user's
    /// afterwards, and the room be free.
    mutating func judge(
        _ position: Int, _ raw: UInt32, isUrgent: Bool = false, _ now: Instant
    ) {
        noteNews(of: self[raw][position].user, in: self[raw].project)
        endOwn(position, raw)
        see(position, raw, isUrgent: isUrgent, now)
    }

    /// Sees the user anew, and tells if that is something else than before. The position may be another
    /// user's afterwards, and the room be free.
    mutating func see(
        _ position: Int, _ raw: UInt32, isUrgent: Bool = false, _ now: Instant
    ) {
        let before = self[raw][position]
        let current = visibility(of: position, raw)
        if current != before.current {
            self[raw][position].current = current
            if before.current == .absent { self[raw].visibleCount += 1 }
            if current == .absent { self[raw].visibleCount -= 1 }
            if self[raw].hasEarlyStates { self[raw].earlyStatesAreOld = true }
            noteChanged(from: before.isChanged, to: self[raw][position].isChanged, raw)
        }
        removeIfGone(position, raw)
        if self[raw].needsRound(truncates: truncates(raw)) {
            scheduleRound(
                of: raw,
                notBefore: isUrgent
                    ? now : now.advanced(byNanoseconds: Limits.presenceDelayNanoseconds), now)
        }
        discardIfUnused(raw)
    }

    private mutating func noteChanged(from was: Bool, to now: Bool, _ raw: UInt32) {
        if was, !now { self[raw].changedCount -= 1 }
        if !was, now { self[raw].changedCount += 1 }
    }

    private func visibility(of position: Int, _ raw: UInt32) -> Visibility {
        guard let own = ownVisibility(of: position, raw) else { return .absent }
        return own.joined(with: self[raw][position].elsewhere)
    }

    /// How the user is seen here, whatever others say; `nil` for one who is hidden, also from what
    /// others say.
    private func ownVisibility(of position: Int, _ raw: UInt32) -> Visibility? {
        let user = self[raw][position]
        if !user.marks.isDisjoint(with: [.isSuspended, .staysHidden]) { return nil }
        guard user.hasConnections else {
            guard user.marks.contains(.lingers) else { return .absent }
            return user.marks.contains(.lingersActive) ? .active : .away
        }
        var visibility = Visibility.away
        var next = firstWatch(of: position, in: raw)
        while let watch = next {
            let marks = marks(of: watch, position, raw)
            if marks.contains(.isInvisible) { return nil }
            if marks.contains(.isActive) { visibility = .active }
            next = nextWatch(after: watch, of: position, in: raw)
        }
        return visibility
    }

    mutating func ownVisibility(of pair: MembershipPair) -> Visibility {
        guard let raw = room(of: pair.project), let position = self[raw].position(of: pair.user)
        else { return .absent }
        return ownVisibility(of: position, raw) ?? .absent
    }

    /// Takes out a user of whom nothing is left, and who is told to be gone or needn't be.
    mutating func removeIfGone(_ position: Int, _ raw: UInt32) {
        let user = self[raw][position]
        guard !user.hasConnections,
            user.marks.isDisjoint(with: [.lingers, .staysHidden, .isElsewhere])
        else { return }
        if user.published != .absent {
            // Those who follow the changes have to hear of it.
            if self[raw].followerCount > 0, !self[raw].isTruncated { return }
            noteChanged(from: user.isChanged, to: false, raw)
            self[raw].publishedCount -= 1
        }
        self[raw].remove(at: position)
        if self[raw].users.count == Limits.presenceRestingUsersMax { setTimer(of: raw) }
    }

    /// Whether the list ends: too many are present, or nobody is to be told who they are.
    func truncates(_ raw: UInt32) -> Bool {
        !listsUsers || self[raw].visibleCount > Limits.presenceListMax
    }

    /// Whether others may know nothing of some user of the project, who takes part.
    package func mayHideSomebody(in project: ProjectID) -> Bool {
        guard let place = rooms.place(of: project) else { return false }
        // A room at rest is small.
        guard place.isAwake else { return true }
        let raw = UInt32(place.index)
        for position in self[raw].users.indices
        where self[raw][position].marks.contains(.isOwn)
            && self[raw][position].current == .absent
        { return true }
        return false
    }

    /// Whether others know nothing of the user, who takes part, or did until a moment ago.
    package func isHidden(_ user: UserID, in project: ProjectID) -> Bool {
        guard let place = rooms.place(of: project) else { return false }
        guard place.isAwake else { return rooms.isHidden(user, at: place) }
        let raw = UInt32(place.index)
        guard let position = self[raw].position(of: user) else { return false }
        return self[raw][position].marks.contains(.isOwn)
            && self[raw][position].current == .absent
    }
}
