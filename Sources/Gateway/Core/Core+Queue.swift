internal import Reactor

/// Whose a queued piece is.
enum QueueTag {
    /// Frames for this client alone.
    static let own: UInt32 = 0
    /// An HTTP answer, among them the one that opens the WebSocket: never dropped, and no frames.
    static let response: UInt32 = .max

    /// What a client that resumes has missed: frames for it alone, counted as one, because there may
    /// be more of them than of anything else, once.
    static let resumed: UInt32 = .max - 2

    /// Events of several rooms, for a client that looks at several projects.
    static let ordered: UInt32 = .max - 1

    /// Frames for a whole room.
    static func broadcast(_ room: RoomIndex) -> UInt32 { room.raw + 1 }

    static func room(_ tag: UInt32) -> RoomIndex? {
        tag == own || tag >= resumed ? nil : RoomIndex(raw: tag - 1)
    }
}

// What waits to be sent to one client, and what happens when it is too much.
extension Core {
    // MARK: The client's own frames

    /// Queues what `frame` holds for one client alone, and keeps to the queue's bounds: broadcasts
    /// give way first; a client that lets its own answers pile up is closed.
    mutating func queueOwn(frames: Int, to index: ClientIndex) {
        appendToQueue(frames: frames, of: index)
        guard isOverBound(index) else { return }
        collapse(index)
        if isOverBound(index) { disconnectSlow(index) }
    }

    /// Queues the HTTP answer in `frame`. A peer that sends requests and doesn't read answers is
    /// dropped. Returns whether it is still there.
    mutating func queueResponse(to index: ClientIndex) -> Bool {
        append(frames: 1, tag: QueueTag.response, toQueueOf: index)
        guard isOverBound(index) else { return true }
        finish(index)
        return false
    }

    /// Appends what `frame` holds, whatever the bounds: to the last segment while it is the
    /// client's own and small, so that a series of small answers is one piece.
    mutating func appendToQueue(frames: Int, of index: ClientIndex) {
        markDirty(index)
        if !clients[index].queue.isEmpty {
            let last = nodes.last(of: clients[index].queue)
            let count = segments.count(of: last.segment)
            if last.tag == QueueTag.own, last.segment != keepalive, Int(last.end) == count,
                segments.references(of: last.segment) == 1,
                count + frame.count <= Limits.privateSegmentBytesMax
            {
                segments.append(frame, frames: frames, to: last.segment)
                nodes.extendLast(of: &clients[index].queue, bytes: frame.count, frames: frames)
                return
            }
        }
        append(frames: frames, tag: QueueTag.own, toQueueOf: index)
    }

    private mutating func append(frames: Int, tag: UInt32, toQueueOf index: ClientIndex) {
        markDirty(index)
        let segment = segments.make(of: frame, frames: frames)
        let piece = QueuedPiece(
            segment: segment, 0..<frame.count, frames: frames, tag: tag)
        noteFirst(index)
        nodes.append(piece, to: &clients[index].queue)
    }

    /// Queues a segment of what a client has missed, whose reference goes over to the queue.
    mutating func queueResumedPiece(_ segment: SegmentIndex, to index: ClientIndex) {
        let piece = QueuedPiece(
            segment: segment, 0..<segments.count(of: segment), frames: 1, tag: QueueTag.resumed)
        noteFirst(index)
        nodes.append(piece, to: &clients[index].queue)
        markDirty(index)
    }

    /// Queues the shared ping for a client that has nothing else to get.
    mutating func queueKeepalive(to index: ClientIndex) {
        segments.retain(keepalive)
        let piece = QueuedPiece(
            segment: keepalive, 0..<segments.count(of: keepalive),
            frames: segments.frames(of: keepalive), tag: QueueTag.own)
        noteFirst(index)
        nodes.append(piece, to: &clients[index].queue)
        markDirty(index)
    }

    // MARK: Broadcasts

    /// Queues a broadcast, or the rest of one from `start` on, behind what waits already.
    mutating func queueBroadcast(
        _ segment: SegmentIndex, from start: Int, of room: RoomIndex, to index: ClientIndex
    ) {
        guard !clients[index].flags.contains(.collapsed) else {
            hub.markStale(index, in: room)
            return
        }
        let end = segments.count(of: segment)
        let frames = framesLeft(in: segment, from: start, to: end)
        segments.retain(segment)
        let piece = QueuedPiece(
            segment: segment, start..<end, frames: frames,
            tag: QueueTag.broadcast(room))
        noteFirst(index)
        nodes.append(piece, to: &clients[index].queue)
        limitBroadcasts(of: index)
    }

