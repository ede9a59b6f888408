package import Reactor

// The ways into a queue. All of them end in one function, which keeps to the bounds: nothing waits
// for a client that didn't come by it.
extension Outbox {
    // Hot path.
    /// Queues frames for one client alone, behind what waits already. A series of small ones shares
    /// a segment.
    package mutating func queue(
        _ message: consuming OutgoingMessage, for index: ClientIndex, _ queue: inout ClientQueue,
        _ clock: TurnClock
    ) {
        precondition(message.frameCount > 0)
        if extendOwnPiece(with: message, &queue) {
            noteQueued(for: index, &queue)
        } else if acceptsOwn(&queue) {
            let segment = segments.make(of: message.bytes, frames: message.frameCount)
            append(
                QueuedPiece(
                    segment: segment, 0..<message.bytes.count, frames: message.frameCount,
                    tag: QueueTag.own),
                for: index, &queue, clock)
        }
        discard(message)
    }

    /// Queues a client's last frame, its Close, and seals the queue.
    package mutating func queueLast(
        _ message: consuming OutgoingMessage, for index: ClientIndex, _ queue: inout ClientQueue,
        _ clock: TurnClock
    ) {
        queue.marks.subtract([.overflown, .lostFrame])
        self.queue(message, for: index, &queue, clock)
        seal(&queue)
    }

    /// Queues an HTTP answer.
    package mutating func queueResponse(
        _ message: consuming OutgoingMessage, for index: ClientIndex, _ queue: inout ClientQueue,
        _ clock: TurnClock
    ) {
        let segment = segments.make(of: message.bytes, frames: 1)
        append(
            QueuedPiece(
                segment: segment, 0..<message.bytes.count, frames: 1, tag: QueueTag.response),
            for: index, &queue, clock)
        discard(message)
    }

    /// Queues what a client that resumes has missed; the caller's reference stays the caller's.
    package mutating func queueMissed(
        _ segment: SegmentIndex, for index: ClientIndex, _ queue: inout ClientQueue,
        _ clock: TurnClock
    ) {
        segments.retain(segment)
        append(
            QueuedPiece(
                segment: segment, 0..<segments.count(of: segment), frames: 1,
                tag: QueueTag.missed),
            for: index, &queue, clock)
    }

    /// Whether so many bytes that a client has missed can be queued, and leave room for answers.
    package func hasRoom(forMissed byteCount: Int, in queue: ClientQueue) -> Bool {
        queue.marks.isDisjoint(with: [.overflown, .collapsed])
            && Int(queue.pieces.byteCount) + byteCount
                <= Limits.queueBytesMax - Limits.queueReserveBytes
            && segments.liveBytes <= Limits.segmentPoolBytesMax
    }

    /// Queues the shared ping.
    package mutating func queueKeepalive(
        for index: ClientIndex, _ queue: inout ClientQueue, _ clock: TurnClock
    ) {
        segments.retain(keepalive)
        append(
            QueuedPiece(
                segment: keepalive, 0..<segments.count(of: keepalive),
                frames: segments.frames(of: keepalive), tag: QueueTag.own),
            for: index, &queue, clock)
    }

    /// Queues a broadcast, or the rest of one from `start` on. Returns `false`, and queues nothing,
    /// when the client gets a resync instead: the caller notes of what.
    package mutating func queueBroadcast(
        _ segment: SegmentIndex, from start: Int, of room: RoomIndex, for index: ClientIndex,
        _ queue: inout ClientQueue, _ clock: TurnClock
    ) -> Bool {
        let end = segments.count(of: segment)
        return queueBroadcast(
            segment, start..<end, frames: framesLeft(in: segment, from: start, to: end),
            tag: QueueTag.broadcast(room), for: index, &queue, clock)
    }

    /// The same for a part of the turn's ordered events.
    package mutating func queueOrdered(
        _ segment: SegmentIndex, _ range: Range<Int>, frames: Int, for index: ClientIndex,
        _ queue: inout ClientQueue, _ clock: TurnClock
    ) -> Bool {
        if !queue.isEmpty, queue.marks.isDisjoint(with: [.overflown, .collapsed, .sealed]) {
            let last = nodes.last(of: queue.pieces)
            if last.segment == segment, Int(last.end) == range.lowerBound {
                nodes.extendLast(of: &queue.pieces, bytes: range.count, frames: frames)
                noteQueued(for: index, &queue)
                return true
            }
        }
        return queueBroadcast(
            segment, range, frames: frames, tag: QueueTag.ordered, for: index, &queue, clock)
    }

