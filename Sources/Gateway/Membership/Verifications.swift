package import Reactor

/// Memberships that were removed, or may have been, and are looked up again before anything more is
/// delivered.
///
/// A removal that is announced needn't be the end of the membership: the row may have been written
/// anew in the same transaction, or in the next. So whoever it concerns gets nothing from the moment
/// of the announcement on, and is removed or gets a resync when the database has answered.
package struct Verifications: ~Copyable {
    /// Users with suspended connections that have to be asked about.
    package var users: [MembershipPair] = []
    /// Suspended projects.
    package private(set) var rooms: [ProjectID: RoomVerification] = [:]
    /// Those of them whose audience hasn't been asked about yet.
    private var waitingRooms: [ProjectID] = []
    /// The one whose audience is being asked about.
    package var currentRoom: ProjectID?
    /// Not to be tried before that, after a failure.
    private var notBefore = Instant(nanoseconds: 0)
    /// Projects of which a removal was announced that was none, since a while ago. Whatever is announced
    /// of them next is looked into at the end of that while: any role may NOTIFY, and a storm of
    /// removals that are none shall end in one look and one resync.
    private var unfounded: Set<ProjectID> = []
    private var unfoundedUntil: Instant?
    private var heldUsers: [MembershipPair] = []
    private var heldRooms: [ProjectID] = []

    package init() {}

    /// Whether nothing waits to be asked, now or later.
    package var isEmpty: Bool { hasNothingReady && heldUsers.isEmpty && heldRooms.isEmpty }

    private var hasNothingReady: Bool {
        users.isEmpty && waitingRooms.isEmpty && currentRoom == nil
    }

    /// When something can be asked; `nil` when nothing waits.
    package var due: Instant? {
        if isEmpty { return nil }
        guard hasNothingReady, let unfoundedUntil else { return notBefore }
        return max(notBefore, unfoundedUntil)
    }

    package func isDue(_ now: Instant) -> Bool { due.map { $0 <= now } ?? false }

    // MARK: Pace

    /// A removal of the project was announced, and nobody was removed.
    package mutating func noteUnfounded(_ project: ProjectID, _ now: Instant) {
        if unfoundedUntil == nil {
            unfoundedUntil = now.advanced(byNanoseconds: Limits.unfoundedRemovalNanoseconds)
        }
        if unfounded.count < Limits.unfoundedProjectsMax { unfounded.insert(project) }
    }

    /// With more projects than are remembered, all are held.
    private func isHeld(_ project: ProjectID) -> Bool {
        unfounded.count >= Limits.unfoundedProjectsMax || unfounded.contains(project)
    }

    /// What was held can be asked about, when its time has come.
    package mutating func releaseHeld(_ now: Instant) {
        guard let unfoundedUntil, unfoundedUntil <= now else { return }
        self.unfoundedUntil = nil
        unfounded.removeAll(keepingCapacity: true)
        users.append(contentsOf: heldUsers)
        heldUsers.removeAll()
        waitingRooms.append(contentsOf: heldRooms)
        heldRooms.removeAll()
    }

    // MARK: Users

    /// Connections of the user were suspended.
    package mutating func verify(_ pair: MembershipPair) {
        if isHeld(pair.project) { heldUsers.append(pair) } else { users.append(pair) }
    }

    /// The database didn't say: the user is asked about again, after a pause.
    package mutating func askAgain(_ pair: MembershipPair, _ now: Instant) {
        users.append(pair)
        pause(now)
    }

    private mutating func pause(_ now: Instant) {
        notBefore = now.advanced(byNanoseconds: Limits.verificationPauseNanoseconds)
    }

    // MARK: Projects

    /// Any of the project's members may have been removed, or the project itself. One that is being
    /// verified is verified once more.
    package mutating func verify(
        _ project: ProjectID, _ reason: ResyncReason, isEnd: Bool = false
    ) {
        if rooms[project] != nil {
            rooms[project]?.isOutdated = true
            if reason == .listenerReconnected { rooms[project]?.reason = reason }
        } else {
            rooms[project] = RoomVerification(reason: reason)
            wait(project)
        }
        if isEnd { rooms[project]?.isEnd = true }
    }

    private mutating func wait(_ project: ProjectID) {
        if isHeld(project) { heldRooms.append(project) } else { waitingRooms.append(project) }
    }

    /// Whether the end of the project was announced, and is being verified.
    package func isEnd(of project: ProjectID) -> Bool { rooms[project]?.isEnd ?? false }

    /// The next project whose audience has to be asked about; their order is of no matter.
    package mutating func dequeueRoom() -> ProjectID? { waitingRooms.popLast() }

    /// Begins to verify a project, whose audience are these users. Removals that were announced before
    /// outdate nothing.
    package mutating func begin(_ project: ProjectID, _ users: [UserID]) {
        rooms[project]?.isOutdated = false
        rooms[project]?.users = users
        rooms[project]?.hasBegun = true
        rooms[project]?.next = 0
        currentRoom = project
    }

    /// The next user of the project's audience to be asked about, each once; `nil` after the last.
    package mutating func dequeueUser(of project: ProjectID) -> UserID? {
        guard let room = rooms[project] else { return nil }
        var next = room.next
        while next > 0, next < room.users.count, room.users[next - 1] == room.users[next] {
            next += 1
        }
        rooms[project]?.next = next
        return next < room.users.count ? room.users[next] : nil
    }

    /// The user that `dequeueUser` has returned is being asked about.
    package mutating func noteAsked(of project: ProjectID) {
        rooms[project]?.next += 1
        rooms[project]?.outstanding += 1
    }

    package mutating func noteAnswer(
        _ verdict: MembershipVerdict, of project: ProjectID, _ now: Instant
    ) {
        switch verdict {
        case .member: break
        case .notMember: rooms[project]?.isFounded = true
        case .unknown:
            rooms[project]?.isOutdated = true
            pause(now)
        }
        rooms[project]?.outstanding -= 1
    }

    /// Ends the project's verification when all have been asked about and nothing has happened
    /// meanwhile. Returns what the resync behind it says; `nil` while it isn't over.
    package mutating func endIfVerified(_ project: ProjectID, _ now: Instant) -> ResyncReason? {
        guard let room = rooms[project], room.hasBegun, room.outstanding == 0,
            room.next == room.users.count, currentRoom != project
        else { return nil }
        if room.isOutdated {
            var next = RoomVerification(reason: room.reason)
            next.isEnd = room.isEnd
            next.isFounded = room.isFounded
            next.isAgain = true
            rooms[project] = next
            // Once more is once: whoever goes on announcing waits.
            if room.isAgain { noteUnfounded(project, now) }
            wait(project)
            return nil
        }
        rooms[project] = nil
        if !room.isFounded, room.reason == .membershipChecked { noteUnfounded(project, now) }
        return room.reason
    }
}

