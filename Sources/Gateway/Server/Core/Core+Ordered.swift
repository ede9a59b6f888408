internal import Reactor

/// An event that ordered members of a room get: its place in the turn's ordered segment.
struct OrderedEvent: BitwiseCopyable {
    let room: RoomIndex
    let start: UInt32
    let end: UInt32
    let frames: UInt32
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
                room: room, start: UInt32(start), end: UInt32(start + frame.count),
                frames: UInt32(frames)))
    }

    /// Puts the turn's ordered events into the queues of those whom they concern. First thing in
    /// the flush: the segment is complete, and whoever left in this turn gets nothing.
    mutating func queueOrderedEvents() {
        guard orderedSegment != .none else { return }
        for event in orderedEvents {
            let count = hub.orderedMemberCount(of: event.room)
            // Backwards: who is closed for being slow leaves the list, and the last one, who has
            // been served, takes its place.
            for position in stride(from: count - 1, through: 0, by: -1) {
                queue(event, to: hub.orderedClient(at: position, in: event.room))
            }
        }
        orderedEvents.removeAll(keepingCapacity: true)
        segments.release(orderedSegment)
        orderedSegment = .none
    }

    private mutating func queue(_ event: OrderedEvent, to index: ClientIndex) {
        guard !clients[index].flags.contains(.collapsed) else {
            hub.markStale(index, in: event.room)
            return
        }
        metrics.deliveries &+= UInt64(event.frames)
        if !clients[index].queue.isEmpty {
            let last = nodes.last(of: clients[index].queue)
            if last.segment == orderedSegment, last.end == event.start {
                nodes.extendLast(
                    of: &clients[index].queue, bytes: Int(event.end - event.start),
                    frames: Int(event.frames))
                limitBroadcasts(of: index)
                return
            }
        }
        segments.retain(orderedSegment)
        let piece = QueuedPiece(
            segment: orderedSegment, Int(event.start)..<Int(event.end),
            frames: Int(event.frames), tag: QueueTag.ordered)
        noteFirst(index)
        nodes.append(piece, to: &clients[index].queue)
        if !clients[index].flags.contains(.blocked) { markDirty(index) }
        limitBroadcasts(of: index)
    }

    /// Prepares a client for joining another project: from here on it gets events one by one, so
    /// what a fan-out would still have brought it is queued now.
    mutating func prepareForAnotherProject(_ index: ClientIndex) {
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
