internal import Reactor

/// Who looks at which project, and what is on its way to them: what clients do with the rooms is in the
/// extensions, the way from a notification to its recipients in `FanOut.swift`.
///
/// A plain value: it knows indices of clients and segments of frames, and no socket, message or
/// clock. A notification costs one dictionary look-up; from there on everything is an index.
/// Joining and leaving are O(1), except that leaving walks the client's own subscriptions.
package struct Hub: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    private(set) var roomOfProject: [ProjectID: RoomIndex] = [:]
    var rooms = RoomTable()
    var subscriptions: SubscriptionTable
    let projectsPerClientMax: Int

    /// Rooms that have something to send, in the order in which they are served next.
    var activeRooms = IndexList()
    /// Where `rotateActiveRooms` builds the next list; kept for its memory.
    var rotatedRooms = IndexList()
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
