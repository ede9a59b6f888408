// Members whose membership is in doubt, and projects of which everyone's is.
extension Hub {
    // MARK: One client

    /// From here on no event of the room reaches the client, although it stays subscribed. False
    /// when that was so before, or when it isn't in the room.
    package mutating func withhold(_ client: ClientIndex, in room: RoomIndex) -> Bool {
        guard let slot = slot(of: client, in: room),
            memberships[client, slot].standing != .withheld
        else { return false }
        displace(client, slot: slot)
        memberships[client, slot].standing = .withheld
        memberships[client, slot].position = rooms[room].appendWithheld(
            Member(client: client, slot: slot))
        return true
    }

    /// Events reach the withheld client again. It has missed some: a resync is due.
    package mutating func readmit(_ client: ClientIndex, in room: RoomIndex) {
        guard let slot = slot(of: client, in: room),
            memberships[client, slot].standing == .withheld
        else { return }
        displace(client, slot: slot)
        place(client, slot: slot)
    }

    /// Whether the client is subscribed, and nothing reaches it before its membership was looked up.
    func isInDoubt(_ client: ClientIndex, of project: ProjectID) -> Bool {
        guard let room = room(of: project), let slot = slot(of: client, in: room) else {
            return false
        }
        return rooms[room].suspension != .none || memberships[client, slot].standing == .withheld
    }

    package func withheldCount(of room: RoomIndex) -> Int {
        Int(rooms[room].withheld.count)
    }

    package func withheldClient(at position: Int, in room: RoomIndex) -> ClientIndex {
        rooms[room].withheld[UInt32(position)].client
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
