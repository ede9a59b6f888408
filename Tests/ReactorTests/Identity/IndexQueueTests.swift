import Reactor
import Testing

@Suite struct IndexQueueBehaviour {
    @Test func `first in, first out, beyond its first capacity and around its end`() {
        var queue = IndexQueue()
        var next: UInt32 = 0
        var expected: UInt32 = 0
        for round in 0..<200 {
            for _ in 0..<round % 7 + 1 {
                queue.append(next)
                next += 1
            }
            for _ in 0..<round % 5 {
                let head = queue.head
                let index = queue.removeFirst()
                #expect(index == expected && head == index)
                expected += 1
            }
        }
        while let index = queue.removeFirst() {
            #expect(index == expected)
            expected += 1
        }
        #expect(expected == next)
        let isEmpty = queue.isEmpty
        #expect(isEmpty)
        let head = queue.head
        #expect(head == nil)
    }
}
