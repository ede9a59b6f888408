import Reactor
import Testing

@Suite struct OwnedTableBehaviour {
    private struct Element: ~Copyable {
        var text = ByteBuffer()
    }

    @Test func `an element is found by its index and by its handle until it is removed`() throws {
        var table = OwnedTable<Element>(capacity: 2)
        let first = table.insert(Element())
        let place = table.insert(Element())
        let third = table.insert(Element())
        #expect(first == 0 && place == 1 && third == nil)
        let second = try #require(place)
        table[second].text.append("b")
        let handle = table.handle(of: second, kind: 7)
        let found = table.index(of: handle)
        #expect(found == second && handle.kind == 7)
        let text = String(decoding: table[second].text)
        let figures = [table.count, table.highWaterMark]
        #expect(text == "b" && figures == [2, 2])
        table.remove(second)
        let stale = table.index(of: handle)
        let isOccupied = table.isOccupied(second)
        let left = [table.count, table.highWaterMark]
        #expect(stale == nil && !isOccupied && left == [1, 1])
        let again = table.insert(Element())
        let older = table.index(of: handle)
        #expect(again == second && older == nil)
    }
}
