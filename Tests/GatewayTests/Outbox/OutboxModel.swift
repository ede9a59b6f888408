import Gateway
import Reactor
import Testing

/// Queues of an outbox beside lists of frames: whatever is queued, sent and dropped, both hold the same.
struct OutboxModel: ~Copyable {
    private static let clientCount = 5
    private static let clock = OutboxTesting.clock

    /// A frame that waits, or the rest of one.
    private struct Unit {
        var bytes: [UInt8]
        let tag: UInt32
        /// What is counted together: each piece of what was missed.
        let group: Int
        var isHalfSent = false
    }

    private struct Queue {
        var units: [Unit] = []
        /// Broadcasts and own pieces that were dropped.
        var droppedTags: Set<UInt32> = []

        var bytes: [UInt8] { Array(units.map(\.bytes).joined()) }
        var byteCount: Int { units.reduce(0) { $0 + $1.bytes.count } }
        var frameCount: Int { Set(units.map(\.group)).count }
    }

    private var outbox = OutboxTesting.outbox()
    private var queues = [ClientQueue](repeating: ClientQueue(), count: clientCount)
    private var models = [Queue](repeating: Queue(), count: clientCount)
    private var random: WebSocketTesting.Random
    private var groups = 0
    private let initialSegments: Int

    init(seed: UInt64) {
        random = WebSocketTesting.Random(seed: seed)
        initialSegments = outbox.segments.liveCount
    }

    // MARK: Steps

    mutating func step() {
        let client = random.below(Self.clientCount)
        switch random.below(24) {
        case 0..<6: queueOwn(client)
        case 6: queueKeepalive(client)
        case 7: queueResponse(client)
        case 8: queueMissed(client)
        case 9..<13: queueBroadcast()
        case 13, 14: queueOrdered()
        case 15..<20: advance(client)
        case 20: drop(client, keepsOwn: random.below(2) == 0)
        case 21: end(client, isLast: random.below(2) == 0)
        case 22: block(client)
        default: judge()
        }
        for client in models.indices { compare(client) }
    }

    mutating func finish() {
        for client in models.indices { outbox.dropAll(&queues[client]) }
        #expect(outbox.nodes.liveCount == 0)
        #expect(outbox.segments.liveCount == initialSegments)
        #expect(outbox.segments.references(of: outbox.keepalive) == 1)
    }

    private mutating func compare(_ client: Int) {
        let queue = queues[client]
        #expect(Int(queue.pieces.byteCount) == models[client].byteCount)
        #expect(Int(queue.pieces.frameCount) == models[client].frameCount)
        // Long queues seldom: it takes its time.
        if queue.pieces.byteCount < 10_000 || random.below(100) == 0 {
            let waiting = OutboxTesting.waiting(in: queue, &outbox)
            #expect(waiting == models[client].bytes)
        }
        let isReported = !queue.marks.isDisjoint(with: [.dirty, .blocked])
        #expect(queue.isEmpty || isReported, "a queue that nobody will send")
        if outbox.isOverBounds(queue), !queue.marks.contains(.sealed) {
            #expect(queue.marks.contains(.overflown))
        }
    }

    private mutating func makeFrames() -> [[UInt8]] {
        let count = random.below(8) == 0 ? 100 : 1 + random.below(4)
        let size = random.below(10) == 0 ? 4_000 : 1 + random.below(200)
        return (0..<count).map { _ in
            OutboxTesting.frame(size, UInt8(random.below(256)))
        }
    }

    private mutating func units(_ frames: [[UInt8]], _ tag: UInt32, isOne: Bool = false) -> [Unit] {
        groups += 1
        return frames.map { frame in
            if !isOne { groups += 1 }
            return Unit(bytes: frame, tag: tag, group: groups)
        }
    }

    // MARK: Ways in

    private mutating func message(_ frames: [[UInt8]]) -> OutgoingMessage {
        var message = outbox.message()
        for frame in frames {
            let header = frame.count > 65_545 ? 10 : frame.count > 127 ? 4 : 2
            message.text.append(frame.span.extracting(header..<frame.count))
            message.endFrame()
        }
        return message
    }

    private mutating func queueOwn(_ client: Int) {
        let frames = makeFrames()
        let before = queues[client]
        let isFull =
            before.pieces.frameCount >= Limits.overflownFramesMax
            || before.pieces.byteCount >= Limits.overflownBytesMax
        let isLost = before.marks.contains(.overflown) && isFull
        let message = message(frames)
        outbox.queue(message, for: ClientIndex(client), &queues[client], Self.clock)
        let hasLost = isLost || before.marks.contains(.lostFrame)
        #expect(queues[client].marks.contains(.lostFrame) == hasLost)
        guard !isLost, !before.marks.contains(.sealed) else { return }
        models[client].units += units(frames, QueueTag.own)
    }

    private mutating func queueKeepalive(_ client: Int) {
        let isSealed = queues[client].marks.contains(.sealed)
        outbox.queueKeepalive(for: ClientIndex(client), &queues[client], Self.clock)
        if !isSealed { models[client].units += units([[0x89, 0]], QueueTag.own) }
    }

    private mutating func queueResponse(_ client: Int) {
        let bytes = random.bytes(1 + random.below(500))
        var message = outbox.message()
        message.bytes.append(bytes.span)
        let isSealed = queues[client].marks.contains(.sealed)
        outbox.queueResponse(message, for: ClientIndex(client), &queues[client], Self.clock)
        if !isSealed { models[client].units += units([bytes], QueueTag.response) }
    }

    private mutating func queueMissed(_ client: Int) {
        let frames = makeFrames()
        let segment = OutboxTesting.segment(frames, in: &outbox)
        let isSealed = queues[client].marks.contains(.sealed)
        outbox.queueMissed(segment, for: ClientIndex(client), &queues[client], Self.clock)
        outbox.segments.release(segment)
        if !isSealed { models[client].units += units(frames, QueueTag.missed, isOne: true) }
    }

