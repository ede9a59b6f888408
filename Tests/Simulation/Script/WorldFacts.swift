package import Gateway
internal import Reactor

/// What doesn't change in a world: how many there are, and how the gateway is set up.
package struct WorldFacts: Equatable, Sendable {
    /// Of the core's own jitter, and of the order in which things happen in a turn.
    package var seed: UInt64
    /// Places for clients; each has one connection at a time.
    package var seats = 8
    /// Gateways beside each other, joined by a bus; one on its own has none. A seat is at one of them.
    package var nodes = 1
    package var users = 4
    package var projects = 3
    package var connectionsMax = 64
    package var checksMembership = true
    /// Within which time memberships in use are looked at again.
    package var recheckSeconds: UInt64?
    /// Whether the database keeps what it has announced.
    package var hasEventLog = false
    package var disconnectsSlowConsumers = false
    package var textPing = true
    /// Whether clients are offered permessage-deflate.
    package var compresses = false
    package var deliveriesPerTurn = 256
    /// Writes from queues, and bytes of them.
    package var writesPerTurn = 256
    package var writtenBytesPerTurn = 4 << 20
    /// How many of those that are over are freed in a turn.
    package var closesPerTurn = 32
    package var admission = AdmissionLimits()
    /// What clients are told of who is present.
    package var presence = PresenceUse.on
    /// What a turn may spend on what clients say.
    package var turn = TurnBudget.Amounts.unlimited
    /// How many of those who resume are answered in a turn.
    package var resumesPerTurn = Limits.resumesPerTurn
    package var plantedFault: PlantedFault?

    package init(seed: UInt64) {
        self.seed = seed
    }
}

extension WorldFacts {
    /// Facts at random: each limit is small enough to be met, or absent.
    init(seed: UInt64, _ random: inout Jitter) {
        self.init(seed: seed)
        seats = 2 + random.below(10)
        users = 1 + random.below(4)
        projects = 1 + random.below(4)
        checksMembership = !random.once(in: 3)
        disconnectsSlowConsumers = random.once(in: 3)
        textPing = random.once(in: 2)
        if random.once(in: 2) { deliveriesPerTurn = 1 + random.below(4) }
        if random.once(in: 8) { connectionsMax = 1 + random.below(seats) }
        if random.once(in: 8) { admission.connectionsPerAddress = 1 + random.below(3) }
        if random.once(in: 6) { admission.connectionsPerUser = 1 + random.below(3) }
        if random.once(in: 8) { admission.unauthenticatedConnections = 1 + random.below(2) }
        if random.once(in: 6) { admission.messagesPerSecond = 1 + random.below(20) }
        if random.once(in: 6) { admission.errorsPerMinute = 1 + random.below(20) }
        if random.once(in: 40) { admission.handshakesPerSecond = 1 }
        hasEventLog = random.once(in: 2)
        compresses = random.once(in: 4)
        var turns = Jitter(seed: seed ^ 0x7045)
        if turns.once(in: 3) { turn = .scarce(&turns) }
        var told = Jitter(seed: seed ^ 0x9135)
        if told.once(in: 8) { presence = told.once(in: 3) ? .off : .count }
        if turns.once(in: 4) { recheckSeconds = UInt64(2 + turns.below(30)) }
        if turns.once(in: 2) { resumesPerTurn = 1 + turns.below(3) }
        if turns.once(in: 2) { writesPerTurn = 1 + turns.below(4) }
        if turns.once(in: 4) { writtenBytesPerTurn = 1 + turns.below(500) }
        if turns.once(in: 2) { closesPerTurn = 1 + turns.below(2) }
        var several = Jitter(seed: seed ^ 0x5EE7)
        if several.once(in: 8) { beSeveral(&several) }
    }

    /// Mostly without limits that keep people from being there for long.
    private mutating func beSeveral(_ random: inout Jitter) {
        nodes = 2 + random.below(2)
        seats = max(seats, 3 * nodes)
        guard !random.once(in: 4) else { return }
        connectionsMax = 64
        admission = AdmissionLimits()
        turn = .unlimited
        presence = .on
    }
}

extension TurnBudget.Amounts {
    /// From one message of one client in a turn up to a handful.
    fileprivate static func scarce(_ random: inout Jitter) -> TurnBudget.Amounts {
        TurnBudget.Amounts(
            strangers: 1 + random.next() % 60_000, members: 1 + random.next() % 20_000,
            client: 1 + random.next() % 8_000)
    }
}

extension Jitter {
    /// A number from zero up to, and without, `bound`.
    mutating func below(_ bound: Int) -> Int {
        Int(next() % UInt64(max(bound, 1)))
    }

    /// True one time in `count`.
    mutating func once(in count: Int) -> Bool {
        below(count) == 0
    }
}
