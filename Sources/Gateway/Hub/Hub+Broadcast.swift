package import Reactor

/// What a fan-out step met.
package enum Recipient: Sendable {
    /// Deliver the room's segment to this member.
    case member(Member)
    /// All members were served: release the segment.
    case finished(SegmentIndex)
}

/// The tick segments: what is to be sent to each project's audience.
extension Hub {
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

    // MARK: Withheld events

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
}