    /// Some get all of a segment, some what a socket hasn't taken of it.
    private mutating func queueBroadcast() {
        let frames = makeFrames()
        let segment = OutboxTesting.segment(frames, in: &outbox)
        let room = RoomIndex(raw: UInt32(random.below(3)))
        for client in models.indices where random.below(2) == 0 {
            let count = outbox.segments.count(of: segment)
            let isPart = queues[client].isEmpty && random.below(3) == 0
            let start = isPart ? random.below(count) : 0
            let isRefused = !queues[client].marks.isDisjoint(with: [.overflown, .collapsed])
            let isSealed = queues[client].marks.contains(.sealed)
            let isQueued = outbox.queueBroadcast(
                segment, from: start, of: room, for: ClientIndex(client), &queues[client],
                Self.clock)
            #expect(isQueued == !isRefused)
            guard isQueued, !isSealed else { continue }
            models[client].units += units(frames, QueueTag.broadcast(room))
            send(start, client)
        }
        outbox.segments.release(segment)
    }

    /// Events of a turn, of which each client gets some.
    private mutating func queueOrdered() {
        let frames = makeFrames()
        let segment = OutboxTesting.segment(frames, in: &outbox)
        for client in models.indices {
            var start = 0
            for frame in frames {
                defer { start += frame.count }
                guard random.below(3) > 0 else { continue }
                let isRefused =
                    !queues[client].marks.isDisjoint(with: [.overflown, .collapsed])
                let isSealed = queues[client].marks.contains(.sealed)
                let isQueued = outbox.queueOrdered(
                    segment, start..<start + frame.count, frames: 1, for: ClientIndex(client),
                    &queues[client], Self.clock)
                #expect(isQueued == !isRefused)
                guard isQueued, !isSealed else { continue }
                models[client].units += units([frame], QueueTag.ordered)
            }
        }
        outbox.segments.release(segment)
    }

    // MARK: Ways out

    private mutating func send(_ count: Int, _ client: Int) {
        var rest = count
        while rest > 0, let first = models[client].units.first {
            if rest >= first.bytes.count {
                rest -= first.bytes.count
                models[client].units.removeFirst()
            } else {
                models[client].units[0].bytes.removeFirst(rest)
                models[client].units[0].isHalfSent = true
                rest = 0
            }
        }
    }

    private mutating func advance(_ client: Int) {
        let count = Int(queues[client].pieces.byteCount)
        guard count > 0 else { return }
        let taken = random.below(3) == 0 ? count : random.below(count + 1)
        outbox.advance(&queues[client], by: taken, Self.clock)
        send(taken, client)
    }

    private mutating func drop(_ client: Int, keepsOwn: Bool) {
        outbox.drop(&queues[client], keepsOwn: keepsOwn)
        let dropped = Set(OutboxTesting.dropped(from: &outbox))
        var expected: Set<UInt32> = []
        var kept: [Unit] = []
        for unit in models[client].units {
            let isKept =
                unit.tag == QueueTag.response || keepsOwn && !QueueTag.isReplaceable(unit.tag)
            if !isKept { expected.insert(unit.tag) }
            if isKept || unit.isHalfSent { kept.append(unit) }
        }
        models[client].units = kept
        #expect(dropped == expected)
    }

    private mutating func end(_ client: Int, isLast: Bool) {
        guard !queues[client].marks.contains(.sealed) else {
            // It is over, and another client comes.
            outbox.dropAll(&queues[client])
            models[client] = Queue()
            queues[client].marks.formIntersection([.dirty, .blocked])
            return
        }
        guard isLast else {
            outbox.seal(&queues[client])
            return
        }
        let frame = OutboxTesting.frame(4)
        let message = message([frame])
        outbox.queueLast(message, for: ClientIndex(client), &queues[client], Self.clock)
        models[client].units += units([frame], QueueTag.own)
        #expect(queues[client].marks.contains(.sealed))
    }

    private mutating func block(_ client: Int) {
        if queues[client].marks.contains(.blocked) {
            _ = outbox.unblock(&queues[client], ClientIndex(client))
        } else {
            _ = outbox.block(&queues[client], Self.clock)
        }
    }

    /// What the core does once a turn: those that are over their bounds are collapsed, and some are
    /// over that already.
    private mutating func judge() {
        while let index = outbox.dequeueOverflown() {
            let client = Int(index)
            queues[client].marks.subtract([.overflown, .lostFrame])
            queues[client].marks.insert(.collapsed)
            drop(client, keepsOwn: random.below(2) == 0)
            if outbox.isOverBounds(queues[client]) { drop(client, keepsOwn: false) }
            while outbox.isOverBounds(queues[client]) { advance(client) }
        }
        for client in models.indices where random.below(4) == 0 {
            queues[client].marks.remove(.collapsed)
        }
        let count = outbox.dirty.count
        for position in 0..<count {
            queues[Int(outbox.dirty[position])].marks.remove(.dirty)
        }
        for position in 0..<count {
            let client = Int(outbox.dirty[position])
            if !queues[client].isEmpty, !queues[client].marks.contains(.blocked) {
                outbox.markDirty(ClientIndex(client), &queues[client])
            }
        }
        outbox.removeDirty(count)
    }
}

@Suite struct OutboxModelBehaviour {
    @Test(arguments: 0..<4)
    func `queues hold what lists of frames hold, and at the end nothing is left`(run: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the outbox model, run \(run): \(seed)")
        var model = OutboxModel(seed: seed)
        for _ in 0..<2_000 { model.step() }
        model.finish()
    }
}
