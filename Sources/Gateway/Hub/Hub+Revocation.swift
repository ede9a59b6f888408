// Members whose subscription is being verified, and projects of which everyone's is.
extension Hub {
    // MARK: One client

    /// From here on no event of the room reaches the client, although it stays subscribed. False
    /// when that was so before, or when it isn't in the room.
    package mutating func suspend(_ client: ClientIndex, in room: RoomIndex) -> Bool {
        guard let slot = slot(of: client, in: room),
            subscriptions[client, slot].standing != .suspended
        else { return false }
        displace(client, slot: slot)
        subscriptions[client, slot].standing = .suspended
        subscriptions[client, slot].position = rooms[room].appendSuspended(
            Member(client: client, slot: slot))
        return true
    }

    /// Events reach the suspended client again. It has missed some: a resync is due.
    package mutating func readmit(_ client: ClientIndex, in room: RoomIndex) {
        guard let slot = slot(of: client, in: room),
            subscriptions[client, slot].standing == .suspended
        else { return }
        displace(client, slot: slot)
        place(client, slot: slot)
    }

    /// Whether the client is subscribed, and nothing reaches it before its membership was looked up.
    func isUnverified(_ client: ClientIndex, of project: ProjectID) -> Bool {
        guard let room = room(of: project), let slot = slot(of: client, in: room) else {
            return false
        }
        return rooms[room].suspension != .none || subscriptions[client, slot].standing == .suspended
    }

    /// Whether nothing reaches the client of the room before its own membership was looked up. One that
    /// isn't in the room gets nothing either.
    func isSuspended(_ client: ClientIndex, in room: RoomIndex) -> Bool {
        guard let slot = slot(of: client, in: room) else { return true }
        return subscriptions[client, slot].standing == .suspended
    }

    func isSuspended(_ client: ClientIndex, in project: ProjectID) -> Bool {
        room(of: project).map { isSuspended(client, in: $0) } ?? true
    }

    package func suspendedCount(of room: RoomIndex) -> Int {
        Int(rooms[room].suspended.count)
    }

    package func suspendedClient(at position: Int, in room: RoomIndex) -> ClientIndex {
        rooms[room].suspended[UInt32(position)].client
    }

    // MARK: A whole room

    func suspension(of room: RoomIndex) -> RoomSuspension {
        rooms[room].suspension
    }

    mutating func setSuspension(_ suspension: RoomSuspension, of room: RoomIndex) {
        rooms[room].suspension = suspension
    }

    /// Whether something of the room is still on its way to its audience.
    func isActive(_ room: RoomIndex) -> Bool {
        rooms[room].isActive
    }
}