    private mutating func queueBroadcast(
        _ segment: SegmentIndex, _ range: Range<Int>, frames: Int, tag: UInt32,
        for index: ClientIndex, _ queue: inout ClientQueue, _ clock: TurnClock
    ) -> Bool {
        guard queue.marks.isDisjoint(with: [.overflown, .collapsed]) else { return false }
        segments.retain(segment)
        append(
            QueuedPiece(segment: segment, range, frames: frames, tag: tag), for: index, &queue,
            clock)
        return true
    }

    /// Queues a frame about presence or typing; the caller's reference stays the caller's. Returns
    /// `false`, and queues nothing, while much waits for the client, or for all together: of such
    /// messages the last one says it all.
    package mutating func queueState(
        _ segment: SegmentIndex, for index: ClientIndex, _ queue: inout ClientQueue,
        _ clock: TurnClock
    ) -> Bool {
        guard queue.marks.isDisjoint(with: [.blocked, .overflown, .collapsed, .sealed]),
            queue.pieces.byteCount <= Limits.presenceQueueBytesMax,
            queue.pieces.frameCount <= Limits.queueFramesMax / 2, !isCrowded
        else { return false }
        queueState(segment, from: 0, for: index, &queue, clock)
        return true
    }

    /// Queues such a frame, or the rest of one, that its client's socket hasn't taken.
    package mutating func queueState(
        _ segment: SegmentIndex, from start: Int, for index: ClientIndex,
        _ queue: inout ClientQueue, _ clock: TurnClock
    ) {
        segments.retain(segment)
        append(
            QueuedPiece(
                segment: segment, start..<segments.count(of: segment), frames: 1,
                tag: QueueTag.state),
            for: index, &queue, clock)
    }

    /// From here on the queue takes nothing.
    package func seal(_ queue: inout ClientQueue) {
        queue.marks.insert(.sealed)
    }

    // MARK: The one way into a queue

    /// Appends to a queue, whatever it is: takes over the reference to the segment, unless the queue
    /// is sealed, and keeps to the bounds.
    private mutating func append(
        _ piece: QueuedPiece, for index: ClientIndex, _ queue: inout ClientQueue,
        _ clock: TurnClock
    ) {
        guard !queue.marks.contains(.sealed) else {
            segments.release(piece.segment)
            return
        }
        // The time of standing still counts from when the first byte began to wait.
        if queue.isEmpty, !queue.marks.contains(.blocked) { queue.progressTick = clock.tick }
        nodes.append(piece, to: &queue.pieces)
        noteQueued(for: index, &queue)
    }

    // Hot path.
    /// Appends to the last piece while it is the client's own, small, and nobody else's. Returns
    /// `false` when it isn't.
    private mutating func extendOwnPiece(
        with message: borrowing OutgoingMessage, _ queue: inout ClientQueue
    ) -> Bool {
        guard !queue.isEmpty, queue.marks.isDisjoint(with: [.sealed, .overflown]) else {
            return false
        }
        let last = nodes.last(of: queue.pieces)
        let count = segments.count(of: last.segment)
        guard last.tag == QueueTag.own, last.segment != keepalive, Int(last.end) == count,
            segments.references(of: last.segment) == 1,
            count + message.bytes.count <= Limits.privateSegmentBytesMax
        else { return false }
        segments.append(message.bytes, frames: message.frameCount, to: last.segment)
        nodes.extendLast(
            of: &queue.pieces, bytes: message.bytes.count, frames: message.frameCount)
        return true
    }

    // Hot path.
    /// Whether a frame of the client's own is accepted. One that is over its bounds may still get
    /// some until the core has looked at it, since broadcasts give way first.
    private func acceptsOwn(_ queue: inout ClientQueue) -> Bool {
        guard queue.marks.contains(.overflown) else { return true }
        if queue.pieces.frameCount < Limits.overflownFramesMax,
            queue.pieces.byteCount < Limits.overflownBytesMax
        {
            return true
        }
        queue.marks.insert(.lostFrame)
        return false
    }

    // Hot path.
    /// After a change: whatever waits stands in a list, unless epoll will report that it can go.
    private mutating func noteQueued(for index: ClientIndex, _ queue: inout ClientQueue) {
        if !queue.marks.contains(.blocked) { markDirty(index, &queue) }
        guard isOverBounds(queue) || segments.liveBytes > Limits.segmentPoolBytesMax,
            queue.marks.isDisjoint(with: [.overflown, .sealed])
        else { return }
        if isOverBounds(queue) {
            // Presence goes first: nothing is withheld because of it.
            dropState(for: index, &queue)
            guard isOverBoundsBesidesState(queue) || segments.liveBytes > Limits.segmentPoolBytesMax
            else { return }
        }
        queue.marks.insert(.overflown)
        overflown.append(index)
    }
}
