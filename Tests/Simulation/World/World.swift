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

    /// Which gateway of several it is; 0 on its own.
    let node: Int
    /// Frames of other gateways that arrive in this turn.
    var busArrivals: [[UInt8]] = []
    /// Announcements that memberships have ended, which came in this turn.
    var endings: [Ending] = []

    struct Ending {
        /// `nil` when it isn't said whose.
        let user: Int?
        let project: Int
        let commit: Int
    }

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
    var isDrained = false
    /// Whether the next look at the database shows something new.
    var isLossDue = true
    /// When the database last said something about memberships, in time awake.
    var lastAnswer: UInt64 = 0
    var tally = Tally()
    package internal(set) var transcript = Transcript()
    /// Whether what happens is printed.
    package var isTraced = false

    package init(_ facts: WorldFacts) throws {
        try self.init(facts, as: nil, at: Self.start, SimulatedDatabase(Ledger(facts)))
    }

    /// - Parameter identity: of one of several gateways.
    init(
        _ facts: WorldFacts, as identity: BusIdentity?, node: Int = 0, at now: Instant,
        _ database: SimulatedDatabase
    ) throws {
        self.facts = facts
        self.node = node
        self.now = now
        let turn = identity.map { $0.node &* 31 &+ $0.epoch } ?? 0
        random = Jitter(seed: facts.seed ^ 0x5EED ^ turn)
        directRandom = Jitter(seed: facts.seed ^ 0xD1EC7)
        // One is for those who ask in the end.
        seats = Array(repeating: nil, count: facts.seats + (identity == nil ? 0 : 1))
        self.database = database
        var settings = CoreSettings(
            connectionsMax: facts.connectionsMax, jitterSeed: facts.seed ^ turn)
        settings.bus = identity
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
            wall: Self.wall(at: now))
        kernel.lostText = facts.plantedFault?.lostText
        core.database.answersQueries = true
        core.eventLogIs(facts.hasEventLog ? .usable : .absent)
        core.listenerBecameLive()
        // As the server does at once.
        let canary = "1 \(database.ledger.commits + 1)"
        if let canary = CanaryPayload(Array(canary.utf8).span) { core.receiveCanary(canary) }
    }

    var wall: Timestamp { Self.wall(at: now) }

    private static func wall(at now: Instant) -> Timestamp {
        let elapsed = Int64(now.nanoseconds(since: start) / 1_000)
        return Timestamp(microseconds: startSeconds * 1_000_000 + elapsed)
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
        let place = facts.nodes > 1 ? "node \(node), " : ""
        print("  at \(milliseconds) ms \(place)connection \(number) got \(String(text))")
    }

    /// Holds what every client has heard in this turn against the ledger.
    mutating func listen() throws(Violation) {
        if facts.nodes > 1 { for number in live { kernel.peers[number].hearing.partials = [] } }
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
    package internal(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
    package internal(set) var byteCount = 0

    /// FNV-1a.
    mutating func note(_ bytes: [UInt8], connection: Int) {
        var digest = (digest ^ UInt64(connection)) &* 0x100_0000_01B3
        for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
        self.digest = digest
        byteCount += bytes.count
    }
}
