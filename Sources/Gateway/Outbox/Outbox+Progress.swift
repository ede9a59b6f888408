package import Reactor

// What becomes of that which waits: it is sent, or dropped.
extension Outbox {
    // MARK: Dropping

    /// Drops what waits, except HTTP answers and the rest of a frame of which the peer has a part,
    /// and with `keepsOwn` except what is the client's own. `dequeueDropped` says whose it was.
    package mutating func drop(_ queue: inout ClientQueue, keepsOwn: Bool) {
        drop(&queue) {
            $0 == QueueTag.response || keepsOwn && !QueueTag.isReplaceable($0)
        }
    }

    /// Drops what waits of presence and typing, in the same way; `dequeueWithoutState` says whose it was.
    package mutating func dropState(for index: ClientIndex, _ queue: inout ClientQueue) {
        let count = dropped.count
        drop(&queue) { $0 != QueueTag.state }
        if dropped.count > count { withoutState.append(index) }
        while dropped.count > count { _ = dropped.removeLast() }
    }

    /// The next client of whom something about presence was dropped. It may be over by now.
    package mutating func dequeueWithoutState() -> ClientIndex? { withoutState.removeLast() }

    private mutating func drop(_ queue: inout ClientQueue, keeps: (UInt32) -> Bool) {
        var old = queue.pieces
        var kept = SendQueue()
        while !old.isEmpty {
            var piece = nodes.removeFirst(from: &old)
            if keeps(piece.tag) {
                nodes.append(piece, to: &kept)
                continue
            }
            dropped.append(piece.tag)
            let end = ServerFrames.end(
                ofFrameContaining: Int(piece.start), in: segments.bytes(of: piece.segment))
            if end > Int(piece.start) {
                piece.end = UInt32(end)
                piece.frames = 1
                nodes.append(piece, to: &kept)
            } else {
                segments.release(piece.segment)
            }
        }
        queue.pieces = kept
    }

    /// The tag of a piece that was dropped.
    package mutating func dequeueDropped() -> UInt32? { dropped.removeLast() }

    /// Drops everything, whatever the peer has a part of.
    package mutating func dropAll(_ queue: inout ClientQueue) {
        while !queue.isEmpty {
            segments.release(nodes.removeFirst(from: &queue.pieces).segment)
        }
    }

    /// The connection is over. Its slot may be kept for some turns, in which epoll goes on reporting it.
    package mutating func end(_ queue: inout ClientQueue) {
        dropAll(&queue)
        queue.marks.remove(.blocked)
        queue.marks.formUnion([.sealed, .ended])
    }

    // MARK: Progress

    // Hot path.
    /// The first `count` bytes that waited are with the kernel.
    package mutating func advance(_ queue: inout ClientQueue, by count: Int, _ clock: TurnClock) {
        if count > 0 { queue.progressTick = clock.tick }
        var rest = count
        while rest > 0 {
            let first = nodes.piece(at: nodes.first(of: queue.pieces))
            let left = Int(first.end - first.start)
            guard rest >= left else {
                let isCountedAsOne =
                    first.tag == QueueTag.response || first.tag == QueueTag.missed
                nodes.advance(
                    &queue.pieces, by: rest,
                    framesLeft: isCountedAsOne
                        ? Int(first.frames)
                        : framesLeft(
                            in: first.segment, from: Int(first.start) + rest, to: Int(first.end)))
                return
            }
            segments.release(nodes.removeFirst(from: &queue.pieces).segment)
            rest -= left
        }
    }

    /// Waits for epoll to report that the socket takes bytes. Returns whether that is new.
    package func block(_ queue: inout ClientQueue, _ clock: TurnClock) -> Bool {
        guard !queue.marks.contains(.blocked) else { return false }
        if queue.isEmpty { queue.progressTick = clock.tick }
        queue.marks.insert(.blocked)
        return true
    }

    /// The socket takes bytes again. Returns whether it was awaited.
    package mutating func unblock(_ queue: inout ClientQueue, _ index: ClientIndex) -> Bool {
        guard queue.marks.contains(.blocked) else { return false }
        queue.marks.remove(.blocked)
        markDirty(index, &queue)
        return true
    }

    // MARK: Reading

    // Hot path.
    /// What waits, when that is one piece.
    package func onlyPiece(of queue: ClientQueue) -> QueuedPiece? {
        let first = nodes.first(of: queue.pieces)
        guard first != 0, nodes.next(after: first) == 0 else { return nil }
        return nodes.piece(at: first)
    }

    /// Copies the first bytes that wait, at most `bytesMax`. Returns how many.
    package func copy(_ queue: ClientQueue, to buffer: inout ByteBuffer, bytesMax: Int) -> Int {
        buffer.removeAll()
        var node = nodes.first(of: queue.pieces)
        while node != 0, buffer.count < bytesMax {
            let piece = nodes.piece(at: node)
            let start = Int(piece.start)
            let count = min(Int(piece.end) - start, bytesMax - buffer.count)
            buffer.append(segments.bytes(of: piece.segment).extracting(start..<start + count))
            node = nodes.next(after: node)
        }
        return buffer.count
    }

    /// Frames of the segment of which the bytes from `start` to `end`, a border, have a part. Walks
    /// over all frames before `end`; that is for sockets that took a part of a segment.
    func framesLeft(in segment: SegmentIndex, from start: Int, to end: Int) -> Int {
        if start == 0, end == segments.count(of: segment) { return segments.frames(of: segment) }
        let bytes = segments.bytes(of: segment).extracting(0..<end)
        let border = ServerFrames.end(ofFrameContaining: start, in: bytes)
        return ServerFrames.count(in: bytes, from: border) + (border > start ? 1 : 0)
    }
}
