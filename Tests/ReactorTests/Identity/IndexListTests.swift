import Reactor
import Testing

@Suite struct IndexListBehaviour {
    private static func content(of list: borrowing IndexList) -> [UInt32] {
        var content: [UInt32] = []
        for position in 0..<list.count { content.append(list[position]) }
        return content
    }

    @Test func `it grows beyond its first capacity and keeps the order`() {
        var list = IndexList(capacity: 1)
        for index in 0..<1_000 as Range<UInt32> { list.append(index) }
        let content = Self.content(of: list)
        #expect(content == Array(0..<1_000))
    }

    @Test func `removing a prefix keeps the rest in order, however long either is`() {
        for count in 0...5 {
            for prefix in 0...count {
                var list = IndexList(capacity: 2)
                for index in 0..<UInt32(count) { list.append(index) }
                list.removeFirst(prefix)
                let content = Self.content(of: list)
                #expect(content == Array(UInt32(prefix)..<UInt32(count)))
            }
        }
    }

    @Test func `the last one is taken out until none is left`() {
        var list = IndexList()
        list.append(7)
        list.append(8)
        let taken = [list.removeLast(), list.removeLast(), list.removeLast()]
        let isEmpty = list.isEmpty
        #expect(taken == [8, 7, nil] && isEmpty)
        list.append(9)
        list.removeAll()
        let none = list.removeLast()
        #expect(none == nil)
    }
}
