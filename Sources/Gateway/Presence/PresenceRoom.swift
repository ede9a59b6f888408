internal import Reactor

/// Who is present in one project, and what its connections were told of that.
///
/// Changes are told in *rounds*: each has the next number, and goes to everyone who has the one before.
/// While one is under way, `cursor` is where it stands: users from there on were served.
struct PresenceRoom {
    let project: ProjectID
    /// In no order; the last one takes the place of one that is removed.
    private(set) var users = UserList()
    private var positions: UserPositions

    /// Users who take part here; without any the room isn't needed.
    var ownCount = 0
    /// Users that are seen, and the number that was told last.
    var visibleCount = 0
    var publishedCount = 0
    /// Users that are seen otherwise than was told.
    var changedCount = 0
    /// Connections that have a state.
    var followerCount = 0

    /// The number of the last round.
    var sequence: UInt64 = 0
    /// When the next round is due; `nil` when nothing is to be told.
    var roundAt: Instant?
    /// When the last one began; `nil` before the first.
    var lastRound: Instant?
    /// The users who are still to be served in the round under way; `nil` without one.
    var cursor: Int?
    /// The frame of the changes, for the round under way.
    var frame = SegmentIndex.none
    /// Whether the round under way changes the number of users.
    var changesCount = false
    /// Whether the list has ended, as was told last: too many are present.
    var isTruncated = false
    /// Whether connections have a state with the number of the next round, and whether something has
    /// changed since.
    var hasEarlyStates = false
    var earlyStatesAreOld = false
    /// Whether connections wait for a state that no event will bring.
    var hasWaiting = false
    /// Whether it stands in the list of rooms whose round is due or under way.
    var isQueued = false

    /// The earliest tick at which somebody may have been gone for long enough; `.max`: never.
    var expiryTick = UInt32.max
    /// When it is looked at whether it can rest, and whether anything happened since the last look.
    var restTick: UInt32 = 0
    var wasUsed = true

    init(project: ProjectID, seed: UInt64) {
        self.project = project
        positions = UserPositions(seed: seed)
    }

    /// What stands in the place of a room that nobody uses.
    static var free: PresenceRoom { PresenceRoom(project: ProjectID(high: 0, low: 0), seed: 0) }

    /// Whether there is something to be told.
    func needsRound(truncates: Bool) -> Bool {
        isChanged(truncates: truncates) || hasEarlyStates || hasWaiting
    }

    /// Whether what was told isn't so any more.
    func isChanged(truncates: Bool) -> Bool {
        truncates != isTruncated || visibleCount != publishedCount
            || !truncates && changedCount > 0
    }

    /// The time from one round to the next.
    var pace: UInt64 {
        publishedCount > Limits.presenceListMax
            ? Limits.presenceCountPaceNanoseconds : Limits.presencePaceNanoseconds
    }

    // MARK: Users

    func position(of user: UserID) -> Int? { positions.position(of: user, in: users) }

    subscript(position: Int) -> PresentUser {
        get { users[position] }
        set { users[position] = newValue }
    }

    mutating func append(_ user: PresentUser) -> Int {
        users.append(user)
        positions.noteAppended(users)
        return users.count - 1
    }

    /// Takes out a user without connections, who is told to be absent.
    mutating func remove(at position: Int) {
        positions.noteSwapRemoval(at: position, of: users)
        let last = users.removeLast()
        if position < users.count { users[position] = last }
        positions.noteRemoved(users)
        if let cursor { self.cursor = min(cursor, users.count) }
    }
}
