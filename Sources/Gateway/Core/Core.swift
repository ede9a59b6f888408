package import Reactor

/// Everything that the gateway knows and decides, as one value.
///
/// It takes bytes, payloads and instants in and leaves its effects behind as data: pieces in queues and
/// segments, and lists of the clients that have something to send, changed their interest, or are to
/// be freed. It touches no descriptor and no clock; the loop around it does, once per turn and in bulk.
///
/// What it knows is in values of their own, which see neither each other nor the core. The core's
/// extensions hand each what it needs, and carry its decisions to the others.
package struct Core: ~Copyable {
    /// The core has kilobytes, and mustn't be copied to be looked at.
    private let place = AddressOnly()
    let settings: CoreSettings
    /// The instant of this turn.
    package private(set) var clock: TurnClock

    /// Connections, from accept to close.
    package var clients: Clients
    var connectionIDs: ConnectionIDs
    /// Who looks at what.
    package var hub: Hub
    /// What waits to be sent.
    package var outbox: Outbox
    /// Who may look at what.
    var membership: Membership
    /// What was missed.
    var history: History
    /// Who is present where, and who types.
    var presence: Presence
    var typing: Typing
    /// Messages from user to user.
    package var direct: Direct
    /// Who is let in, and how much those who are in may do.
    var admission: Admission
    /// What other processes count, and what they are told; `nil` on its own.
    var bus: Bus?
    /// What is known of the database.
    package var database = DatabaseStatus()
    /// The drain that is under way; `nil` without one.
    package internal(set) var drain: Drain?
    package var verifier: TokenVerifier
    /// What is left of this turn for what clients say.
    var budget: TurnBudget
    /// Nanoseconds of work on what one client says, as far as it is being heard.
    var work: UInt64 = 0
    package var metrics = Metrics()
    package var log: EventLog

    package init(
        settings: CoreSettings, verifier: consuming TokenVerifier,
        connectionIDs: consuming ConnectionIDs, log: consuming EventLog,
        now: Instant, wall: Timestamp
    ) {
        Limits.check()
        self.settings = settings
        self.verifier = verifier
        self.connectionIDs = connectionIDs
        self.log = log
        clock = TurnClock(now: now, wall: wall)
        budget = TurnBudget(settings.turn)
        let slots = settings.connectionsMax + 2 * settings.reservedPlaces
        let seed = settings.jitterSeed
        clients = Clients(
            slots: slots, settings.times, decompresses: settings.compresses, seed: seed, now: now)
        outbox = Outbox(textPing: settings.textPing, compresses: settings.compresses)
        admission = Admission(settings.admission, connectionsMax: slots, seed: seed)
        history = History(seed: seed)
        presence = Presence(
            listsUsers: settings.presence == .on,
            tellsOthers: settings.bus != nil && settings.presence != .off, slots: slots,
            seed: seed)
        typing = Typing(tellsOthers: settings.bus != nil && settings.presence == .on)
        direct = Direct(seed: seed, tellsOthers: settings.bus != nil)
        membership = Membership(
            recheckNanoseconds: settings.checksMembership
                ? settings.membershipRecheckNanoseconds : nil)
        hub = Hub(
            clientCapacity: slots, projectsPerClientMax: Limits.projectsPerConnectionMax)
        if let identity = settings.bus {
            bus = Bus(
                identity, seed: seed, hearsPeople: settings.presence != .off,
                countsUsers: settings.admission.connectionsPerUser != nil, now: now)
            hub.notesChanges = true
        }
    }

    /// Begins a turn: everything in it happens at this instant.
    package mutating func beginTurn(now: Instant, wall: Timestamp) {
        clock = TurnClock(now: now, wall: wall)
        budget = TurnBudget(settings.turn)
        outbox.beginTurn()
        direct.beginTurn()
        verifier.costlyChecksLeft = Limits.signatureChecksPerTurn
        membership.scannedCount = 0
    }

    /// Whether something is left to do that no event will tell of.
    package var hasWorkLeft: Bool {
        !outbox.dirty.isEmpty || outbox.hasOverflown || clients.closedCount > 0
            || clients.hasInterestChanges || clients.hasWaiting || membership.hasWorkLeft
            || history.resyncPosition != nil || history.reads.hasAnswered
            || hub.activeRoomCount > 0 || hasStatusAnswers
            || presence.hasWorkLeft || typing.hasWorkLeft || direct.wantsAnotherTurn
    }
}
