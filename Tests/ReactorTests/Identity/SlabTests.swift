import Reactor
import Testing

@Suite struct SlabBehaviour {
    @Test func `the lowest free slot is handed out, and the high-water mark follows the highest`() {
        var slab = Slab<UInt64>(capacity: 4)
        let first = slab.insert(10)
        let second = slab.insert(11)
        let third = slab.insert(12)
        #expect([first, second, third] == [0, 1, 2])
        slab.remove(0)
        slab.remove(1)
        let again = slab.insert(20)
        let other = slab.insert(21)
        #expect([again, other] == [0, 1])
        let values = (slab[0], slab[1], slab[2])
        #expect(values == (20, 21, 12))
        let mark = slab.highWaterMark
        #expect(mark == 3)
        slab.remove(1)
        slab.remove(2)
        let lower = slab.highWaterMark
        #expect(lower == 1)
    }

    @Test
    func `a capacity that is no multiple of a word is kept to, and the mark falls over words`() {
        var slab = Slab<UInt64>(capacity: 130)
        for value in 0..<UInt64(130) { _ = slab.insert(value) }
        let refused = slab.insert(130)
        #expect(refused == nil)
        for index in UInt32(3)..<130 { slab.remove(index) }
        let mark = slab.highWaterMark
        #expect(mark == 3)
        slab.returnMemory()
        let values = (slab[0], slab[2])
        #expect(values == (0, 2))
        let next = slab.insert(7)
        #expect(next == 3)
    }

    @Test func `a full slab refuses, and takes again when one was freed`() {
        var slab = Slab<UInt32>(capacity: 2)
        _ = slab.insert(1)
        _ = slab.insert(2)
        let refused = slab.insert(3)
        let count = slab.count
        #expect(refused == nil && count == 2)
        slab.remove(1)
        let taken = slab.insert(4)
        let value = slab[1]
        #expect(taken == 1 && value == 4)
    }

    @Test func `a handle is stale when its slot is free, and when it is somebody else's`() {
        var slab = Slab<UInt32>(capacity: 2)
        _ = slab.insert(1)
        let old = slab.handle(of: 0, kind: 5)
        #expect(old.kind == 5)
        let found = slab.index(of: old)
        #expect(found == 0)
        slab.remove(0)
        let whileFree = slab.index(of: old)
        #expect(whileFree == nil)
        _ = slab.insert(2)
        let whileOther = slab.index(of: old)
        #expect(whileOther == nil)
        let new = slab.handle(of: 0, kind: 5)
        let foundNew = slab.index(of: new)
        #expect(foundNew == 0 && new != old)
    }

    @Test func `a handle of an index that never was, or can't be, finds nothing`() {
        var slab = Slab<UInt32>(capacity: 2)
        _ = slab.insert(1)
        for handle in [
            Handle(kind: 0, index: 1, generation: 0), Handle(kind: 0, index: 1, generation: 1),
            Handle(kind: 0, index: 2, generation: 1), Handle(kind: 0, index: .max, generation: 1),
            Handle(raw: 0),
        ] {
            let found = slab.index(of: handle)
            #expect(found == nil)
        }
    }

    @Test func `after 2^23 occupations the generation begins again, and handles still work`() {
        var slab = Slab<UInt8>(capacity: 1)
        _ = slab.insert(0)
        let first = slab.handle(of: 0, kind: 0)
        // Odd generations only, in 24 bits.
        for _ in 0..<(1 << 23) - 1 {
            slab.remove(0)
            _ = slab.insert(0)
        }
        let last = slab.handle(of: 0, kind: 0)
        #expect(last.generation == Handle.generationMask)
        let foundLast = slab.index(of: last)
        #expect(foundLast == 0)
        slab.remove(0)
        _ = slab.insert(0)
        let wrapped = slab.handle(of: 0, kind: 0)
        #expect(wrapped == first)
        let foundStale = slab.index(of: last)
        #expect(foundStale == nil)
    }

    @Test func `random insertions and removals agree with a dictionary`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the slab: \(seed)")
        var random = Jitter(seed: seed)
        var slab = Slab<UInt64>(capacity: 32)
        var model: [UInt32: (value: UInt64, handle: Handle)] = [:]
        var stale: [Handle] = []
        for step in 0..<4_000 {
            if Bool.random(using: &random) {
                let index = slab.insert(UInt64(step))
                #expect((index == nil) == (model.count == 32))
                guard let index else { continue }
                #expect(model[index] == nil)
                model[index] = (UInt64(step), slab.handle(of: index, kind: 1))
            } else if let (index, entry) = model.randomElement(using: &random) {
                slab.remove(index)
                model[index] = nil
                stale.append(entry.handle)
            }
            let count = slab.count
            #expect(count == model.count)
            let mark = slab.highWaterMark
            #expect(mark == (model.keys.max().map { Int($0) + 1 } ?? 0))
        }
        for (index, entry) in model {
            let value = slab[index]
            let found = slab.index(of: entry.handle)
            #expect(value == entry.value && found == index)
        }
        for handle in stale {
            let found = slab.index(of: handle)
            #expect(found == nil)
        }
    }
}
