internal import Reactor

/// A client's place in a room: eight bytes, dense in memory, in no particular order.
package struct Member: BitwiseCopyable, Sendable {
    package let client: ClientIndex
    /// Which of the client's memberships this is (`MembershipTable`).
    let slot: UInt32
}

/// The audience of one project, and what is on its way to it.
///
/// Members stand in a dense array, so that a broadcast walks memory in order. A broadcast that is
/// under way (a *fan-out*) divides the array in three: members that were served, members that are
/// still to be served, and members that joined since, to whom it doesn't go:
///
///     [ 0 ..< cursor: served | cursor ..< end: to serve | end ..< count: joined since ]
///
/// Leaving fills the gap from the end of the same part and moves one member over each border, so
/// that nobody is skipped and nobody is served twice, at the cost of at most three moves.
@safe
struct Room: ~Copyable {
    let project: ProjectID
    private(set) var count: UInt32 = 0
    private var capacity: UInt32 = 0
    private var members: UnsafeMutablePointer<Member>?

    /// The frames of this turn, which a fan-out will take; `none` when there are none.
    var openSegment = SegmentIndex.none
    /// Whether the open segment holds a resync in place of frames that were too many.
    var openIsResync = false
    /// Whether the room stands in the hub's list of rooms that have something to send.
    var isActive = false

    /// The segment that a fan-out delivers; `none` when none is under way.
    private(set) var fanOutSegment = SegmentIndex.none
    private(set) var fanOutCursor: UInt32 = 0
    private(set) var fanOutEnd: UInt32 = 0

    init(project: ProjectID) {
        self.project = project
    }

    deinit {
        if let members = unsafe members { unsafe members.deallocate() }
    }

    // Hot path.
    func member(at position: UInt32) -> Member {
        precondition(position < count)
        guard let members = unsafe members else { preconditionFailure() }
        return unsafe members[Int(position)]
    }

    /// Adds a member at the end and returns its position.
    mutating func append(_ member: Member) -> UInt32 {
        if count == capacity { grow() }
        let position = count
        count += 1
        put(member, at: position)
        return position
    }

    /// Takes out the member at `position`. The moves that fill the gap are returned for the hub to
    /// note; each says that the member now at `to` came from elsewhere.
    mutating func remove(at position: UInt32) -> RoomMoves {
        precondition(position < count)
        var moves = RoomMoves()
        var gap = position
        if fanOutSegment != .none {
            if gap < fanOutCursor {
                fanOutCursor -= 1
                fill(&gap, from: fanOutCursor, &moves)
            }
            if gap < fanOutEnd {
                fanOutEnd -= 1
                fill(&gap, from: fanOutEnd, &moves)
            }
        }
        count -= 1
        fill(&gap, from: count, &moves)
        return moves
    }

    /// Sends the open segment on its way to all present members. Only while no fan-out is under
    /// way. The room's reference to the segment goes over to the fan-out.
    mutating func beginFanOut() {
        precondition(fanOutSegment == .none && openSegment != .none)
        fanOutSegment = openSegment
        fanOutCursor = 0
        fanOutEnd = count
        openSegment = .none
        openIsResync = false
    }

    // Hot path.
    /// The next member to serve; `nil` when all were.
    mutating func nextRecipient() -> Member? {
        guard fanOutCursor < fanOutEnd else { return nil }
        let member = member(at: fanOutCursor)
        fanOutCursor += 1
        return member
    }

    /// Ends the fan-out and hands its reference to the segment to the caller.
    mutating func endFanOut() -> SegmentIndex {
        precondition(fanOutSegment != .none)
        let segment = fanOutSegment
        fanOutSegment = .none
        fanOutCursor = 0
        fanOutEnd = 0
        return segment
    }

    private mutating func fill(_ gap: inout UInt32, from last: UInt32, _ moves: inout RoomMoves) {
        guard gap != last else { return }
        // Not `member(at:)`: the count may have gone down already.
        guard let members = unsafe members else { preconditionFailure() }
        let moved = unsafe members[Int(last)]
        put(moved, at: gap)
        moves.append(moved, to: gap)
        gap = last
    }

    private mutating func put(_ member: Member, at position: UInt32) {
        guard let members = unsafe members else { preconditionFailure() }
        unsafe members[Int(position)] = member
    }

    private mutating func grow() {
        let larger = max(capacity * 2, 4)
        let moved = UnsafeMutablePointer<Member>.allocate(capacity: Int(larger))
        if let members = unsafe members {
            unsafe moved.update(from: members, count: Int(count))
            unsafe members.deallocate()
        }
        unsafe members = moved
        capacity = larger
    }
}

/// The moves that one removal caused, at most three.
struct RoomMoves: BitwiseCopyable {
    private(set) var count = 0
    private var first = Member(client: 0, slot: 0)
    private var second = Member(client: 0, slot: 0)
    private var third = Member(client: 0, slot: 0)
    private var positions = InlineArray<3, UInt32>(repeating: 0)

    mutating func append(_ member: Member, to position: UInt32) {
        precondition(count < 3)
        positions[count] = position
        switch count {
        case 0: first = member
        case 1: second = member
        default: third = member
        }
        count += 1
    }

    func member(_ index: Int) -> Member {
        index == 0 ? first : index == 1 ? second : third
    }

    func position(_ index: Int) -> UInt32 {
        positions[index]
    }
}
