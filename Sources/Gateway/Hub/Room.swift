internal import Reactor

/// The audience of one project, and what is on its way to it.
///
/// Clients that look at this project alone are *members of the fan-out*: they get a turn's segment
/// whole, when the fan-out comes to them. Those that look at several are *ordered* members: they
/// must get the events of all their projects in one order, so each event is put into their queues
/// by itself, in the turn in which it came.
///
/// Those whose membership of the project is being verified are *suspended* members: subscribed, and without
/// any event until the database has been asked. When all may have lost it, the room as a whole is
/// *suspended*.
///
/// Leaving while a fan-out is under way fills the gap from the end of the same part of the members (see
/// `FanOut`) and moves one member over each border, so that nobody is skipped and nobody is served
/// twice, at the cost of at most three moves.
struct Room: ~Copyable {
    let project: ProjectID
    private(set) var members = MemberList()
    private(set) var ordered = MemberList()
    private(set) var suspended = MemberList()
    var suspension = RoomSuspension.none

    /// What is to be sent to the members of the fan-out.
    var fanOut = FanOut()
    /// Whether the room stands in the hub's list of rooms that have something to send.
    var isActive = false

    init(project: ProjectID) {
        self.project = project
    }

    /// Members of the first two kinds: those who get events.
    var count: Int { Int(members.count) + Int(ordered.count) }
    var isEmpty: Bool { count == 0 && suspended.count == 0 }

    /// Adds a member of the fan-out and returns its position.
    mutating func append(_ member: Member) -> UInt32 {
        members.append(member)
    }

    /// Adds an ordered member and returns its position among them.
    mutating func appendOrdered(_ member: Member) -> UInt32 {
        ordered.append(member)
    }

    /// Takes out the member of the fan-out at `position`. The moves that fill the gap are returned
    /// for the hub to note.
    mutating func remove(at position: UInt32) -> RoomMoves {
        precondition(position < members.count)
        var moves = RoomMoves()
        var gap = position
        if let last = fanOut.removeServed(at: gap) { fill(&gap, from: last, &moves) }
        if let last = fanOut.removeAwaited(at: gap) { fill(&gap, from: last, &moves) }
        fill(&gap, from: members.count - 1, &moves)
        members.removeLast()
        return moves
    }

    /// Takes out the ordered member at `position`. Returns the one that now stands there, if it is
    /// another.
    mutating func removeOrdered(at position: UInt32) -> Member? {
        ordered.swapRemove(at: position)
    }

    /// Adds a suspended member and returns its position among them.
    mutating func appendSuspended(_ member: Member) -> UInt32 {
        suspended.append(member)
    }

    /// Takes out the suspended member at `position`, as `removeOrdered`.
    mutating func removeSuspended(at position: UInt32) -> Member? {
        suspended.swapRemove(at: position)
    }

    private mutating func fill(_ gap: inout UInt32, from last: UInt32, _ moves: inout RoomMoves) {
        guard gap != last else { return }
        let moved = members[last]
        members[gap] = moved
        moves.append(moved, to: gap)
        gap = last
    }
}

/// Whether a room's events reach its audience.
enum RoomSuspension: UInt8, BitwiseCopyable {
    case none
    /// Everyone's membership is being looked up; a resync comes after it.
    case verifying
}

/// The moves that one removal caused, at most three: which member now stands where.
struct RoomMoves: BitwiseCopyable {
    struct Move: BitwiseCopyable {
        var member = Member(client: 0, slot: 0)
        var position: UInt32 = 0
    }

    private(set) var count = 0
    private var moves = InlineArray<3, Move>(repeating: Move())

    mutating func append(_ member: Member, to position: UInt32) {
        precondition(count < 3)
        moves[count] = Move(member: member, position: position)
        count += 1
    }

    subscript(index: Int) -> Move { moves[index] }
}
