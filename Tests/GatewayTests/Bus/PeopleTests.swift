import Gateway
import Reactor
import Testing

/// A node that says who is present there, and one that hears it; what goes between them can be lost.
private struct Hearing: ~Copyable {
    static let process = BusIdentity(node: 0x200, epoch: 1)

    var teller: People
    var hearer = People(own: BusIdentity(node: 0x100, epoch: 1), seed: 3)
    var identity: BusIdentity
    var now = BusTesting.start
    /// Who was seen otherwise, each time.
    var changes: [PresenceChange] = []

    init(_ identity: BusIdentity = Self.process) {
        self.identity = identity
        teller = People(own: identity, seed: 5)
    }

    static func pair(_ user: UInt64, _ project: UInt64 = 1) -> MembershipPair {
        MembershipPair(project: BusTesting.project(project), user: UserID(high: 2, low: user))
    }

    /// Another process in the teller's place.
    mutating func restart(epoch: UInt64) {
        identity = BusIdentity(node: identity.node, epoch: epoch)
        teller = People(own: identity, seed: epoch)
        hearer.succeed(identity, now)
    }

    mutating func publish(_ news: [PresenceChange]) -> [BusFrame] {
        teller.publish(news, isGreeting: false, now).map {
            BusFrame(sender: identity, number: $0.number, .people($0.frame))
        }
    }

    /// What the hearer makes of a frame.
    @discardableResult
    mutating func hear(_ frame: BusFrame) -> NodeTable.Outcome? {
        var outcome: NodeTable.Outcome?
        switch frame.content {
        case .people(let people):
            outcome = hearer.receive(people, number: frame.number, from: frame.sender, now)
        case .peoplePart(let part):
            outcome =
                hearer.receive(part, number: frame.number, from: frame.sender, now)
                ? .taken : .stale
        default: break
        }
        noteChanges()
        return outcome
    }

    mutating func noteChanges() {
        while let pair = hearer.dequeueChanged() {
            changes.append(PresenceChange(pair, hearer.seen(pair)))
        }
    }

    /// Tells, and loses nothing.
    mutating func tell(_ seen: Visibility, _ users: UInt64...) {
        for frame in publish(users.map { PresenceChange(Self.pair($0), seen) }) { hear(frame) }
    }

    /// Asks for what is wanted, until nothing is. Returns the number of parts.
    @discardableResult
    mutating func catchUp() -> Int {
        var parts = 0
        while let wanted = hearer.dequeueWanted() {
            guard wanted.target == identity else { continue }
            let answer = teller.part(wanted, for: 0x100)
            hear(BusFrame(sender: identity, number: answer.number, .peoplePart(answer.part)))
            parts += 1
        }
        return parts
    }

    mutating func pass(seconds: UInt64) {
        for _ in 0..<seconds {
            now = now.advanced(byNanoseconds: 1_000_000_000)
            hearer.check(now)
            teller.check(now)
            sweep()
        }
    }

    mutating func sweep() {
        while let due = hearer.sweepDue, due <= now { hearer.sweep(now) }
        noteChanges()
    }

    mutating func heartbeat() {
        now = now.advanced(byNanoseconds: Limits.busHeartbeatNanoseconds)
        for frame in publish([]) { hear(frame) }
    }

    func seen(_ user: UInt64) -> Visibility { hearer.seen(Self.pair(user)) }

    mutating func takeChanges() -> [PresenceChange] {
        defer { changes = [] }
        return changes
    }

    func isPartial() -> Bool { hearer.isPartial }
    var count: Int { hearer.elsewhereCount }
}

@Suite struct PeopleBehaviour {
    @Test func `who is present, away or gone at one node is so at another`() {
        var hearing = Hearing()
        hearing.tell(.active, 1, 2)
        hearing.tell(.away, 2)
        #expect(hearing.seen(1) == .active && hearing.seen(2) == .away)
        hearing.tell(.absent, 1)
        #expect(hearing.seen(1) == .absent && hearing.count == 1 && hearing.isPartial() == false)
    }

