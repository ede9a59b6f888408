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

    package init() {}

    package var isEmpty: Bool { users.isEmpty && waitingRooms.isEmpty && currentRoom == nil }

    /// When something can be asked; `nil` when nothing waits.
    package var due: Instant? { isEmpty ? nil : notBefore }

    package func isDue(_ now: Instant) -> Bool { due.map { $0 <= now } ?? false }

    // MARK: Users

    /// The database didn't say: the user is asked about again, after a pause.
    package mutating func askAgain(_ pair: MembershipPair, _ now: Instant) {
        users.append(pair)
        pause(now)
    }

    private mutating func pause(_ now: Instant) {
        notBefore = now.advanced(byNanoseconds: Limits.verificationPauseNanoseconds)
    }

    // MARK: Projects

    /// Any of the project's members may have been removed. One that is being verified is verified
    /// once more.
    package mutating func verify(_ project: ProjectID, _ reason: ResyncReason) {
        if rooms[project] != nil {
            rooms[project]?.isOutdated = true
            if reason == .listenerReconnected { rooms[project]?.reason = reason }
        } else {
            rooms[project] = RoomVerification(reason: reason)
            waitingRooms.append(project)
        }
    }

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
        if verdict == .unknown {
            rooms[project]?.isOutdated = true
            pause(now)
        }
        rooms[project]?.outstanding -= 1
    }

    /// Ends the project's verification when all have been asked about and nothing has happened
    /// meanwhile. Returns what the resync behind it says; `nil` while it isn't over.
    package mutating func endIfVerified(_ project: ProjectID) -> ResyncReason? {
        guard let room = rooms[project], room.hasBegun, room.outstanding == 0,
            room.next == room.users.count, currentRoom != project
        else { return nil }
        if room.isOutdated {
            rooms[project] = RoomVerification(reason: room.reason)
            waitingRooms.append(project)
            return nil
        }
        rooms[project] = nil
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
}

/// A deleted project whose audience has still to be notified.
struct ProjectClosing {
    let project: ProjectID
    let code: ErrorCode
}
