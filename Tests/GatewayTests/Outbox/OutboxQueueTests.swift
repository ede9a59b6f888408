import Gateway
import Reactor
import Testing

/// What becomes of that which waits: it shares segments, goes out, or is dropped.
@Suite struct OutboxQueueBehaviour {
    private typealias Given = OutboxTesting

    private static let index: ClientIndex = 3

    // MARK: Sharing a segment

    @Test func `small frames of one client share a segment`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        for _ in 0..<10 { _ = WayIn.own.queue(20, for: Self.index, &queue, &outbox) }
        #expect(outbox.onlyPiece(of: queue)?.frames == 10)
        #expect(queue.pieces.frameCount == 10)
        #expect(outbox.segments.liveCount == 2)
    }

    @Test func `a shared segment grows to its bound and no further`() {
        for excess in [-1, 0, 1] {
            var outbox = Given.outbox()
            var queue = ClientQueue()
            _ = WayIn.own.queue(1_000 - 4, for: Self.index, &queue, &outbox)
            let rest = Limits.privateSegmentBytesMax - 1_000 + excess
            _ = WayIn.own.queue(rest - 4, for: Self.index, &queue, &outbox)
            #expect(Int(queue.pieces.byteCount) == Limits.privateSegmentBytesMax + excess)
            #expect((outbox.onlyPiece(of: queue) != nil) == (excess <= 0))
            #expect(queue.pieces.frameCount == 2)
        }
    }

    @Test(arguments: [WayIn.keepalive, .response, .missed, .broadcast, .ordered])
    func `what isn't the client's own is not written to`(way: WayIn) {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        let isQueued = way.queue(20, for: Self.index, &queue, &outbox)
        #expect(isQueued)
        let before = Given.waiting(in: queue, &outbox)
        _ = WayIn.own.queue(20, for: Self.index, &queue, &outbox)
        #expect(outbox.onlyPiece(of: queue) == nil)
        let after = Given.waiting(in: queue, &outbox)
        #expect(after == before + Given.frame(20))
        #expect(outbox.segments.count(of: outbox.keepalive) == 2)
    }

    @Test func `a segment that somebody else refers to is not written to`() throws {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        _ = WayIn.own.queue(20, for: Self.index, &queue, &outbox)
        let pieceOrNone = outbox.onlyPiece(of: queue)
        let piece = try #require(pieceOrNone)
        outbox.segments.retain(piece.segment)
        _ = WayIn.own.queue(20, for: Self.index, &queue, &outbox)
        #expect(outbox.onlyPiece(of: queue) == nil)
        outbox.segments.release(piece.segment)
    }

    @Test func `events of one turn's segment that follow each other are one piece`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        let segment = Given.segment([Given.frame(8), Given.frame(8)], in: &outbox)
        for start in [0, 10] {
            let isQueued = outbox.queueOrdered(
                segment, start..<start + 10, frames: 1, for: Self.index, &queue, Given.clock)
            #expect(isQueued)
        }
        #expect(outbox.onlyPiece(of: queue)?.frames == 2)
        #expect(outbox.segments.references(of: segment) == 2)
    }

    /// A queue that was sealed while the rest of an event waited took the next event of the segment.
    @Test func `a queue that is sealed takes no event behind the one that waits`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        let segment = Given.segment([Given.frame(8), Given.frame(8)], in: &outbox)
        let isFirstQueued = outbox.queueOrdered(
            segment, 0..<10, frames: 1, for: Self.index, &queue, Given.clock)
        #expect(isFirstQueued)
        outbox.seal(&queue)
        _ = outbox.queueOrdered(
            segment, 10..<20, frames: 1, for: Self.index, &queue, Given.clock)
        #expect(queue.pieces.byteCount == 10)
        #expect(queue.pieces.frameCount == 1)
    }

    // MARK: Dropping

    @Test(arguments: [false, true])
    func `what is dropped says whose it was, and the client's own may stay`(keepsOwn: Bool) {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        for way in [WayIn.response, .own, .broadcast, .missed, .ordered, .keepalive] {
            let isQueued = way.queue(20, for: Self.index, &queue, &outbox)
            #expect(isQueued)
        }
        let answer = Given.frame(20)
        outbox.drop(&queue, keepsOwn: keepsOwn)
        let waiting = Given.waiting(in: queue, &outbox)
        let tags = Given.dropped(from: &outbox)
        let broadcasts = [QueueTag.broadcast(RoomIndex(raw: 5)), QueueTag.ordered]
        if keepsOwn {
            #expect(waiting == answer + answer + answer + [0x89, 0])
            #expect(tags == broadcasts.sorted())
            #expect(queue.pieces.frameCount == 4)
        } else {
            #expect(waiting == answer)
            #expect(tags == (broadcasts + [QueueTag.own, QueueTag.own, QueueTag.missed]).sorted())
            #expect(queue.pieces.frameCount == 1)
        }
        outbox.dropAll(&queue)
        #expect(outbox.segments.liveCount == 1)
        #expect(outbox.nodes.liveCount == 0)
    }

    @Test(arguments: [WayIn.own, .missed, .broadcast, .ordered], [0, 1, 9, 10, 11, 19, 20, 29])
    func `the rest of a frame of which the peer has a part stays`(way: WayIn, sent: Int) {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        let frames = (1...3).map { Given.frame(8, UInt8($0)) }
        let segment = Given.segment(frames, in: &outbox)
        switch way {
        case .missed: outbox.queueMissed(segment, for: Self.index, &queue, Given.clock)
        case .broadcast:
            _ = outbox.queueBroadcast(
                segment, from: 0, of: RoomIndex(raw: 5), for: Self.index, &queue, Given.clock)
        case .ordered:
            _ = outbox.queueOrdered(
                segment, 0..<30, frames: 3, for: Self.index, &queue, Given.clock)
        default:
            var message = outbox.message()
            for frame in frames {
                message.text.append(frame.span.extracting(2..<10))
                message.endFrame()
            }
            outbox.queue(message, for: Self.index, &queue, Given.clock)
        }
        outbox.segments.release(segment)
        outbox.advance(&queue, by: sent, Given.clock)
        outbox.drop(&queue, keepsOwn: false)
        let all = Array(frames.joined())
        let end = (sent + 9) / 10 * 10
        let waiting = Given.waiting(in: queue, &outbox)
        #expect(waiting == Array(all[sent..<end]))
        #expect(queue.pieces.frameCount == (end > sent ? 1 : 0))
        // A second time nothing more goes.
        outbox.drop(&queue, keepsOwn: false)
        let again = Given.waiting(in: queue, &outbox)
        #expect(again == waiting)
        outbox.dropAll(&queue)
        #expect(outbox.segments.liveCount == 1)
    }

    // MARK: Progress

    @Test func `frames are counted right at every byte that goes out`() {
        let total = Self.pieces.reduce(0) { $0 + $1.bytes }
        for step in [1, 3, 7, 10, 25, total] {
            var outbox = Given.outbox()
            var queue = ClientQueue()
            for piece in Self.pieces {
                let segment = Given.segment(
                    Array(repeating: Given.frame(8), count: piece.frames), in: &outbox)
                let isQueued = outbox.queueBroadcast(
                    segment, from: 0, of: RoomIndex(raw: piece.room), for: Self.index, &queue,
                    Given.clock)
                #expect(isQueued)
                outbox.segments.release(segment)
            }
            var sent = 0
            while sent < total {
                let count = min(step, total - sent)
                outbox.advance(&queue, by: count, Given.clock)
                sent += count
                #expect(Int(queue.pieces.byteCount) == total - sent)
                // Each frame has ten bytes; a part of one counts.
                #expect(Int(queue.pieces.frameCount) == (total - sent + 9) / 10)
            }
            #expect(queue.isEmpty && outbox.segments.liveCount == 1)
            #expect(outbox.nodes.liveCount == 0)
        }
    }

    private static let pieces: [(frames: Int, bytes: Int, room: UInt32)] = [
        (3, 30, 1), (1, 10, 2), (2, 20, 1),
    ]

    @Test func `a socket that takes nothing is noted once, and the flush looks at it afterwards`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        let isUnblockedEarly = outbox.unblock(&queue, Self.index)
        #expect(!isUnblockedEarly, "nobody waits for it")
        let isNew = outbox.block(&queue, .at(tick: 1_000))
        let isNewAgain = outbox.block(&queue, .at(tick: 1_001))
        #expect(isNew && !isNewAgain)
        _ = WayIn.own.queue(20, for: Self.index, &queue, &outbox)
        let isEmpty = outbox.dirty.isEmpty
        #expect(isEmpty, "epoll will report that it can go")
        let isUnblocked = outbox.unblock(&queue, Self.index)
        #expect(isUnblocked)
        #expect(queue.marks == .dirty)
        #expect(outbox.dirty.count == 1)
    }

    @Test func `standing still counts from when the first byte waits, or the last one went`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        for tick in [1_000, 1_010] as [UInt32] {
            _ = WayIn.own.queue(20, for: Self.index, &queue, &outbox, .at(tick: tick))
        }
        #expect(queue.progressTick == 1_000)
        _ = outbox.block(&queue, .at(tick: 1_020))
        #expect(queue.progressTick == 1_000, "something waited before")
        outbox.advance(&queue, by: 5, .at(tick: 1_030))
        #expect(queue.progressTick == 1_030)
        outbox.advance(&queue, by: 0, .at(tick: 1_040))
        #expect(queue.progressTick == 1_030, "no byte is no progress")
    }

    @Test func `a socket that took less than it was offered counts from then on`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        queue.progressTick = 500
        _ = outbox.block(&queue, .at(tick: 1_000))
        _ = WayIn.own.queue(20, for: Self.index, &queue, &outbox, .at(tick: 1_010))
        #expect(queue.progressTick == 1_000)
    }
}
