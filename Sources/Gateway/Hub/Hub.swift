package import Reactor

/// What a fan-out step met.
package enum Recipient: Sendable {
    /// Deliver the room's segment to this member.
    case member(Member)
    /// All members were served: release the segment.
    case finished(SegmentIndex)
}

/// Who looks at which project, and what is on its way to them: the rooms, from a notification to its
/// recipients in this file, what clients do with them in the others.
///
/// A plain value: it knows indices of clients and segments of frames, and no socket, message or
/// clock. A notification costs one dictionary look-up; from there on everything is an index.
/// Joining and leaving are O(1), except that leaving walks the client's own subscriptions.
package struct Hub: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    private var roomOfProject: [ProjectID: RoomIndex] = [:]
    var rooms = RoomTable()
    var subscriptions: SubscriptionTable
    let projectsPerClientMax: Int

    /// Rooms that have something to send, in the order in which they are served next.
    private var activeRooms = IndexList()
    /// Where `rotateActiveRooms` builds the next list; kept for its memory.
    private var rotatedRooms = IndexList()
    /// Memberships of all clients together.
    package internal(set) var subscriptionCount = 0
    /// Whether it is noted which projects get and lose members, for `Hub+Changes`.
    package var notesChanges = false
    var changedProjects: Set<ProjectID> = []

    package init(clientCapacity: Int, projectsPerClientMax: Int) {
        subscriptions = SubscriptionTable(clientCapacity: clientCapacity)
        self.projectsPerClientMax = projectsPerClientMax
    }

    // MARK: Asking

    /// Projects with at least one member.
    package var projectCount: Int { roomOfProject.count }

    /// The project's room; `nil` when nobody looks at the project.
    package func room(of project: ProjectID) -> RoomIndex? {
        roomOfProject[project]
    }

    package func project(of room: RoomIndex) -> ProjectID {
        rooms[room].project
    }

    package func memberCount(of room: RoomIndex) -> Int {
        rooms[room].count
    }

    /// Members to whom the room's segments go.
    package func fanOutMemberCount(of room: RoomIndex) -> Int {
        Int(rooms[room].members.count)
    }

    /// Members whose queues get each event by itself; none when the room was freed meanwhile.
    package func orderedMemberCount(of room: RoomIndex) -> Int {
        rooms.isOccupied(room) ? Int(rooms[room].ordered.count) : 0
    }

    package func client(at position: Int, in room: RoomIndex) -> ClientIndex {
        let fanOutCount = Int(rooms[room].members.count)
        if position < fanOutCount { return rooms[room].members[UInt32(position)].client }
        return rooms[room].ordered[UInt32(position - fanOutCount)].client
    }

    /// Room indices are below this; not every one has members.
    package var roomIndexEnd: Int { rooms.used }

    /// The room at `raw` when it has members.
    package func liveRoom(_ raw: Int) -> RoomIndex? {
        guard raw < rooms.used else { return nil }
        let room = RoomIndex(raw: UInt32(raw))
        guard rooms.isOccupied(room), rooms[room].count > 0 else { return nil }
        return room
    }

    /// Gives the memory kept for clients from `first` on back; they are in no project.
    package mutating func returnMemory(from first: Int) {
        subscriptions.returnMemory(from: first)
    }

    // MARK: What is to be sent

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
        rooms[room].openIsResync = true
    }

    /// Whether the segment of this turn is a resync already, so that nothing need be added.
    package func isResyncPending(in room: RoomIndex) -> Bool {
        rooms[room].openIsResync
    }

    /// Rooms with something to send.
    package var activeRoomCount: Int { activeRooms.count }

    package func activeRoom(at index: Int) -> RoomIndex {
        RoomIndex(raw: activeRooms[index])
    }

    /// Starts the room's next fan-out unless one is under way. Returns the segment that is being
    /// delivered; `nil` when the room has nothing to send any more.
    package mutating func fanOut(of room: RoomIndex) -> SegmentIndex? {
        if rooms[room].fanOutSegment == .none {
            guard rooms[room].openSegment != .none else { return nil }
            rooms[room].beginFanOut()
        }
        return rooms[room].fanOutSegment
    }

    // Hot path.
    /// The next member to get the segment of the room's fan-out.
    @inline(__always)
    package mutating func nextRecipient(in room: RoomIndex) -> Recipient {
        if let member = rooms[room].nextRecipient() { return .member(member) }
        return .finished(rooms[room].endFanOut())
    }

    // Hot path.
    /// Who gets the segment of the room's fan-out after `steps` others; `nil` beyond the last member.
    package func recipient(after steps: UInt32, in room: RoomIndex) -> Member? {
        rooms[room].recipient(after: steps)
    }

    /// The compressed form of the room's fan-out; `nil` while there is none.
    package func compressedFanOut(of room: RoomIndex) -> SegmentIndex? {
        rooms[room].fanOutCompressed == .none ? nil : rooms[room].fanOutCompressed
    }

    /// Takes over the caller's reference to `segment`.
    package mutating func setCompressedFanOut(_ segment: SegmentIndex, of room: RoomIndex) {
        precondition(rooms[room].fanOutCompressed == .none)
        rooms[room].fanOutCompressed = segment
    }

    /// Hands the reference to the compressed form over to the caller.
    package mutating func removeCompressedFanOut(of room: RoomIndex) -> SegmentIndex? {
        let compressed = compressedFanOut(of: room)
        rooms[room].fanOutCompressed = .none
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
        if rooms[room].fanOutSegment == .none && rooms[room].openSegment == .none {
            rooms[room].isActive = false
            discardIfUnused(room)
        } else {
            rotatedRooms.append(raw)
        }
    }

    private mutating func openSegment(
        of room: RoomIndex, in pool: inout SegmentPool, capacity: Int
    ) -> SegmentIndex {
        if rooms[room].openSegment == .none {
            rooms[room].openSegment = pool.make(capacity: capacity)
            if !rooms[room].isActive {
                rooms[room].isActive = true
                activeRooms.append(room.raw)
            }
        }
        return rooms[room].openSegment
    }

    // MARK: Rooms

    mutating func makeRoom(of project: ProjectID) -> RoomIndex {
        if let room = roomOfProject[project] { return room }
        let room = rooms.insert(Room(project: project))
        roomOfProject[project] = room
        return room
    }

    /// Frees a room that has neither members nor anything to send. One that still stands in the
    /// list of active rooms is freed when it leaves the list.
    mutating func discardIfUnused(_ room: RoomIndex) {
        guard rooms[room].isEmpty, !rooms[room].isActive else { return }
        roomOfProject[rooms[room].project] = nil
        rooms.remove(room)
    }
}
