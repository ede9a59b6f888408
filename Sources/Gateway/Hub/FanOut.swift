package import Reactor

// From a project to those who look at it: the frames of a turn are gathered in its room's open segment, which
// a fan-out then takes to each member.

/// What a room has to send, and how far it has come.
///
/// A fan-out that is under way divides the room's members in three:
///
///     [ 0 ..< cursor: served | cursor ..< end: to serve | end ..< count: joined since ]
struct FanOut: BitwiseCopyable {
    /// The frames of this turn, which the next fan-out takes; `none` when there are none.
    var openSegment = SegmentIndex.none
    /// Whether the open segment holds a resync in place of frames that were too many.
    var openIsResync = false
    /// The segment that is being delivered; `none` while no fan-out is under way.
    private(set) var segment = SegmentIndex.none
    /// The same in the form for those who take compressed messages; `none` while nobody needed it.
    var compressed = SegmentIndex.none
    private var cursor: UInt32 = 0
    private var endPosition: UInt32 = 0

    /// Sends the open segment on its way to all present members. Only while no fan-out is under
    /// way. The room's reference to the segment goes over to the fan-out.
    mutating func begin(memberCount: UInt32) {
        precondition(segment == .none && openSegment != .none)
        segment = openSegment
        cursor = 0
        endPosition = memberCount
        openSegment = .none
        openIsResync = false
    }

    // Hot path.
    /// The position of the member to serve next; `nil` when all were.
    mutating func next() -> UInt32? {
        guard cursor < endPosition else { return nil }
        defer { cursor += 1 }
        return cursor
    }

    // Hot path.
    /// The position of the member that is served after `steps` others; `nil` beyond the last.
    func position(after steps: UInt32) -> UInt32? {
        let position = cursor + steps
        return position < endPosition ? position : nil
    }

    /// Ends the fan-out and hands its reference to the segment to the caller.
    mutating func end() -> SegmentIndex {
        precondition(segment != .none)
        defer {
            segment = .none
            cursor = 0
            endPosition = 0
        }
        return segment
    }

    /// Whether the fan-out that is under way has still to come to the member at `position`.
    func isAwaited(at position: UInt32) -> Bool {
        segment != .none && position >= cursor && position < endPosition
    }

    // MARK: Members that leave

    /// One of those who were served leaves: returns the position of the last of them, which is now the
    /// first of those to serve. `nil` when the member at `position` wasn't served.
    mutating func removeServed(at position: UInt32) -> UInt32? {
        guard segment != .none, position < cursor else { return nil }
        cursor -= 1
        return cursor
    }

    /// As `removeServed`, of those who were or are to be served.
    mutating func removeAwaited(at position: UInt32) -> UInt32? {
        guard segment != .none, position < endPosition else { return nil }
        endPosition -= 1
        return endPosition
    }
}

/// What a fan-out step met.
package enum Recipient: Sendable {
    /// Deliver the room's segment to this member.
    case member(Member)
    /// All members were served: release the segment.
    case finished(SegmentIndex)
}

extension Hub {
    // MARK: From a project to its segment

    /// The project's room; `nil` when nobody looks at the project.
    package func room(of project: ProjectID) -> RoomIndex? {
        roomOfProject[project]
    }

    /// Appends a frame to the project's segment of this turn. Beyond `framesMax` or `bytesMax` the
    /// segment is full: returns `false` and changes nothing.
    package mutating func append(
        _ frame: borrowing ByteBuffer, to room: RoomIndex, in pool: inout SegmentPool,
        framesMax: Int, bytesMax: Int
    ) -> Bool {
        let segment = openSegment(of: room, in: &pool, capacity: frame.count)
        guard pool.frames(of: segment) < framesMax,
            pool.count(of: segment) + frame.count <= bytesMax
        else { return false }
        pool.append(frame.bytes, frames: 1, to: segment)
        return true
    }

