internal import Reactor

/// Memberships that were removed, or may have been, and are looked up again before anything more is
/// delivered.
///
/// A removal that is announced needn't be the end of the membership: the row may have been written
/// anew in the same transaction, or in the next. So whoever it concerns gets nothing from the moment
/// of the announcement on, and is thrown out or told what it missed when the database has answered.
struct Verifications: ~Copyable {
    /// Users with withheld connections that have to be asked about.
    var users: [MembershipPair] = []
    /// Suspended projects.
    var rooms: [ProjectID: RoomVerification] = [:]
    /// Those of them whose audience hasn't been gone through yet.
    var waitingRooms: [ProjectID] = []
    /// The one whose audience is being asked about.
    var currentRoom: ProjectID?
    /// Not to be tried before that, after a failure.
    var notBefore = Instant(nanoseconds: 0)

    var isEmpty: Bool { users.isEmpty && waitingRooms.isEmpty && currentRoom == nil }

    /// When something can be asked; `nil` when nothing waits.
    var due: Instant? { isEmpty ? nil : notBefore }
}

/// A project whose whole audience is being verified.
struct RoomVerification {
    /// What the resync behind it says.
    var reason: ResyncReason
    /// The users of its audience, once it has begun.
    var users: [UserID] = []
    var hasBegun = false
    /// Users below this one were asked about.
    var next = 0
    /// Answers that are still to come.
    var outstanding = 0
    /// Whether another removal came, or a question failed: then it begins again.
    var isSpoilt = false
}

/// A project that is gone, and whose audience has still to be told.
struct ProjectClosing {
    let project: ProjectID
    let code: ErrorCode
}
