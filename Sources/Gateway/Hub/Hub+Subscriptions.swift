internal import Reactor

/// What became of a wish to join a project.
package enum JoinOutcome: Equatable, Sendable {
    case joined
    /// The client was in it before.
    case already
    /// The client is in as many projects as one connection may be.
    case limitReached
}

// Joining and leaving, and what a client is in.
extension Hub {
    /// A client that is in a project already becomes an ordered member of this one, and must have
    /// been made one of the other: call `makeOrdered` before.
    package mutating func join(_ client: ClientIndex, _ project: ProjectID) -> JoinOutcome {
        if slot(of: client, in: project) != nil { return .already }
        let others = subscriptions.count(of: client)
        if others >= projectsPerClientMax { return .limitReached }
        let room = makeRoom(of: project)
        let slot = subscriptions.insert(Subscription(room: room), of: client)
        place(client, slot: slot)
        subscriptionCount += 1
        return .joined
    }

    /// Adds the client to one of its room's lists: to the fan-out when it is in no other room.
    mutating func place(_ client: ClientIndex, slot: UInt32) {
        let room = subscriptions[client, slot].room
        if notesChanges { noteChange(of: room) }
        let member = Member(client: client, slot: slot)
        if subscriptions.count(of: client) == 1 {
            subscriptions[client, slot].standing = .fanOut
            subscriptions[client, slot].position = rooms[room].append(member)
        } else {
            subscriptions[client, slot].standing = .ordered
            subscriptions[client, slot].position = rooms[room].appendOrdered(member)
        }
    }

    /// Takes the client out of the list in which it stands.
    mutating func displace(_ client: ClientIndex, slot: UInt32) {
        let subscription = subscriptions[client, slot]
        if notesChanges { noteChange(of: subscription.room) }
        switch subscription.standing {
        case .fanOut:
            removeFromFanOut(subscription)
        case .ordered:
            let moved = rooms[subscription.room].removeOrdered(at: subscription.position)
            note(moved, at: subscription.position)
        case .suspended:
            let moved = rooms[subscription.room].removeSuspended(at: subscription.position)
            note(moved, at: subscription.position)
        }
    }

    private mutating func note(_ moved: Member?, at position: UInt32) {
        if let moved { subscriptions[moved.client, moved.slot].position = position }
    }

    /// Returns whether the client was in the project.
    @discardableResult
    package mutating func leave(_ client: ClientIndex, _ project: ProjectID) -> Bool {
        guard let slot = slot(of: client, in: project) else { return false }
        leave(client, slot: slot)
        return true
    }

    package mutating func leaveAll(_ client: ClientIndex) {
        while let slot = subscriptions.firstSlot(of: client) {
            leave(client, slot: slot)
        }
    }

    /// Leaves every project but one, which the client may or may not be in.
    package mutating func leaveAll(_ client: ClientIndex, except project: ProjectID) {
        var next = subscriptions.firstSlot(of: client)
        while let slot = next {
            next = subscriptions.nextSlot(after: slot, of: client)
            if rooms[subscriptions[client, slot].room].project != project {
                leave(client, slot: slot)
            }
        }
    }

    private mutating func leave(_ client: ClientIndex, slot: UInt32) {
        let room = subscriptions[client, slot].room
        displace(client, slot: slot)
        subscriptions.remove(slot, of: client)
        subscriptionCount -= 1
        discardIfUnused(room)
    }

    mutating func removeFromFanOut(_ subscription: Subscription) {
        let moves = rooms[subscription.room].remove(at: subscription.position)
        for index in 0..<moves.count {
            let moved = moves[index].member
            subscriptions[moved.client, moved.slot].position = moves[index].position
        }
    }

    // MARK: Asking

    package func isMember(_ client: ClientIndex, of project: ProjectID) -> Bool {
        slot(of: client, in: project) != nil
    }

    package func projectCount(of client: ClientIndex) -> Int {
        subscriptions.count(of: client)
    }

    /// The first project of the client; `nil` when it is in none.
    package func firstProject(of client: ClientIndex) -> ProjectID? {
        guard let slot = subscriptions.firstSlot(of: client) else { return nil }
        return rooms[subscriptions[client, slot].room].project
    }

    /// All projects of the client.
    package func projects(of client: ClientIndex) -> [ProjectID] {
        var projects: [ProjectID] = []
        var next = subscriptions.firstSlot(of: client)
        while let slot = next {
            projects.append(rooms[subscriptions[client, slot].room].project)
            next = subscriptions.nextSlot(after: slot, of: client)
        }
        return projects
    }

    private func slot(of client: ClientIndex, in project: ProjectID) -> UInt32? {
        guard let room = room(of: project) else { return nil }
        return slot(of: client, in: room)
    }

    /// Walks the client's subscriptions: one for most clients, at most `projectsPerClientMax`.
    func slot(of client: ClientIndex, in room: RoomIndex) -> UInt32? {
        var next = subscriptions.firstSlot(of: client)
        while let slot = next {
            if subscriptions[client, slot].room == room { return slot }
            next = subscriptions.nextSlot(after: slot, of: client)
        }
        return nil
    }
}
