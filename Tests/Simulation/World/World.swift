package import Gateway
internal import Logging
internal import Reactor

/// The gateway's core in a world that is made up: its clients, its database, its kernel and its
/// clock. Nothing in it depends on anything but its script.
package struct World: ~Copyable {
    static let start = Instant(nanoseconds: 1_000_000_000_000)
    static let startSeconds: Int64 = 1_767_323_045  // 2026-01-02T03:04:05Z

    let facts: WorldFacts
    package var core: Core
    var kernel = SimulatedKernel()
    var database: SimulatedDatabase
    var random: Jitter
    /// By a chance of its own, so that all other worlds are as they are without direct messages.
    var directRandom: Jitter
    var area = ReceiveArea(receiveCapacity: 65_536, leftoverCapacity: 16_384)

    var now = World.start
    /// The time in which the process didn't stand still: no turn was longer than half a second.
    var awakeNanoseconds: UInt64 = 0
    static let awakeMillisecondsMax: UInt64 = 500
    /// By seat: the number of its connection.
    var seats: [Int?]
    /// Connections that weren't freed yet, by number.
    var live: [Int] = []
    var references = 0
    var drainBegan: Instant?
    /// Whether the next look at the database shows something new.
    var isLossDue = true
    /// When the database last said something about memberships, in time awake.
    var lastAnswer: UInt64 = 0
    var tally = Tally()
    package private(set) var transcript = Transcript()
    /// Whether what happens is printed.
    package var isTraced = false

    package init(_ facts: WorldFacts) throws {
        self.facts = facts
        random = Jitter(seed: facts.seed ^ 0x5EED)
        directRandom = Jitter(seed: facts.seed ^ 0xD1EC7)
        seats = Array(repeating: nil, count: facts.seats)
        database = SimulatedDatabase(Ledger(facts))
        var settings = CoreSettings(
            connectionsMax: facts.connectionsMax, jitterSeed: facts.seed)
        settings.pacing = Pacing(refetchesPerSecond: nil)
        settings.checksMembership = facts.checksMembership
        settings.membershipRecheckNanoseconds = facts.recheckSeconds.map { $0 * 1_000_000_000 }
        settings.disconnectsSlowConsumers = facts.disconnectsSlowConsumers
        settings.textPing = facts.textPing
        settings.compresses = facts.compresses
        settings.turn = facts.turn
        settings.resumesPerTurn = facts.resumesPerTurn
        settings.admission = facts.admission
        settings.presence = facts.presence
        let secret = Tokens.secret
        core = Core(
            settings: settings, verifier: try TokenVerifier(secret: secret.span),
            connectionIDs: try ConnectionIDs(key: secret.span),
            log: EventLog(format: .text, level: .critical), now: now,
            wall: Timestamp(unixSeconds: Self.startSeconds))
        kernel.lostText = facts.plantedFault?.lostText
        core.database.answersQueries = true
        core.eventLogIs(facts.hasEventLog ? .usable : .absent)
        core.listenerBecameLive()
        // As the server does at once.
        if let canary = CanaryPayload(Array("1 1".utf8).span) { core.receiveCanary(canary) }
    }

    var wall: Timestamp {
        let elapsed = Int64(now.nanoseconds(since: Self.start) / 1_000)
        return Timestamp(microseconds: Self.startSeconds * 1_000_000 + elapsed)
    }

    /// Plays the whole script, and what comes after: everything comes to rest, and ends.
    package mutating func play(_ actions: [Action]) throws(Violation) {
        for action in actions {
            if isTraced { print(action) }
            try act(action)
        }
        try finish()
    }

    private func trace(_ bytes: [UInt8], _ number: Int) {
        let text = bytes.map { (0x20..<0x7F).contains($0) ? Character(Unicode.Scalar($0)) : "·" }
        let milliseconds = now.nanoseconds(since: Self.start) / 1_000_000
        print("  at \(milliseconds) ms connection \(number) got \(String(text))")
    }

    /// Holds what every client has heard in this turn against the ledger.
    mutating func listen() throws(Violation) {
        for number in live where !kernel.peers[number].received.isEmpty {
            transcript.note(kernel.peers[number].received, connection: number)
            let bytes = kernel.peers[number].open()
            if isTraced { trace(bytes, number) }
            try kernel.peers[number].hearing.hear(bytes, database.ledger)
            if kernel.peers[number].hearing.isOpen, kernel.peers[number].openedAt == nil {
                kernel.peers[number].openedAt = now
            }
            if kernel.peers[number].hearing.isClosed, kernel.peers[number].closedAt == nil {
                kernel.peers[number].closedAt = now
                try checkClose(of: kernel.peers[number])
            }
        }
    }
}

/// What the world has counted, to be held against the metrics.
struct Tally {
    var receivedBytes = 0
    var notifications = 0
    /// Those that name a project are looked into only if it has an audience.
    var malformed = 0
    var malformedOfProjects = 0
    var dropped = 0
}

/// What all clients got, in the order in which they got it.
package struct Transcript: Equatable, Sendable {
    /// A number that two transcripts share only when they are equal, but for a chance of 2⁻⁶⁴.
    package private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
    package private(set) var byteCount = 0

    /// FNV-1a.
    mutating func note(_ bytes: [UInt8], connection: Int) {
        var digest = (digest ^ UInt64(connection)) &* 0x100_0000_01B3
        for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
        self.digest = digest
        byteCount += bytes.count
    }
}
