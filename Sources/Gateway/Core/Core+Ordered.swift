internal import Reactor

/// An event that ordered members of a room get: its place in the turn's ordered segment.
struct OrderedEvent: BitwiseCopyable {
    /// Whose event it is: by the flush the room's place may be another project's.
    let project: ProjectID
    let start: UInt32
    let end: UInt32
    let frames: UInt32
    /// Its place in the compressed form of the segment; meant only while there is one.
    var packedStart: UInt32 = 0
    var packedEnd: UInt32 = 0
}

// Clients that look at several projects. The events of all projects that have such clients stand in
// one segment per turn, in commit order; each client gets the pieces of it that concern it.
extension Core {
    /// Appends the frames in `frame` for the ordered members of `room`.
    mutating func appendOrdered(frames: Int, to room: RoomIndex) {
        guard hub.orderedMemberCount(of: room) > 0 else { return }
        if orderedSegment == .none { orderedSegment = segments.make(capacity: frame.count) }
        let start = segments.count(of: orderedSegment)
        segments.append(frame, frames: frames, to: orderedSegment)
        orderedEvents.append(
            OrderedEvent(
                project: hub.project(of: room), start: UInt32(start),
                end: UInt32(start + frame.count),
                frames: UInt32(frames)))
    }

    /// Puts the turn's ordered events into the queues of those whom they concern. First thing in
    /// the flush: the segment is complete, and whoever left in this turn gets nothing. Earlier only
    /// when another client becomes an ordered one behind some of them.
    mutating func queueOrderedEvents() {
        guard orderedSegment != .none else { return }
        for position in orderedEvents.indices {
            guard let room = hub.room(of: orderedEvents[position].project) else { continue }
            let count = hub.orderedMemberCount(of: room)
            // Backwards: who is closed for being slow leaves the list, and the last one, who has
            // been served, takes its place.
            for member in stride(from: count - 1, through: 0, by: -1) {
                queue(position, of: room, to: hub.orderedClient(at: member, in: room))
            }
        }
        orderedEvents.removeAll(keepingCapacity: true)
        segments.release(orderedSegment)
        orderedSegment = .none
        guard orderedPacked != .none else { return }
        segments.release(orderedPacked)
        orderedPacked = .none
    }

    /// Queues the event at `position` of the turn's, which is the room's.
    private mutating func queue(_ position: Int, of room: RoomIndex, to index: ClientIndex) {
        guard !clients[index].flags.contains(.collapsed) else {
            hub.markStale(index, in: room)
            return
        }
        let packs = clients[index].flags.contains(.deflates)
        if packs, orderedPacked == .none { orderedPacked = packOrdered() }
        let event = orderedEvents[position]
        metrics.deliveries &+= UInt64(event.frames)
        let segment = packs ? orderedPacked : orderedSegment
        let start = packs ? event.packedStart : event.start
        let end = packs ? event.packedEnd : event.end
        // The compressed form is never the larger one.
        metrics.compressionSavedBytes &+= UInt64(event.end - event.start - (end - start))
        if !clients[index].queue.isEmpty {
            let last = nodes.last(of: clients[index].queue)
            if last.segment == segment, last.end == start {
                nodes.extendLast(
                    of: &clients[index].queue, bytes: Int(end - start),
                    frames: Int(event.frames))
                limitBroadcasts(of: index)
                return
            }
        }
        segments.retain(segment)
        let piece = QueuedPiece(
            segment: segment, Int(start)..<Int(end), frames: Int(event.frames),
            tag: QueueTag.ordered)
        noteFirst(index)
        nodes.append(piece, to: &clients[index].queue)
        if !clients[index].flags.contains(.blocked) { markDirty(index) }
        limitBroadcasts(of: index)
    }

    /// Prepares a client for joining another project: from here on it gets events one by one, so
    /// what a fan-out would still have brought it is queued now.
    mutating func prepareForAnotherProject(_ index: ClientIndex) {
        guard hub.isInFanOut(index) else { return }
        // Those who are ordered already get what they are to get: of that this client has the
        // fan-out's copy, and would get another.
        queueOrderedEvents()
        guard let pending = hub.makeOrdered(index) else { return }
        if pending.fanOut != .none {
            metrics.deliveries &+= UInt64(segments.frames(of: pending.fanOut))
            queueBroadcast(pending.fanOut, from: 0, of: pending.room, to: index)
        }
        if pending.open != .none {
            // The room goes on writing to this segment, so the client gets a copy.
            let copy = segments.make(capacity: segments.count(of: pending.open))
            segments.append(contentsOf: pending.open, to: copy)
            metrics.deliveries &+= UInt64(segments.frames(of: copy))
            queueBroadcast(copy, from: 0, of: pending.room, to: index)
            segments.release(copy)
        }
        if !clients[index].queue.isEmpty { markDirty(index) }
    }
}
