// What a client of a room was not sent: events that were withheld from it, and of which it must hear.
extension Hub {
    /// Notes that the client didn't get events of `room`; nothing when it has left.
    package mutating func markStale(_ client: ClientIndex, in room: RoomIndex) {
        guard let slot = slot(of: client, in: room) else { return }
        subscriptions[client, slot].isStale = true
    }

    /// Notes that the client may not have got events of any of its projects.
    package mutating func markAllStale(_ client: ClientIndex) {
        var next = subscriptions.firstSlot(of: client)
        while let slot = next {
            subscriptions[client, slot].isStale = true
            next = subscriptions.nextSlot(after: slot, of: client)
        }
    }

    /// The next project of which events were withheld from the client; it isn't stale any more.
    /// Not one in which its membership is being verified: when it is found to hold, a resync comes anyway.
    package mutating func dequeueStaleProject(of client: ClientIndex) -> ProjectID? {
        var next = subscriptions.firstSlot(of: client)
        while let slot = next {
            let subscription = subscriptions[client, slot]
            if subscription.isStale, subscription.standing != .suspended,
                rooms[subscription.room].suspension == .none
            {
                subscriptions[client, slot].isStale = false
                return rooms[subscription.room].project
            }
            next = subscriptions.nextSlot(after: slot, of: client)
        }
        return nil
    }
}
