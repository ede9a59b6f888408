internal import Reactor

// Whom the flush has to look at, and whom the core has to judge.
extension Outbox {
    // Hot path.
    /// Lists the client among those whose queues the flush looks at; never one whose connection is over.
    package mutating func markDirty(_ index: ClientIndex, _ queue: inout ClientQueue) {
        guard queue.marks.isDisjoint(with: [.dirty, .ended]) else { return }
        queue.marks.insert(.dirty)
        dirty.append(index)
    }

    /// Forgets the first `count` dirty clients, whose marks the caller has taken away.
    package mutating func removeDirty(_ count: Int) {
        dirty.removeFirst(count)
    }

    /// The next client whose queue went over its bounds. It may be over by now.
    package mutating func dequeueOverflown() -> ClientIndex? { overflown.removeLast() }

    package var hasOverflown: Bool { !overflown.isEmpty }

    /// Whether more waits for all together than may, and it is time to win memory back.
    package mutating func needsRelief(_ clock: TurnClock) -> Bool {
        guard isOverTotal, relievedTick != clock.tick else { return false }
        relievedTick = clock.tick
        return true
    }

    package var isOverTotal: Bool { segments.liveBytes > Limits.segmentPoolBytesMax }
    /// Whether so much waits already that large answers have to be refused.
    package var isCrowded: Bool { segments.liveBytes > Limits.segmentPoolBytesMax / 2 }

    package func isOverBounds(_ queue: ClientQueue) -> Bool {
        queue.pieces.frameCount > Limits.queueFramesMax
            || queue.pieces.byteCount > Limits.queueBytesMax
    }

    /// The same without the rest of a message about presence of which the peer has a part: nobody is too
    /// slow because of that.
    package func isOverBoundsBesidesState(_ queue: ClientQueue) -> Bool {
        guard isOverBounds(queue) else { return false }
        let first = nodes.piece(at: nodes.first(of: queue.pieces))
        guard first.tag == QueueTag.state else { return true }
        return queue.pieces.frameCount > UInt32(Limits.queueFramesMax) + UInt32(first.frames)
            || queue.pieces.byteCount > UInt32(Limits.queueBytesMax) + (first.end - first.start)
    }
}