    @Test func `whoever comes and goes while the tables grow and shrink is found`() {
        var hearing = Hearing()
        var random = Jitter(seed: 11)
        var there: [UInt64] = []
        var isThere = Array(repeating: false, count: 20_000)
        // Up to as many as make the tables grow several times, and down to few, twice.
        for (count, most) in [(9_000, 8_000), (9_000, 100), (5_000, 4_000), (6_000, 1)] {
            var wrong = 0
            for _ in 0..<count {
                let other = random.next() % 20_000
                if there.count < most, !isThere[Int(other)] {
                    hearing.tell(.active, other)
                    there.append(other)
                    isThere[Int(other)] = true
                } else if there.count > most {
                    let position = Int(random.next() % UInt64(there.count))
                    there.swapAt(position, there.count - 1)
                    let user = there.removeLast()
                    hearing.tell(.absent, user)
                    isThere[Int(user)] = false
                }
                if (hearing.seen(other) == .active) != isThere[Int(other)] { wrong += 1 }
            }
            for user in 0..<20_000 as Range<UInt64>
            where (hearing.seen(user) == .active) != isThere[Int(user)] { wrong += 1 }
            #expect(wrong == 0)
            #expect(hearing.count == there.count)
        }
    }

    @Test func `users of a process are gone in time, however often others end in its place`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        for epoch in 2...3 as ClosedRange<UInt64> {
            hearing.restart(epoch: epoch)
            hearing.tell(.active, epoch)
            hearing.pass(seconds: 8)
        }
        hearing.restart(epoch: 4)
        // The first process has ended 16 s ago, the second 8.
        #expect(hearing.seen(1) == .absent)
        #expect(hearing.seen(2) == .active)
        hearing.pass(seconds: 8)
        #expect(hearing.seen(2) == .absent)
        #expect(hearing.seen(3) == .active)
        hearing.pass(seconds: 8)
        #expect(hearing.seen(3) == .absent)
        #expect(hearing.count == 0)
    }

    @Test func `who is sent away by a node that ends has its window and fifteen seconds`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        hearing.hearer.end(Hearing.process.node, windowMilliseconds: 20_000, hearing.now)
        hearing.pass(seconds: 34)
        #expect(hearing.seen(1) == .active)
        hearing.pass(seconds: 2)
        #expect(hearing.seen(1) == .absent)
    }

    @Test func `a node in which nobody ever was present says nothing`() {
        var hearing = Hearing()
        let first = hearing.publish([PresenceChange(Hearing.pair(1), .absent)])
        hearing.now = hearing.now.advanced(byNanoseconds: 60_000_000_000)
        let later = hearing.publish([])
        let greeting = hearing.teller.publish([], isGreeting: true, hearing.now)
        #expect(first.isEmpty && later.isEmpty && greeting.isEmpty)
    }

    @Test func `what hasn't changed isn't said again, but for a heartbeat in 3 s`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        let again = hearing.publish([PresenceChange(Hearing.pair(1), .active)])
        #expect(again.isEmpty)
        hearing.now = hearing.now.advanced(byNanoseconds: Limits.busHeartbeatNanoseconds)
        let heartbeat = hearing.publish([])
        #expect(heartbeat.count == 1 && heartbeat[0].number == 2)
    }

    @Test func `a missed frame is found by the next one, and made good by a snapshot`() {
        var hearing = Hearing()
        hearing.tell(.active, 1, 2)
        _ = hearing.publish([
            PresenceChange(Hearing.pair(3), .active), PresenceChange(Hearing.pair(1), .absent),
        ])
        hearing.tell(.away, 2)
        #expect(hearing.isPartial() == true)
        #expect(hearing.seen(1) == .active, "until it is known")
        _ = hearing.takeChanges()
        hearing.catchUp()
        hearing.sweep()
        #expect(
            hearing.isPartial() == false && hearing.seen(1) == .absent && hearing.seen(3) == .active
        )
        let changed = hearing.takeChanges().map(\.pair)
        #expect(Set(changed) == [Hearing.pair(1), Hearing.pair(3)], "nobody else flickers")
    }

    @Test func `12,500 users come in parts that each fit into a frame`() {
        var hearing = Hearing()
        let news = (0..<12_500 as Range<UInt64>).map { PresenceChange(Hearing.pair($0), .active) }
        for start in stride(from: 0, to: news.count, by: Limits.busPeoplePerBatch) {
            let end = min(news.count, start + Limits.busPeoplePerBatch)
            for frame in hearing.publish(Array(news[start..<end])) {
                #expect(BusTesting.bytes(of: frame).count <= Limits.busFrameBytesMax)
            }
        }
        hearing.heartbeat()
        let parts = hearing.catchUp()
        #expect(parts == 26 && hearing.count == 12_500 && hearing.isPartial() == false)
    }

    @Test func `a part that is lost is asked for again`() {
        var hearing = Hearing()
        _ = hearing.publish([PresenceChange(Hearing.pair(1), .active)])
        hearing.heartbeat()
        let lost = hearing.hearer.dequeueWanted()
        #expect(lost != nil)
        hearing.pass(seconds: 1)
        hearing.catchUp()
        #expect(hearing.seen(1) == .active && hearing.isPartial() == false)
    }

    @Test func `frames that come twice or late change nothing`() {
        var hearing = Hearing()
        let first = hearing.publish([PresenceChange(Hearing.pair(1), .active)])
        let second = hearing.publish([PresenceChange(Hearing.pair(1), .absent)])
        for frame in first + second { hearing.hear(frame) }
        let repeated = hearing.hear(first[0])
        #expect(repeated == .stale && hearing.seen(1) == .absent)
    }

    @Test func `parts that nobody asked for change nothing`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        let part = PeoplePart(
            target: 0x100, first: 0, end: PeoplePart.atEnd,
            entries: [PresenceChange(Hearing.pair(9), .active)])
        let outcome = hearing.hear(
            BusFrame(sender: hearing.identity, number: 7, .peoplePart(part)))
        #expect(outcome == .stale && hearing.seen(9) == .absent)
    }

    @Test func `a user at two nodes is present until both say otherwise, as the most active one`() {
        var hearing = Hearing()
        let other = BusIdentity(node: 0x300, epoch: 4)
        var elsewhere = People(own: other, seed: 9)
        hearing.tell(.away, 1)
        for told in elsewhere.publish(
            [PresenceChange(Hearing.pair(1), .active)], isGreeting: false, hearing.now)
        {
            hearing.hear(BusFrame(sender: other, number: told.number, .people(told.frame)))
        }
        #expect(hearing.seen(1) == .active)
        hearing.tell(.absent, 1)
        #expect(hearing.seen(1) == .active)
        hearing.hearer.remove(0x300, hearing.now)
        hearing.sweep()
        #expect(hearing.seen(1) == .absent && hearing.count == 0)
    }

    @Test func `a node that is silent for 30 s takes its users along`() {
        var hearing = Hearing()
        hearing.tell(.active, 1, 2)
        _ = hearing.takeChanges()
        hearing.hearer.remove(Hearing.process.node, hearing.now)
        #expect(hearing.seen(1) == .active, "until they are taken out, a part in each turn")
        hearing.sweep()
        #expect(hearing.seen(1) == .absent && hearing.count == 0 && hearing.isPartial() == false)
        let changes0 = hearing.takeChanges()
        #expect(changes0.count == 2)
        hearing.heartbeat()
        hearing.catchUp()
        #expect(hearing.seen(1) == .active, "it was cut off, and is back")
    }

    @Test func `after the end of a process its users have 15 s to come back`() {
        var hearing = Hearing()
        hearing.tell(.active, 1, 2)
        _ = hearing.takeChanges()
        hearing.hearer.end(Hearing.process.node, hearing.now)
        hearing.pass(seconds: 14)
        let changes1 = hearing.takeChanges()
        #expect(hearing.seen(1) == .active && changes1.isEmpty)
        hearing.pass(seconds: 1)
        #expect(hearing.seen(1) == .absent && hearing.count == 0)
    }

    @Test func `nobody flickers who comes back to the process that follows`() {
        var hearing = Hearing()
        hearing.tell(.active, 1, 2)
        _ = hearing.takeChanges()
        hearing.restart(epoch: 2)
        hearing.pass(seconds: 2)
        hearing.tell(.active, 1)
        hearing.pass(seconds: 12)
        let changes2 = hearing.takeChanges()
        #expect(changes2.isEmpty && hearing.isPartial() == false)
        hearing.pass(seconds: 1)
        let changes3 = hearing.takeChanges()
        #expect(changes3 == [PresenceChange(Hearing.pair(2), .absent)])
        #expect(hearing.seen(1) == .active && hearing.count == 1)
    }

    @Test func `what doesn't fit is omitted, and makes it partial`() {
        var hearing = Hearing()
        var frame = PeopleFrame(hash: 0)
        frame.omits = true
        hearing.hear(BusFrame(sender: Hearing.process, number: 1, .people(frame)))
        #expect(hearing.isPartial() == true)
    }
}

