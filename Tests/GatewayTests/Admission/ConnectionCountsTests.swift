import Gateway
import Reactor
import Testing

@Suite struct ConnectionCountsBehaviour {
    private static func table(keysMax: Int) -> ConnectionCounts<UUID> {
        ConnectionCounts(keysMax: keysMax, seed: 42, none: UUID(high: 0, low: 0))
    }

    private static func key(_ number: Int) -> UUID { UUID(high: 0, low: UInt64(number)) }

    @Test func `each key is counted by itself, a key of zeros too`() {
        var table = Self.table(keysMax: 10)
        for number in [0, 1, 1, 2] {
            let isCounted = table.add(Self.key(number))
            #expect(isCounted)
        }
        let counts = (0..<4).map { table.count(of: Self.key($0)) }
        #expect(counts == [1, 2, 1, 0])
        table.remove(Self.key(1))
        table.remove(Self.key(0))
        let left = (0..<4).map { table.count(of: Self.key($0)) }
        #expect(left == [0, 1, 1, 0])
    }

    @Test func `a table that is full counts no new key, and goes on with those it has`() {
        var table = Self.table(keysMax: 100)
        for number in 0..<100 {
            let isCounted = table.add(Self.key(number))
            #expect(isCounted)
        }
        let refused = table.add(Self.key(100))
        let known = table.add(Self.key(99))
        #expect(!refused && known)
        #expect(table.keyCount == 100)
        table.remove(Self.key(0))
        let accepted = table.add(Self.key(100))
        #expect(accepted)
    }

    @Test func `100,000 random additions and removals agree with a dictionary`() {
        var random = SystemRandomNumberGenerator()
        let seed = random.next()
        var generator = Jitter(seed: seed)
        var table = Self.table(keysMax: 2_000)
        var expected: [Int: Int] = [:]
        for _ in 0..<100_000 {
            // Drifts between few and many keys, so that the table grows and gaps are closed.
            let number = Int(generator.next() % 3_000)
            if generator.next() % 2 == 0, expected.count < 2_000 {
                let isCounted = table.add(Self.key(number))
                #expect(isCounted, "seed \(seed)")
                expected[number, default: 0] += 1
            } else if let count = expected[number] {
                table.remove(Self.key(number))
                expected[number] = count == 1 ? nil : count - 1
            }
        }
        #expect(table.keyCount == expected.count)
        for number in 0..<3_000 where table.count(of: Self.key(number)) != expected[number] ?? 0 {
            Issue.record("seed \(seed): \(number)")
        }
        for (number, count) in expected {
            for _ in 0..<count { table.remove(Self.key(number)) }
        }
        #expect(table.keyCount == 0)
    }
}
