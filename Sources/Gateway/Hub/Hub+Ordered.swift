package import Reactor

/// What was on its way to a client through a fan-out when it became an ordered member.
package struct PendingBroadcasts: BitwiseCopyable, Sendable {
    package let room: RoomIndex
    /// The segment of a fan-out that hadn't come to the client yet; `none` without one.
    package let fanOut: SegmentIndex
    /// The segment of which the next fan-out will be made; `none` without one. The room goes on
    /// writing to it.
    package let open: SegmentIndex
}

// Clients that look at several projects, and get the events of all of them in one order.
extension Hub {
    /// Whether the client is in one project, and served by its fan-out.
    func isInFanOut(_ client: ClientIndex) -> Bool {
        guard let slot = subscriptions.firstSlot(of: client) else { return false }
        return subscriptions[client, slot].standing == .fanOut
    }

    /// Whether an event of the project may be on its way to the client by a fan-out.
    func isBeingServed(_ client: ClientIndex, of project: ProjectID) -> Bool {
        guard isInFanOut(client), let room = room(of: project) else { return false }
        return isActive(room)
    }

    /// Makes the client, which is about to join another project, an ordered member of the one it
    /// is in. What the fan-out would have brought it is returned: the caller has to queue it now.
    /// `nil` when there is nothing to change.
    ///
    /// It stays an ordered member when it leaves all projects but one.
    package mutating func makeOrdered(_ client: ClientIndex) -> PendingBroadcasts? {
        guard let slot = subscriptions.firstSlot(of: client) else { return nil }
        let subscription = subscriptions[client, slot]
        guard subscription.standing == .fanOut else { return nil }
        precondition(subscriptions.count(of: client) == 1)
        let room = subscription.room
        let isAwaiting = rooms[room].fanOut.isAwaited(at: subscription.position)
        removeFromFanOut(subscription)
        subscriptions[client, slot].standing = .ordered
        subscriptions[client, slot].position = rooms[room].appendOrdered(
            Member(client: client, slot: slot))
        return PendingBroadcasts(
            room: room, fanOut: isAwaiting ? rooms[room].fanOut.segment : .none,
            open: rooms[room].fanOut.openSegment)
    }

    package func orderedClient(at position: Int, in room: RoomIndex) -> ClientIndex {
        rooms[room].ordered[UInt32(position)].client
    }
}
