import Gateway
import Reactor
import Testing

/// The bounds of a queue hold for whatever comes in, and are only noted: nothing is closed here.
@Suite struct OutboxBoundsBehaviour {
    private typealias Given = OutboxTesting

    private static let index: ClientIndex = 3

    /// Queues frames of one broadcast.
    private static func fill(
        _ queue: inout ClientQueue, _ outbox: inout Outbox, frames: [[UInt8]]
    ) {
        let segment = Given.segment(frames, in: &outbox)
        let isQueued = outbox.queueBroadcast(
            segment, from: 0, of: RoomIndex(raw: 9), for: index, &queue, Given.clock)
        precondition(isQueued)
        outbox.segments.release(segment)
    }

    private static func expect(
        isOver: Bool, _ queue: ClientQueue, _ outbox: inout Outbox, _ way: WayIn
    ) {
        #expect(queue.marks.contains(.overflown) == isOver, "\(way)")
        #expect(outbox.isOverBounds(queue) == isOver, "\(way)")
        let overflown = Given.overflown(in: &outbox)
        #expect(overflown == (isOver ? [index] : []), "\(way)")
    }

    @Test(arguments: WayIn.allCases)
    func `a frame more than may wait is noted, by whichever way it comes`(way: WayIn) {
        for excess in [-1, 0, 1] {
            var outbox = Given.outbox()
            var queue = ClientQueue()
            let frames = Limits.queueFramesMax - 1 + excess
            Self.fill(
                &queue, &outbox, frames: Array(repeating: Given.frame(1), count: frames))
            let isQueued = way.queue(1, for: Self.index, &queue, &outbox)
            #expect(isQueued)
            #expect(Int(queue.pieces.frameCount) == Limits.queueFramesMax + excess)
            Self.expect(isOver: excess > 0, queue, &outbox, way)
        }
    }

    @Test(arguments: WayIn.allCases)
    func `a byte more than may wait is noted, by whichever way it comes`(way: WayIn) {
        for excess in [-1, 0, 1] {
            var outbox = Given.outbox()
            var queue = ClientQueue()
            // Two bytes come behind it, and ten are its header.
            let payloadCount = Limits.queueBytesMax + excess - 2 - 10
            Self.fill(&queue, &outbox, frames: [Given.frame(payloadCount)])
            let isQueued = way.queue(0, for: Self.index, &queue, &outbox)
            #expect(isQueued)
            #expect(Int(queue.pieces.byteCount) == Limits.queueBytesMax + excess)
            Self.expect(isOver: excess > 0, queue, &outbox, way)
        }
    }

    @Test(arguments: [WayIn.own, .response, .missed, .keepalive])
    func `one that is over its bounds is marked and listed once`(way: WayIn) {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        Self.fill(
            &queue, &outbox,
            frames: Array(repeating: Given.frame(1), count: Limits.queueFramesMax))
        for _ in 0..<5 {
            let isQueued = way.queue(1, for: Self.index, &queue, &outbox)
            #expect(isQueued)
        }
        let hasOverflown = outbox.hasOverflown
        #expect(hasOverflown)
        let overflown = Given.overflown(in: &outbox)
        #expect(overflown == [Self.index])
        #expect(outbox.dirty.count == 1)
        #expect(queue.marks == [.dirty, .overflown])
    }

    @Test(arguments: WayIn.allCases)
    func `a queue that is sealed takes nothing, and keeps no memory alive`(way: WayIn) {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        outbox.seal(&queue)
        _ = way.queue(100, for: Self.index, &queue, &outbox)
        #expect(queue.isEmpty)
        #expect(outbox.segments.liveCount == 1, "the keepalive")
        #expect(outbox.segments.references(of: outbox.keepalive) == 1)
        #expect(outbox.nodes.liveCount == 0)
        let isEmpty = outbox.dirty.isEmpty
        #expect(isEmpty)
    }

    @Test(arguments: WayIn.allCases)
    func `nothing comes behind the last word`(way: WayIn) {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        let isQueued = WayIn.own.queue(10, for: Self.index, &queue, &outbox)
        let isLast = WayIn.last.queue(5, for: Self.index, &queue, &outbox)
        #expect(isQueued && isLast)
        let waiting = Given.waiting(in: queue, &outbox)
        #expect(waiting == Given.frame(10) + Given.frame(5))
        _ = way.queue(7, for: Self.index, &queue, &outbox)
        let after = Given.waiting(in: queue, &outbox)
        #expect(after == waiting)
        #expect(outbox.segments.liveCount == 2)
    }

