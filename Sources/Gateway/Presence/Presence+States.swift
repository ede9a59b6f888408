package import Reactor

// States: what a connection is told that has none, between rounds.
extension Presence {
    // MARK: Connections

    package func watchedClient(_ watch: Watch, of position: Int, in raw: UInt32) -> ClientIndex {
        client(of: watch, position, raw)
    }

    package func firstConnection(of position: Int, in raw: UInt32) -> Watch? {
        firstWatch(of: position, in: raw)
    }

    package func nextConnection(
        after watch: Watch, of position: Int, in raw: UInt32
    ) -> Watch? {
        nextWatch(after: watch, of: position, in: raw)
    }

    /// The connection was sent what the round, or a state, has for it.
    package mutating func noteSent(
        _ watch: Watch, of position: Int, in raw: UInt32, isEarly: Bool = false
    ) {
        var marks = marks(of: watch, position, raw)
        marks.noteSent(self[raw].sequence &+ (isEarly ? 1 : 0))
        setMarks(marks, of: watch, position, raw)
        if isEarly { self[raw].hasEarlyStates = true }
    }

    /// The connection couldn't be sent anything: it gets a state when its socket takes bytes, or, if
    /// nothing will tell of that, with a later round.
    package mutating func noteMissed(
        _ watch: Watch, of position: Int, in raw: UInt32, isBlocked: Bool, _ now: Instant
    ) {
        var marks = marks(of: watch, position, raw)
        marks.remove(.hasState)
        setMarks(marks, of: watch, position, raw)
        setBehind(client(of: watch, position, raw), true)
        guard !isBlocked else { return }
        self[raw].hasWaiting = true
        scheduleRound(
            of: raw, notBefore: now.advanced(byNanoseconds: Limits.presencePaceNanoseconds), now)
    }

    // MARK: States

    /// A connection and its place in the presence of a project.
    package struct Place: BitwiseCopyable, Sendable {
        package let room: UInt32
        package let position: Int
        package let watch: UInt32

        package init(room: UInt32, position: Int, watch: UInt32) {
            self.room = room
            self.position = position
            self.watch = watch
        }
    }

    /// The next connection that waits for its first state; it may be gone by now.
    package mutating func dequeueAsk() -> PresenceAsk? {
        guard hasAsks else { return nil }
        let ask = asks[nextAsk]
        nextAsk += 1
        if !hasAsks {
            asks.removeAll(keepingCapacity: asks.count <= Self.asksKept)
            nextAsk = 0
        }
        return ask
    }

    /// Places for asks that are kept for their memory.
    private static var asksKept: Int { 256 }

    var hasAsks: Bool { nextAsk < asks.count }

    /// The client's place in the project, if it has to be sent a state there.
    package mutating func missingPlace(
        of client: ClientIndex, _ user: UserID, in project: ProjectID
    ) -> Place? {
        guard let raw = room(of: project), let position = self[raw].position(of: user),
            let watch = watch(of: client, position, raw),
            !marks(of: watch, position, raw).contains(.hasState)
        else { return nil }
        return Place(room: raw, position: position, watch: watch)
    }

    /// Whether a state that is sent between rounds is early: it has the next round's number, because
    /// what that will tell is in it. Where nobody follows the changes there is nothing to wait for.
    package mutating func isNextStateEarly(in raw: UInt32) -> Bool {
        guard self[raw].cursor == nil, self[raw].isChanged(truncates: truncates(raw)) else {
            return self[raw].cursor == nil && self[raw].hasEarlyStates
        }
        guard self[raw].followerCount == 0 else { return true }
        publishSilently(raw)
        return false
    }

    /// What a connection is sent as a state.
    package func stateNews(_ watch: Watch, of position: Int, in raw: UInt32, isEarly: Bool)
        -> PresenceNews
    {
        let isTruncated = isEarly ? truncates(raw) : self[raw].isTruncated
        let wantsList = marks(of: watch, position, raw).contains(.wantsList)
        return wantsList && !isTruncated ? .list : .count
    }

    /// A connection's marks of all its projects say that it has nothing: what was queued was dropped.
    package mutating func forgetState(
        of client: ClientIndex, _ user: UserID, in project: ProjectID
    ) {
        guard let raw = room(of: project), let position = self[raw].position(of: user),
            let watch = watch(of: client, position, raw)
        else { return }
        setMarks(
            marks(of: watch, position, raw).subtracting(.hasState), of: watch, position, raw)
        setBehind(client, true)
    }

    // MARK: Those who are told who types

    /// How many users take part in the project.
    package func userEnd(of project: ProjectID) -> Int {
        guard let place = rooms.place(of: project) else { return 0 }
        return place.isAwake ? self[UInt32(place.index)].users.count : place.users
    }

    /// The user at the position, and the room; `nil` when there is none any more.
    package mutating func seat(
        _ position: Int, of project: ProjectID
    ) -> (room: UInt32, user: UserID)? {
        guard let raw = room(of: project), position < self[raw].users.count else { return nil }
        return (raw, self[raw][position].user)
    }

    package func wantsList(_ watch: Watch, of position: Int, in raw: UInt32) -> Bool {
        listsUsers && marks(of: watch, position, raw).contains(.wantsList)
    }
}
