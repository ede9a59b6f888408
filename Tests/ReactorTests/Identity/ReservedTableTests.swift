import Reactor
import Testing

@Suite struct ReservedTableBehaviour {
    @Test func `records are zero until they are written, at both ends of a large table`() {
        var table = ReservedTable(capacity: 1 << 24, of: UInt64.self, zeroIsValid: true)
        for index: UInt32 in [0, 1, 1 << 23, 1 << 24 - 1] {
            let before = table[index]
            table[index] += UInt64(index) + 1
            let after = table[index]
            #expect(before == 0 && after == UInt64(index) + 1)
        }
    }

    @Test func `memory that is given back is zero again, and what lies before it is kept`() {
        var table = ReservedTable(capacity: 1 << 16, of: UInt64.self, zeroIsValid: true)
        for index: UInt32 in 0..<1 << 16 { table[index] = 7 }
        table.returnMemory(from: 1_000)
        let kept = table[999]
        let last = table[1 << 16 - 1]
        #expect(kept == 7 && last == 0)
        // Of a page that is in use in part nothing can be given back.
        table.returnMemory(from: 1 << 16)
        let still = table[0]
        #expect(still == 7)
    }
}
