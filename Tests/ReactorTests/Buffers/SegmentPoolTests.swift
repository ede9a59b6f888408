import Reactor
import Testing

@Suite struct SegmentPoolBehaviour {
    private static func content(
        of index: SegmentIndex, in pool: borrowing SegmentPool
    ) -> [UInt8] {
        let bytes = pool.bytes(of: index)
        return bytes.indices.map { bytes[$0] }
    }

    @Test func `bytes and frames add up, over the growth of the block`() {
        var pool = SegmentPool()
        let segment = pool.make(capacity: 1)
        var expected: [UInt8] = []
        for round in 0..<40 {
            let piece = SocketPair.pattern(round * 37)
            pool.append(piece.span, frames: round, to: segment)
            expected += piece
        }
        #expect(Self.content(of: segment, in: pool) == expected)
        let counts = [pool.count(of: segment), pool.frames(of: segment)]
        #expect(counts == [expected.count, (0..<40).reduce(0, +)])
        pool.removeAll(segment)
        let emptied = [pool.count(of: segment), pool.frames(of: segment)]
        #expect(emptied == [0, 0])
        pool.release(segment)
        let left = [pool.liveCount, pool.liveBytes]
        #expect(left == [0, 0])
    }

    @Test func `a segment lives until its last reference is gone`() {
        var pool = SegmentPool()
        let segment = pool.make(capacity: 10)
        pool.retain(segment)
        pool.retain(segment)
        let references = pool.references(of: segment)
        #expect(references == 3)
        pool.release(segment)
        pool.release(segment)
        let live = pool.liveCount
        #expect(live == 1)
        pool.release(segment)
        let after = pool.liveCount
        #expect(after == 0)
    }

    @Test func `no segment is the one of zero, and indices are used again`() {
        var pool = SegmentPool()
        let first = pool.make(capacity: 1)
        #expect(first != .none)
        pool.release(first)
        let second = pool.make(capacity: 1)
        #expect(second == first)
    }

    @Test func `the content of one is appended to another, in the middle of its growth`() {
        var pool = SegmentPool()
        let source = pool.make(capacity: 1)
        pool.append(SocketPair.pattern(300).span, frames: 3, to: source)
        let target = pool.make(capacity: 1)
        pool.append([7].span, frames: 1, to: target)
        pool.append(contentsOf: source, to: target)
        #expect(Self.content(of: target, in: pool) == [7] + SocketPair.pattern(300))
        let frames = pool.frames(of: target)
        #expect(frames == 4)
    }

    @Test func `where the bytes stand doesn't change as the pool grows`() {
        var pool = SegmentPool()
        let segment = pool.make(capacity: 8)
        pool.append([1, 2, 3].span, frames: 1, to: segment)
        let before = unsafe pool.address(of: segment)
        var others: [SegmentIndex] = []
        for _ in 0..<1_000 { others.append(pool.make(capacity: 100)) }
        let after = unsafe pool.address(of: segment)
        #expect(unsafe before == after)
        #expect(Self.content(of: segment, in: pool) == [1, 2, 3])
        for other in others { pool.release(other) }
        let live = pool.liveCount
        #expect(live == 1)
    }

    @Test(arguments: [0, 1, 255, 256, 257, 65_536, 1 << 20, (1 << 20) + 1, 3 << 20])
    func `a segment of any size is given back whole`(size: Int) {
        var pool = SegmentPool()
        let bytes = SocketPair.pattern(size)
        for _ in 0..<3 {
            let segment = pool.make(capacity: size)
            pool.append(bytes.span, frames: 1, to: segment)
            let live = pool.liveBytes
            #expect(live >= size && live < max(size * 2, 512))
            #expect(Self.content(of: segment, in: pool) == bytes)
            pool.release(segment)
            let left = [pool.liveCount, pool.liveBytes]
            #expect(left == [0, 0])
        }
    }

    private struct Model {
        var bytes: [UInt8]
        var frames: Int
        var references = 1
    }

    @Test func `random operations agree with a dictionary, and nothing is left over`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the segment pool: \(seed)")
        var random = Jitter(seed: seed)
        var pool = SegmentPool()
        var model: [SegmentIndex: Model] = [:]
        for _ in 0..<20_000 {
            let chosen = model.keys.randomElement(using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where model.count < 300:
                let index = pool.make(capacity: Int.random(in: 0...5_000, using: &random))
                #expect(model[index] == nil)
                model[index] = Model(bytes: [], frames: 0)
            case 1, 2:
                guard let chosen, model[chosen]?.references == 1 else { continue }
                let count = Int.random(in: 0...600, using: &random)
                let piece = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                pool.append(piece.span, frames: 1, to: chosen)
                model[chosen]?.bytes += piece
                model[chosen]?.frames += 1
            case 3:
                guard let chosen else { continue }
                pool.retain(chosen)
                model[chosen]?.references += 1
            default:
                guard let chosen, let entry = model[chosen] else { continue }
                let references = pool.references(of: chosen)
                #expect(references == entry.references)
                #expect(Self.content(of: chosen, in: pool) == entry.bytes)
                let frames = pool.frames(of: chosen)
                #expect(frames == entry.frames)
                pool.release(chosen)
                model[chosen]?.references -= 1
                if entry.references == 1 { model[chosen] = nil }
            }
            let live = pool.liveCount
            #expect(live == model.count)
        }
        for (index, entry) in model {
            for _ in 0..<entry.references { pool.release(index) }
        }
        let left = [pool.liveCount, pool.liveBytes]
        #expect(left == [0, 0])
    }
}
