import Gateway
import Reactor
import Testing

@Suite struct BackoffBehaviour {
    @Test func `ceilings double from 0.2 s to 5 s and stay there`() {
        var backoff = Backoff()
        var ceilings: [UInt64] = []
        for _ in 0..<100 {
            let longest = backoff.delayAfterFailure(randomness: .max)
            let shortest = Backoff.floorNanoseconds
            #expect(longest < backoff.ceiling && longest >= backoff.ceiling - 2)
            #expect(longest >= shortest)
            ceilings.append(backoff.ceiling / 100_000_000)
        }
        #expect(ceilings.prefix(7) == [2, 4, 8, 16, 32, 50, 50])
        #expect(ceilings.allSatisfy { $0 <= 50 })
    }

    @Test func `never waits less than 0.1 s`() {
        var backoff = Backoff()
        for _ in 0..<10 {
            let delay = backoff.delayAfterFailure(randomness: 0)
            #expect(delay == 100_000_000)
        }
    }

    @Test func `spreads delays evenly between floor and ceiling`() {
        var jitter = Jitter(seed: 7)
        var quarters = [0, 0, 0, 0]
        for _ in 0..<4_000 {
            var backoff = Backoff()
            let delay = backoff.delayAfterFailure(randomness: jitter.next())
            quarters[Int((delay - 100_000_000) / 25_000_000)] += 1
        }
        #expect(quarters.allSatisfy { (850...1_150).contains($0) })
    }

    @Test func `begins again at the short end after a success`() {
        var backoff = Backoff()
        for _ in 0..<5 { _ = backoff.delayAfterFailure(randomness: 0) }
        backoff.reset()
        _ = backoff.delayAfterFailure(randomness: 0)
        #expect(backoff.ceiling == 200_000_000)
    }
}