// MARK: Removals

@Suite struct PeopleRemovalBehaviour {
    @Test func `a removed member is gone at once, and no frame from before brings it back`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        hearing.hearer.noteRemoval(of: Hearing.pair(1), hearing.now)
        #expect(hearing.seen(1) == .absent)
        // Its node hears of it later.
        hearing.tell(.away, 1)
        #expect(hearing.seen(1) == .absent && hearing.isPartial() == false)
        hearing.tell(.absent, 1)
        #expect(hearing.count == 0)
    }

    @Test func `nor is one shown of whom a late node says so for the first time`() {
        var hearing = Hearing()
        hearing.tell(.active, 2)
        hearing.hearer.noteRemoval(of: Hearing.pair(1), hearing.now)
        hearing.tell(.active, 1)
        #expect(hearing.seen(1) == .absent)
    }

    @Test func `a snapshot doesn't bring it back either`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        hearing.hearer.noteRemoval(of: Hearing.pair(1), hearing.now)
        _ = hearing.publish([PresenceChange(Hearing.pair(2), .active)])
        hearing.heartbeat()
        hearing.catchUp()
        hearing.sweep()
        #expect(hearing.seen(1) == .absent && hearing.seen(2) == .active)
    }

    @Test func `it is back when its node has heard of it too, and says so anew`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        hearing.hearer.noteRemoval(of: Hearing.pair(1), hearing.now)
        hearing.teller.noteRemoval(of: Hearing.pair(1), hearing.now)
        hearing.tell(.active, 1)
        #expect(hearing.seen(1) == .active)
    }

    @Test func `also when its node has heard of it earlier than this one`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        hearing.teller.noteRemoval(of: Hearing.pair(1), hearing.now)
        hearing.tell(.absent, 1)
        hearing.tell(.active, 1)
        _ = hearing.takeChanges()
        hearing.hearer.noteRemoval(of: Hearing.pair(1), hearing.now)
        let changes4 = hearing.takeChanges()
        #expect(hearing.seen(1) == .active && changes4.isEmpty)
        hearing.hearer.noteRemoval(of: Hearing.pair(1), hearing.now)
        #expect(hearing.seen(1) == .absent, "that is another end")
    }

    @Test func `a node that never says more of it is believed after a minute`() {
        var hearing = Hearing()
        hearing.tell(.active, 1)
        hearing.hearer.noteRemoval(of: Hearing.pair(1), hearing.now)
        hearing.pass(seconds: 59)
        #expect(hearing.seen(1) == .absent)
        hearing.pass(seconds: 2)
        #expect(hearing.seen(1) == .active)
    }
}
