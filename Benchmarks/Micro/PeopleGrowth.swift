internal import Gateway
internal import Reactor

/// What it takes at most to take in one user of another node, while the tables of those grow to as many
/// as there may be: time of the processor, so that other programs don't count.
struct PeopleGrowth: CustomStringConvertible {
    static let nanosecondsMax: UInt64 = 1_000_000

    private(set) var count = 0
    private(set) var slowest: UInt64 = 0
    /// How many were there already when the slowest came.
    private(set) var slowestAt = 0
    private(set) var total: UInt64 = 0

    var isTooSlow: Bool { slowest > Self.nanosecondsMax }

    var description: String {
        "\(count) users of other nodes, one after the other: \(total / UInt64(max(count, 1))) ns each, "
            + "the slowest \(slowest / 1_000) µs, behind \(slowestAt) of them"
    }

    static func measure(isSmall: Bool) throws -> PeopleGrowth {
        var growth = PeopleGrowth()
        let perNode = isSmall ? Limits.busPeoplePerNodeMax / 64 : Limits.busPeoplePerNodeMax
        let now = Instant(nanoseconds: 1_000_000_000_000)
        var hearer = People(own: BusIdentity(node: 0x100, epoch: 1), seed: 7)
        for node in 1...UInt64(Limits.busPeopleMax / Limits.busPeoplePerNodeMax) {
            let sender = BusIdentity(node: 0x100 + node << 8, epoch: 1)
            var teller = People(own: sender, seed: node)
            for user in 0..<perNode {
                // Some users of a project, and many projects.
                let pair = MembershipPair(
                    project: ProjectID(high: node, low: UInt64(user / 4)),
                    user: UserID(high: 5, low: UInt64(user)))
                let frames = teller.publish(
                    [PresenceChange(pair, .active)], isGreeting: false, now)
                for (number, frame) in frames {
                    let began = Clock.processorNanoseconds()
                    let outcome = hearer.receive(frame, number: number, from: sender, now)
                    growth.note(Clock.processorNanoseconds() - began)
                    guard outcome == .taken else { throw MicroFailure("refused: \(outcome)") }
                }
                while hearer.dequeueChanged() != nil {}
            }
        }
        guard hearer.elsewhereCount == growth.count else {
            throw MicroFailure("\(hearer.elsewhereCount) of \(growth.count) are there")
        }
        return growth
    }

    private mutating func note(_ nanoseconds: UInt64) {
        if nanoseconds > slowest {
            slowest = nanoseconds
            slowestAt = count
        }
        total += nanoseconds
        count += 1
    }
}