extension Membership {
    /// Asks about users with suspended connections. False when there is no room for all questions.
    package mutating func askAboutUsers() -> Bool {
        while let pair = verifications.users.last {
            guard checks.ask(pair, .verifyUser) != .full else { return false }
            verifications.users.removeLast()
        }
        return true
    }

    /// Asks about the rest of a project's audience. False when there is no room for all questions.
    package mutating func askAboutRest(of project: ProjectID) -> Bool {
        while let user = verifications.dequeueUser(of: project) {
            let pair = MembershipPair(project: project, user: user)
            guard checks.ask(pair, .verifyRoom) != .full else { return false }
            verifications.noteAsked(of: project)
        }
        return true
    }
}

/// A project whose whole audience is being verified.
package struct RoomVerification {
    /// What the resync behind it says.
    var reason: ResyncReason
    /// The users of its audience, once it has begun.
    package var users: [UserID] = []
    var hasBegun = false
    /// Users below this one were asked about.
    var next = 0
    /// Answers that are still to come.
    var outstanding = 0
    /// Whether another removal came, or a question failed: then it begins again.
    var isOutdated = false
    /// Whether it has begun again before.
    var isAgain = false
    /// Whether somebody isn't a member any more.
    var isFounded = false
    /// Whether the end of the project was announced.
    var isEnd = false
}