    /// Keeps a queue that broadcasts were put into within its bounds. A client whose socket takes
    /// everything isn't slow, only because much was announced in one turn: it gets a resync.
    mutating func limitBroadcasts(of index: ClientIndex) {
        guard isOverBound(index) else { return }
        if settings.disconnectsSlowConsumers, clients[index].flags.contains(.blocked) {
            disconnectSlow(index)
        } else {
            collapse(index)
        }
    }

    /// Frames of the segment of which the bytes from `start` to `end`, a border, have a part.
    /// Walks over all frames before `end`; that is for sockets that took a part of a segment.
    func framesLeft(in segment: SegmentIndex, from start: Int, to end: Int) -> Int {
        if start == 0, end == segments.count(of: segment) { return segments.frames(of: segment) }
        let bytes = segments.bytes(of: segment).extracting(0..<end)
        let border = ServerFrames.end(ofFrameContaining: start, in: bytes)
        return ServerFrames.count(in: bytes, from: border) + (border > start ? 1 : 0)
    }

    // MARK: Bounds

    private func isOverBound(_ index: ClientIndex) -> Bool {
        clients[index].queue.frameCount > Limits.queueFramesMax
            || clients[index].queue.byteCount > Limits.queueBytesMax
    }

    /// Drops the broadcasts that wait, and remembers their projects: O(1) memory from here on, and
    /// a resync when the socket takes bytes again.
    mutating func collapse(_ index: ClientIndex) {
        guard !clients[index].flags.contains(.collapsed) else { return }
        metrics.collapsedClients += 1
        log.slowClient(
            connection: connectionNumber(of: index), disconnected: false,
            queuedBytes: Int(clients[index].queue.byteCount), at: now)
        withholdBroadcasts(from: index)
    }

    /// The same for a client that isn't slow.
    mutating func withholdBroadcasts(from index: ClientIndex) {
        guard !clients[index].flags.contains(.collapsed) else { return }
        clients[index].flags.insert(.collapsed)
        trimQueue(of: index, keepsOwn: true)
        markDirty(index)
    }

    private mutating func disconnectSlow(_ index: ClientIndex) {
        metrics.slowConsumersDisconnected += 1
        log.slowClient(
            connection: connectionNumber(of: index), disconnected: true,
            queuedBytes: Int(clients[index].queue.byteCount), at: now)
        close(index, .tooSlow, "too slow", keepsQueue: false)
    }

    /// Drops what waits, except the rest of a frame of which the peer has a part, and with
    /// `keepsOwn` what is the client's own. Memberships of dropped broadcasts are marked stale.
    mutating func trimQueue(of index: ClientIndex, keepsOwn: Bool) {
        var old = clients[index].queue
        var kept = SendQueue()
        while !old.isEmpty {
            var piece = nodes.removeFirst(from: &old)
            if piece.tag == QueueTag.response
                || keepsOwn && (piece.tag == QueueTag.own || piece.tag == QueueTag.resumed)
            {
                nodes.append(piece, to: &kept)
                continue
            }
            let end = ServerFrames.end(
                ofFrameContaining: Int(piece.start), in: segments.bytes(of: piece.segment))
            if settings.plantedFault != .forgetsDroppedProjects { markStale(index, piece.tag) }
            if end > Int(piece.start) {
                piece.end = UInt32(end)
                piece.frames = 1
                nodes.append(piece, to: &kept)
            } else if settings.plantedFault != .keepsDroppedSegments {
                segments.release(piece.segment)
            }
        }
        clients[index].queue = kept
    }

    /// The client doesn't get a piece of its queue: its projects are owed a resync.
    private mutating func markStale(_ index: ClientIndex, _ tag: UInt32) {
        if let room = QueueTag.room(tag) { hub.markStale(index, in: room) }
        if tag == QueueTag.ordered { hub.markAllStale(index) }
    }

    /// Drops everything.
    mutating func dropQueue(of index: ClientIndex) {
        while !clients[index].queue.isEmpty {
            let piece = nodes.removeFirst(from: &clients[index].queue)
            segments.release(piece.segment)
        }
    }

    // MARK: Marks

    mutating func markDirty(_ index: ClientIndex) {
        guard !clients[index].flags.contains(.dirty) else { return }
        clients[index].flags.insert(.dirty)
        dirty.append(index)
    }

    /// The time of standing still counts from when the first byte began to wait.
    mutating func noteFirst(_ index: ClientIndex) {
        let client = clients[index]
        guard client.queue.isEmpty, !client.flags.contains(.blocked) else { return }
        clients[index].progressTick = nowTick
    }
}
