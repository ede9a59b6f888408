import Gateway
import Reactor
import Testing

@Suite struct UserCountsBehaviour {
    private static let one = BusIdentity(node: 1, epoch: 1)
    private static let other = BusIdentity(node: 2, epoch: 1)

    private static func user(_ number: UInt64) -> UserID { UserID(high: 5, low: number) }

    private static func look(
        _ counts: inout UserCounts, _ own: [UserCount], _ now: Instant
    ) -> [UserCount] {
        counts.add(own, next: nil)
        return counts.endLook(now)
    }

    @Test func `what others say of a user is added up`() {
        var counts = UserCounts(now: .at(milliseconds: 0))
        counts.receive([UserCount(Self.user(1), 3)], from: Self.one, .at(milliseconds: 0))
        counts.receive([UserCount(Self.user(1), 4)], from: Self.other, .at(milliseconds: 0))
        #expect(counts.connections(of: Self.user(1)) == 7)
        #expect(counts.connections(of: Self.user(2)) == 0)
        counts.receive([UserCount(Self.user(1), 0)], from: Self.one, .at(milliseconds: 1))
        #expect(counts.connections(of: Self.user(1)) == 4)
        counts.remove(Self.other.node)
        #expect(counts.connections(of: Self.user(1)) == 0 && counts.count == 0)
    }

    @Test func `a process that follows another takes nothing over`() {
        var counts = UserCounts(now: .at(milliseconds: 0))
        counts.receive([UserCount(Self.user(1), 3)], from: Self.one, .at(milliseconds: 0))
        let successor = BusIdentity(node: Self.one.node, epoch: 2)
        counts.receive([UserCount(Self.user(2), 1)], from: successor, .at(milliseconds: 1))
        #expect(counts.connections(of: Self.user(1)) == 0)
        #expect(counts.connections(of: Self.user(2)) == 1)
    }

    @Test func `what isn't said again is forgotten`() {
        var counts = UserCounts(now: .at(milliseconds: 0))
        counts.receive(
            [UserCount(Self.user(1), 3), UserCount(Self.user(2), 3)], from: Self.one,
            .at(milliseconds: 0))
        for second in 1...30 as ClosedRange<UInt64> {
            let now = Instant.at(milliseconds: second * 1_000)
            if second % 3 == 0 {
                counts.receive([UserCount(Self.user(2), 3)], from: Self.one, now)
            }
            counts.check(now)
            if second < 10 { #expect(counts.connections(of: Self.user(1)) == 3) }
        }
        #expect(counts.connections(of: Self.user(1)) == 0)
        #expect(counts.connections(of: Self.user(2)) == 3)
        for second in 31...51 as ClosedRange<UInt64> {
            counts.check(.at(milliseconds: second * 1_000))
        }
        #expect(counts.count == 0)
    }

    @Test func `what is new is told at once, all else within three looks, and an end once`() {
        var counts = UserCounts(now: .at(milliseconds: 0))
        let two = [
            UserCount(Self.user(1), 9, asksOthers: true),
            UserCount(Self.user(2), 8, asksOthers: true),
        ]
        let first = Self.look(&counts, two, .at(milliseconds: 0))
        #expect(Set(first.map(\.user)) == [Self.user(1), Self.user(2)])
        var again: [UserID] = []
        for number in 1...3 as ClosedRange<UInt64> {
            again += Self.look(&counts, two, .at(milliseconds: number * 1_000)).map(\.user)
        }
        #expect(again.sorted() == [Self.user(1), Self.user(2)])
        let less = [UserCount(Self.user(1), 7, asksOthers: true)]
        let changes = Self.look(&counts, less, .at(milliseconds: 4_000))
        #expect(changes.contains(less[0]) && changes.contains(UserCount(Self.user(2), 0)))
        let rest = Self.look(&counts, less, .at(milliseconds: 5_000))
        #expect(!rest.contains { $0.user == Self.user(2) })
    }

    @Test func `those of whom another has many are asked for, and answers ask nobody`() {
        var counts = UserCounts(now: .at(milliseconds: 0))
        counts.receive(
            [UserCount(Self.user(1), 9, asksOthers: true), UserCount(Self.user(2), 1)],
            from: Self.one, .at(milliseconds: 0))
        #expect(counts.askedFor == [Self.user(1)])
    }

    @Test func `there is room for so many users of a node, and of all`() {
        var counts = UserCounts(now: .at(milliseconds: 0))
        let many = (0..<UInt64(Limits.busUsersPerNodeMax) + 10).map {
            UserCount(Self.user($0), 1)
        }
        counts.receive(many, from: Self.one, .at(milliseconds: 0))
        #expect(counts.count == Limits.busUsersPerNodeMax && counts.refusals == 10)
        for node in 2...20 as ClosedRange<UInt64> {
            counts.receive(many, from: BusIdentity(node: node, epoch: 1), .at(milliseconds: 0))
        }
        #expect(counts.count == Limits.busUsersMax)
        var own = UserCounts(now: .at(milliseconds: 0))
        #expect(Self.look(&own, many, .at(milliseconds: 0)).count == Limits.busUsersPerNodeMax)
    }
}
