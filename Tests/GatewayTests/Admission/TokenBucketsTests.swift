import Gateway
import Reactor
import Testing

@Suite struct TokenBucketsBehaviour {
    private static let second: UInt64 = 1_000_000_000

    private static func address(_ number: UInt64) -> NetworkAddress {
        NetworkAddress(SocketAddress(high: number + 1, low: 0, port: 0))
    }

    private static func instant(seconds: Double) -> Instant {
        Instant(nanoseconds: 1_000 * second + UInt64(seconds * Double(second)))
    }

    @Test func `an address may make its burst at once, and then as many as the rate says`() {
        var rates = TokenBuckets<NetworkAddress>(perSecond: 10, burst: 30, seed: 1)
        for _ in 0..<30 {
            let wait = rates.take(Self.address(1), at: Self.instant(seconds: 0))
            #expect(wait == 0)
        }
        let wait = rates.take(Self.address(1), at: Self.instant(seconds: 0))
        #expect(wait == Self.second / 10)
        // Being refused costs nothing.
        let again = rates.take(Self.address(1), at: Self.instant(seconds: 0.05))
        #expect(again == Self.second / 20)
        let later = rates.take(Self.address(1), at: Self.instant(seconds: 0.1))
        #expect(later == 0)
        let other = rates.take(Self.address(2), at: Self.instant(seconds: 0))
        #expect(other == 0, "others have buckets of their own")
    }

    @Test func `a full bucket comes back after the burst's time`() {
        var rates = TokenBuckets<NetworkAddress>(perSecond: 10, burst: 30, seed: 1)
        for seconds in [0.0, 3.0] {
            var taken = 0
            while rates.take(Self.address(1), at: Self.instant(seconds: seconds)) == 0 {
                taken += 1
            }
            #expect(taken == 30)
        }
    }

    @Test func `many addresses make it forget, and refuse nobody because of others`() {
        var rates = TokenBuckets<NetworkAddress>(perSecond: 1, burst: 2, seed: 7)
        let count = UInt64(TokenBuckets<NetworkAddress>.keysMax) * 4
        for number in 0..<count {
            let wait = rates.take(Self.address(number), at: Self.instant(seconds: 0))
            #expect(wait == 0)
        }
    }

    @Test func `whoever is being limited is remembered before those who aren't`() {
        var rates = TokenBuckets<NetworkAddress>(perSecond: 1, burst: 100, seed: 7)
        let busy = Self.address(1_000_000)
        while rates.take(busy, at: Self.instant(seconds: 0)) == 0 {}
        for number in 0..<UInt64(TokenBuckets<NetworkAddress>.keysMax) {
            _ = rates.take(Self.address(number), at: Self.instant(seconds: 0))
        }
        let wait = rates.take(busy, at: Self.instant(seconds: 0))
        #expect(wait > 0)
    }

    @Test func `what was used elsewhere is missing here, and no more than a burst is owed`() {
        var rates = TokenBuckets<NetworkAddress>(perSecond: 10, burst: 30, seed: 1)
        rates.charge(Self.address(1), 25, at: Self.instant(seconds: 0))
        var taken = 0
        while rates.take(Self.address(1), at: Self.instant(seconds: 0)) == 0 { taken += 1 }
        #expect(taken == 5)
        for _ in 0..<100 { rates.charge(Self.address(1), .max, at: Self.instant(seconds: 0)) }
        let early = rates.take(Self.address(1), at: Self.instant(seconds: 2.9))
        let late = rates.take(Self.address(1), at: Self.instant(seconds: 3.2))
        #expect(early > 0 && late == 0)
    }
}
