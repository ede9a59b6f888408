import Reactor
import Testing

@Suite struct SendQueueBehaviour {
    private static func piece(
        _ segment: UInt32, _ range: Range<Int>, frames: Int = 1, tag: UInt32 = 0
    ) -> QueuedPiece {
        QueuedPiece(segment: SegmentIndex(raw: segment), range, frames: frames, tag: tag)
    }

    /// What a queue holds, as it is walked.
    private static func content(
        of queue: SendQueue, in pool: borrowing QueueNodePool
    ) -> [String] {
        var content: [String] = []
        var node = pool.first(of: queue)
        while node != 0 {
            content.append(text(pool.piece(at: node)))
            node = pool.next(after: node)
        }
        return content
    }

    private static func text(_ piece: QueuedPiece) -> String {
        "\(piece.segment.raw)[\(piece.start)..<\(piece.end)] \(piece.frames) #\(piece.tag)"
    }

    @Test func `an empty queue is all zero, before and after`() {
        var pool = QueueNodePool()
        var queue = SendQueue()
        for _ in 0..<2 {
            let isZero = unsafe withUnsafeBytes(of: queue) { unsafe $0.allSatisfy { $0 == 0 } }
            #expect(isZero && queue.isEmpty)
            #expect(pool.first(of: queue) == 0)
            pool.append(Self.piece(1, 0..<5), to: &queue)
            pool.append(Self.piece(2, 0..<5), to: &queue)
            _ = pool.removeFirst(from: &queue)
            _ = pool.removeFirst(from: &queue)
        }
        let live = pool.liveCount
        #expect(live == 0)
    }

    @Test func `what was sent of the first piece is gone, and the rest keeps its order`() {
        var pool = QueueNodePool()
        var queue = SendQueue()
        pool.append(Self.piece(1, 10..<20, frames: 2, tag: 7), to: &queue)
        pool.append(Self.piece(2, 0..<3), to: &queue)
        pool.advance(&queue, by: 4, framesLeft: 1)
        #expect(Self.content(of: queue, in: pool) == ["1[14..<20] 1 #7", "2[0..<3] 1 #0"])
        #expect(queue.byteCount == 9 && queue.frameCount == 2)
        pool.extendLast(of: &queue, bytes: 5, frames: 2)
        let last = Self.text(pool.last(of: queue))
        #expect(last == "2[0..<8] 3 #0")
        #expect(queue.byteCount == 14 && queue.frameCount == 4)
    }

    @Test func `queues that share the nodes don't mix, whatever is done at random`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the send queues: \(seed)")
        var random = Jitter(seed: seed)
        var pool = QueueNodePool()
        var queues = [SendQueue](repeating: SendQueue(), count: 20)
        var models = [[QueuedPiece]](repeating: [], count: 20)
        for step in 0..<10_000 as Range<UInt32> {
            let chosen = Int.random(in: 0..<20, using: &random)
            switch Int.random(in: 0..<7, using: &random) {
            case 0...2:
                let start = Int.random(in: 0..<100, using: &random)
                let end = start + Int.random(in: 1...100, using: &random)
                let piece = Self.piece(
                    step, start..<end, frames: Int.random(in: 0...5, using: &random), tag: step)
                pool.append(piece, to: &queues[chosen])
                models[chosen].append(piece)
            case 3:
                guard let last = models[chosen].indices.last else { continue }
                pool.extendLast(of: &queues[chosen], bytes: 3, frames: 1)
                models[chosen][last].end += 3
                models[chosen][last].frames += 1
            case 4:
                guard let first = models[chosen].first else { continue }
                let count = Int.random(in: 0..<Int(first.end - first.start), using: &random)
                let frames = Int.random(in: 0...Int(first.frames), using: &random)
                pool.advance(&queues[chosen], by: count, framesLeft: frames)
                models[chosen][0].start += UInt32(count)
                models[chosen][0].frames = UInt32(frames)
            default:
                guard !models[chosen].isEmpty else { continue }
                let piece = pool.removeFirst(from: &queues[chosen])
                #expect(Self.text(piece) == Self.text(models[chosen].removeFirst()))
            }
            let model = models[chosen]
            #expect(Self.content(of: queues[chosen], in: pool) == model.map(Self.text))
            #expect(queues[chosen].byteCount == model.reduce(0) { $0 + $1.end - $1.start })
            #expect(queues[chosen].frameCount == model.reduce(0) { $0 + $1.frames })
            #expect(queues[chosen].isEmpty == model.isEmpty)
            let live = pool.liveCount
            #expect(live == models.reduce(0) { $0 + $1.count })
        }
    }
}