    @Test func `the last word is taken by a queue that lost a frame before it`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        queue.marks = [.overflown, .lostFrame]
        let isQueued = WayIn.last.queue(5, for: Self.index, &queue, &outbox)
        #expect(isQueued)
        #expect(queue.pieces.frameCount == 1)
        #expect(queue.marks == [.dirty, .sealed])
    }

    // MARK: Beyond the bounds

    @Test
    func `own frames are taken up to the bound of what is over its bounds, and then one is lost`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        for _ in 0..<Limits.overflownFramesMax {
            _ = WayIn.own.queue(1, for: Self.index, &queue, &outbox)
            #expect(!queue.marks.contains(.lostFrame))
        }
        #expect(Int(queue.pieces.frameCount) == Limits.overflownFramesMax)
        _ = WayIn.own.queue(1, for: Self.index, &queue, &outbox)
        #expect(queue.marks.contains(.lostFrame))
        #expect(Int(queue.pieces.frameCount) == Limits.overflownFramesMax)
        let overflown = Given.overflown(in: &outbox)
        #expect(overflown == [Self.index])
    }

    @Test func `own bytes are taken up to the second bound, and then a frame is lost`() {
        for (missing, isLost) in [(1, false), (0, true)] {
            var outbox = Given.outbox()
            var queue = ClientQueue()
            for payloadCount in [
                Limits.queueBytesMax,
                Limits.overflownBytesMax - Limits.queueBytesMax - 20 - missing,
            ] {
                _ = WayIn.own.queue(payloadCount, for: Self.index, &queue, &outbox)
            }
            #expect(Int(queue.pieces.byteCount) == Limits.overflownBytesMax - missing)
            _ = WayIn.own.queue(0, for: Self.index, &queue, &outbox)
            #expect(queue.marks.contains(.lostFrame) == isLost)
        }
    }

    @Test(arguments: [QueueMarks.collapsed, .overflown].map(\.rawValue))
    func `one that is owed a resync gets no broadcast`(mark: UInt8) {
        for way in [WayIn.broadcast, .ordered] {
            var outbox = Given.outbox()
            var queue = ClientQueue()
            queue.marks.insert(QueueMarks(rawValue: mark))
            let isQueued = way.queue(10, for: Self.index, &queue, &outbox)
            #expect(!isQueued)
            #expect(queue.isEmpty)
            #expect(outbox.segments.liveCount == 1)
            let isEmpty = outbox.dirty.isEmpty
            #expect(isEmpty)
        }
    }

    @Test func `what was missed is queued while room is left for answers`() {
        let room = Limits.queueBytesMax - Limits.queueReserveBytes
        for waits in [0, 1_000] {
            var outbox = Given.outbox()
            var queue = ClientQueue()
            if waits > 0 { Self.fill(&queue, &outbox, frames: [Given.frame(waits - 4)]) }
            let hasRoom = outbox.hasRoom(forMissed: room - waits - 1, in: queue)
            #expect(hasRoom)
            let hasRoomThen = outbox.hasRoom(forMissed: room - waits, in: queue)
            #expect(hasRoomThen)
            let hasRoomAgain = outbox.hasRoom(forMissed: room - waits + 1, in: queue)
            #expect(!hasRoomAgain)
            for mark in [QueueMarks.collapsed, .overflown] {
                queue.marks = mark
                let hasRoomLater = outbox.hasRoom(forMissed: 1, in: queue)
                #expect(!hasRoomLater)
            }
        }
    }

    @Test func `what was missed counts as one frame, however many it has`() {
        var outbox = Given.outbox()
        var queue = ClientQueue()
        let frames = Array(repeating: Given.frame(4), count: 3 * Limits.queueFramesMax)
        let segment = Given.segment(frames, in: &outbox)
        outbox.queueMissed(segment, for: Self.index, &queue, Given.clock)
        outbox.segments.release(segment)
        #expect(queue.pieces.frameCount == 1)
        let isOverBounds = outbox.isOverBounds(queue)
        #expect(!isOverBounds)
        outbox.advance(&queue, by: 100, Given.clock)
        #expect(queue.pieces.frameCount == 1)
    }

    // MARK: All together

    @Test func `whoever adds to what is too much for all is marked, within its own bounds`() {
        var outbox = Given.outbox()
        let others = outbox.segments.make(capacity: Limits.segmentPoolBytesMax / 2)
        #expect(outbox.isCrowded && !outbox.isOverTotal, "the keepalive takes the rest")
        let more = outbox.segments.make(capacity: Limits.segmentPoolBytesMax / 2)
        let isOverTotal = outbox.isOverTotal
        #expect(isOverTotal)
        var queue = ClientQueue()
        let isQueued = WayIn.own.queue(1, for: Self.index, &queue, &outbox)
        #expect(isQueued)
        let hasRoom = outbox.hasRoom(forMissed: 1, in: queue)
        #expect(!hasRoom)
        let overflown = Given.overflown(in: &outbox)
        #expect(overflown == [Self.index])
        // Once in a tick.
        let relieves = [1_000, 1_000, 1_001].map { outbox.needsRelief(.at(tick: $0)) }
        #expect(relieves == [true, false, true])
        outbox.segments.release(more)
        outbox.segments.release(others)
        let relievesLater = outbox.needsRelief(.at(tick: 1_002))
        #expect(!relievesLater)
        let isCrowded = outbox.isCrowded
        #expect(!isCrowded)
    }
}
