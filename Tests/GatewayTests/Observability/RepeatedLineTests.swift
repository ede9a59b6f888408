import Gateway
import Reactor
import Testing

@Suite struct RepeatedLineBehaviour {
    private static func at(milliseconds: UInt64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test func `the same is said every ten seconds, what is new at once`() {
        var line = RepeatedLine()
        var outcomes: [UInt64?] = []
        for (text, milliseconds) in [
            ("a", 5), ("a", 6), ("a", 10_004), ("a", 10_005), ("b", 10_006), ("a", 10_007),
        ] as [(String, UInt64)] {
            outcomes.append(line.admit(text, at: Self.at(milliseconds: milliseconds)))
        }
        #expect(outcomes == [0, nil, nil, 2, 0, 0])
    }
}
