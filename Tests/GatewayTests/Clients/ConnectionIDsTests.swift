import Reactor
import Testing

@testable import Gateway

@Suite("Connection ids")
struct ConnectionIDsTests {
    @Test("A connection keeps its id, and each has another")
    func oneEach() throws {
        var ids = try ConnectionIDs()
        var seen: Set<UUID> = []
        for number in 0..<1_000 as Range<UInt64> {
            let id = try ids.id(of: number)
            #expect(try ids.id(of: number) == id)
            seen.insert(id)
        }
        #expect(seen.count == 1_000)
    }

    /// Neighbours in the table have numbers that differ by one bit. About half of the 128 bits must
    /// differ: by chance fewer than 24 do once in 10¹³ times.
    @Test("An id says nothing about that of the next connection")
    func unrelated() throws {
        var ids = try ConnectionIDs()
        for number in 0..<1_000 as Range<UInt64> {
            let one = try ids.id(of: number)
            let next = try ids.id(of: number ^ 1)
            let differing =
                (one.high ^ next.high).nonzeroBitCount + (one.low ^ next.low).nonzeroBitCount
            #expect(differing >= 24)
        }
    }

    @Test("Two processes give the same number different ids")
    func otherProcess() throws {
        var one = try ConnectionIDs()
        var other = try ConnectionIDs()
        #expect(try one.id(of: 7) != other.id(of: 7))
    }
}
