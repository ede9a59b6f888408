package import Reactor

// Members who were announced to be removed: nobody sees them from there on, whatever is found out.
extension Presence {
    /// The user's membership was announced to have ended, which is being verified: from here on nobody
    /// sees the user.
    package mutating func suspend(_ user: UserID, in project: ProjectID, _ now: Instant) {
        guard let raw = room(of: project), let position = self[raw].position(of: user),
            self[raw][position].marks.contains(.isOwn)
        else { return }
        self[raw][position].marks.insert(.isSuspended)
        judge(position, raw, isUrgent: true, now)
    }

    /// The same of a user without a connection, who is gone at once: nobody will be asked about. There
    /// is none in a room at rest.
    package mutating func dropLingering(_ user: UserID, in project: ProjectID, _ now: Instant) {
        guard let raw = awakeRoom(of: project), let position = self[raw].position(of: user),
            isLingering(position, raw)
        else { return }
        endLingering(position, raw, now)
    }

    /// The membership holds. Connections of the user may have missed something.
    package mutating func readmit(_ user: UserID, in project: ProjectID, _ now: Instant) {
        guard let raw = room(of: project), let position = self[raw].position(of: user) else {
            return
        }
        self[raw][position].marks.remove(.isSuspended)
        judge(position, raw, isUrgent: true, now)
        guard isInUse(raw) else { return }
        self[raw].hasWaiting = true
        scheduleRound(of: raw, notBefore: now, now)
    }

    /// Some members of the project were removed, it isn't known who: those without a connection, of
    /// whom nobody is asked about, are gone at once.
    package mutating func dropLingering(in project: ProjectID, _ now: Instant) {
        guard let raw = awakeRoom(of: project) else { return }
        for position in self[raw].users.indices.reversed()
        where isLingering(position, raw) {
            endLingering(position, raw, now)
            guard isInUse(raw) else { return }
        }
    }

    /// Whether the user takes part here without a connection.
    private func isLingering(_ position: Int, _ raw: UInt32) -> Bool {
        self[raw][position].marks.contains(.isOwn) && !self[raw][position].hasConnections
    }

    /// Whoever is hidden stays so: the removal may turn out to be none.
    private mutating func endLingering(_ position: Int, _ raw: UInt32, _ now: Instant) {
        self[raw][position].marks.subtract([.lingers, .isSuspended])
        judge(position, raw, isUrgent: true, now)
    }
}