    /// Puts `frames`, a resync of the project, in the place of everything that the project's
    /// segment of this turn holds, and of whatever would follow: it says the same and more.
    package mutating func replaceWithResync(
        _ frames: borrowing ByteBuffer, frameCount: Int, in room: RoomIndex,
        pool: inout SegmentPool
    ) {
        let segment = openSegment(of: room, in: &pool, capacity: frames.count)
        pool.removeAll(segment)
        pool.append(frames.bytes, frames: frameCount, to: segment)
        rooms[room].fanOut.openIsResync = true
    }

    /// Whether the segment of this turn is a resync already, so that nothing need be added.
    package func isResyncPending(in room: RoomIndex) -> Bool {
        rooms[room].fanOut.openIsResync
    }

    private mutating func openSegment(
        of room: RoomIndex, in pool: inout SegmentPool, capacity: Int
    ) -> SegmentIndex {
        if rooms[room].fanOut.openSegment == .none {
            rooms[room].fanOut.openSegment = pool.make(capacity: capacity)
            if !rooms[room].isActive {
                rooms[room].isActive = true
                activeRooms.append(room.raw)
            }
        }
        return rooms[room].fanOut.openSegment
    }

    // MARK: From the segment to the members

    /// Rooms with something to send.
    package var activeRoomCount: Int { activeRooms.count }

    package func activeRoom(at index: Int) -> RoomIndex {
        RoomIndex(raw: activeRooms[index])
    }

    /// Starts the room's next fan-out unless one is under way. Returns the segment that is being
    /// delivered; `nil` when the room has nothing to send any more.
    package mutating func fanOut(of room: RoomIndex) -> SegmentIndex? {
        if rooms[room].fanOut.segment == .none {
            guard rooms[room].fanOut.openSegment != .none else { return nil }
            rooms[room].fanOut.begin(memberCount: rooms[room].members.count)
        }
        return rooms[room].fanOut.segment
    }

    // Hot path.
    /// The next member to get the segment of the room's fan-out.
    @inline(__always)
    package mutating func nextRecipient(in room: RoomIndex) -> Recipient {
        guard let position = rooms[room].fanOut.next() else {
            return .finished(rooms[room].fanOut.end())
        }
        return .member(rooms[room].members[position])
    }

    // Hot path.
    /// Who gets the segment of the room's fan-out after `steps` others; `nil` beyond the last member.
    package func recipient(after steps: UInt32, in room: RoomIndex) -> Member? {
        rooms[room].fanOut.position(after: steps).map { rooms[room].members[$0] }
    }

    /// The compressed form of the room's fan-out; `nil` while there is none.
    package func compressedFanOut(of room: RoomIndex) -> SegmentIndex? {
        rooms[room].fanOut.compressed == .none ? nil : rooms[room].fanOut.compressed
    }

    /// Takes over the caller's reference to `segment`.
    package mutating func setCompressedFanOut(_ segment: SegmentIndex, of room: RoomIndex) {
        precondition(rooms[room].fanOut.compressed == .none)
        rooms[room].fanOut.compressed = segment
    }

    /// Hands the reference to the compressed form over to the caller.
    package mutating func removeCompressedFanOut(of room: RoomIndex) -> SegmentIndex? {
        let compressed = compressedFanOut(of: room)
        rooms[room].fanOut.compressed = .none
        return compressed
    }

    /// Removes the rooms that have nothing left to send from the list of active ones, and moves
    /// the first `served` of the others behind the rest, so that each gets its turn.
    package mutating func rotateActiveRooms(served: Int) {
        precondition(served <= activeRooms.count)
        rotatedRooms.removeAll()
        for index in served..<activeRooms.count { keepIfActive(activeRooms[index]) }
        for index in 0..<served { keepIfActive(activeRooms[index]) }
        swap(&activeRooms, &rotatedRooms)
    }

    private mutating func keepIfActive(_ raw: UInt32) {
        let room = RoomIndex(raw: raw)
        if rooms[room].fanOut.segment == .none && rooms[room].fanOut.openSegment == .none {
            rooms[room].isActive = false
            discardIfUnused(room)
        } else {
            rotatedRooms.append(raw)
        }
    }
}
