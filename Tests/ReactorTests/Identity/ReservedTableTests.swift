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
}
