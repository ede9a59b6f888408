package import Gateway
internal import Logging
internal import Reactor

/// The core with a kernel that does what a test says: it goes through the phases of a turn as the
/// server does, with sockets that are records and a clock that a test moves on.
package struct CoreHarness: ~Copyable {
    package static let secret: [UInt8] = Array("a secret of at least thirty-two bytes".utf8)
    package static let startSeconds: Int64 = 1_767_323_045  // 2026-01-02T03:04:05Z

    package var core: Core
    private var transport = ScriptedTransport()
    private var numbers: [ClientIndex: Int] = [:]
    private var area = ReceiveArea(receiveCapacity: 65_536, leftoverCapacity: 16_384)
    private var nanoseconds: UInt64 = 1_000_000_000_000

    /// The questions about memberships, and who the members are.
    package var database = ScriptedDatabase()
    /// The table of direct messages.
    package var direct = ScriptedDirect()

    /// Deliveries in one turn.
    package var deliveries = DeliveryLimits()
    /// Whether everything that had arrived was read.
    package var heardEveryone = true

    package init(
        connectionsMax: Int = 64, disconnectsSlowConsumers: Bool = false, seed: UInt64 = 1,
        refetchesPerSecond: Int? = 1_000, publicKeys: [String] = [],
        admission: AdmissionLimits = AdmissionLimits(), checksMembership: Bool = false,
        compresses: Bool = false, turn: TurnBudget.Amounts = .unlimited,
        membershipRecheckSeconds: UInt64? = nil, presence: PresenceUse = .on,
        bus: BusIdentity? = nil
    ) throws {
        var settings = CoreSettings(
            connectionsMax: connectionsMax, jitterSeed: seed)
        settings.disconnectsSlowConsumers = disconnectsSlowConsumers
        settings.pacing = Pacing(refetchesPerSecond: refetchesPerSecond)
        settings.admission = admission
        settings.checksMembership = checksMembership
        settings.compresses = compresses
        settings.turn = turn
        settings.presence = presence
        settings.bus = bus
        settings.membershipRecheckNanoseconds = membershipRecheckSeconds.map {
            $0 * 1_000_000_000
        }
        let secret = Self.secret
        var keys = KeyRing()
        try keys.add(secret: secret.span)
        for pem in publicKeys { try keys.add(pem: pem.utf8Span.span, for: nil) }
        let verifier = TokenVerifier(keys: keys)
        core = Core(
            settings: settings, verifier: verifier,
            connectionIDs: try ConnectionIDs(key: secret.span),
            log: EventLog(format: .text, level: .critical),
            now: Instant(nanoseconds: nanoseconds),
            wall: Timestamp(unixSeconds: Self.startSeconds))
        core.database.answersQueries = true
        beginTurn()
    }

    /// By the number of the connection; its descriptor is a thousand more.
    package private(set) var sockets: [ScriptedSocket] {
        get { transport.sockets }
        _modify { yield &transport.sockets }
    }

    // MARK: Time

    package var wall: Timestamp {
        let elapsed = (nanoseconds - 1_000_000_000_000) / 1_000
        return Timestamp(microseconds: Self.startSeconds * 1_000_000 + Int64(elapsed))
    }

    private mutating func beginTurn() {
        core.beginTurn(now: Instant(nanoseconds: nanoseconds), wall: wall)
        runInboundPhases()
    }

    /// Ends this turn and begins the next one: what a test does is done in between, behind what comes
    /// in and before what follows from it.
    package mutating func turn(milliseconds: UInt64 = 1) {
        runOutboundPhases()
        core.checkInvariants()
        nanoseconds += milliseconds * 1_000_000
        beginTurn()
    }

    /// Turns until nothing is left that no event will tell of.
    package mutating func settle() {
        repeat {
            turn()
        } while core.hasWorkLeft
            || database.answersAtOnce
                && (core.membershipDeadline != nil || !database.batches.isEmpty)
            || direct.answersAtOnce
                && (direct.isBusy || direct.isLive && core.mayReadDirect && core.direct.hasWaiting)
    }

    /// Lets so many milliseconds pass, in turns of a tick.
    package mutating func pass(milliseconds: UInt64) {
        for _ in 0..<milliseconds / 128 { turn(milliseconds: 128) }
        turn(milliseconds: milliseconds % 128)
    }

    // MARK: Connections

    /// - Parameter address: such as `192.0.2.1`; a Unix socket without it.
    package mutating func connect(
        from address: String? = nil, to listener: ListenerRole = .public
    ) throws -> Int {
        let number = try connectUnlessDropped(from: address, to: listener)
        guard let number else { throw HarnessFault.connectionDropped }
        return number
    }

    /// Returns `nil` when the core has the descriptor closed at once.
    package mutating func connectUnlessDropped(
        from address: String?, to listener: ListenerRole = .public
    ) throws -> Int? {
        let number = sockets.count
        let source = address.flatMap { SocketAddress(host: $0, port: 40_000) }
        guard address == nil || source != nil else { throw HarnessFault.notAnAddress }
        let admitted = core.admit(
            descriptor: Int32(1_000 + number), from: source, at: listener)
        guard let index = admitted else { return nil }
        sockets.append(ScriptedSocket(index: index))
        numbers[index] = number
        return number
    }

    /// How many bytes the socket takes from here on before it blocks.
    package mutating func setCapacity(_ capacity: Int, of number: Int) {
        sockets[number].capacity = capacity
    }

    /// Bytes of the peer arrive.
    package mutating func receive(_ bytes: [UInt8], from number: Int) {
        guard !isClosed(number) else { return }
        let index = sockets[number].index
        guard !core.isPaused(index) else {
            sockets[number].unread += bytes
            return
        }
        take(bytes, from: index)
    }

    /// What waited behind an answer is read, and what the kernel has kept meanwhile.
    package mutating func receiveUnpaused() {
        while let index = core.dequeueTurn() {
            guard core.hasUnread(index) else {
                takeUnread(of: index)
                continue
            }
            take([], from: index)
        }
        for number in sockets.indices where !sockets[number].unread.isEmpty && !isClosed(number) {
            guard !core.isPaused(sockets[number].index) else { continue }
            let bytes = sockets[number].unread
            sockets[number].unread = []
            take(bytes, from: sockets[number].index)
        }
    }

    /// What waited in the socket for the client's turn is read.
    private mutating func takeUnread(of index: ClientIndex) {
        guard let number = numbers[index] else { return }
        let bytes = sockets[number].unread
        sockets[number].unread = []
        if !bytes.isEmpty { take(bytes, from: index) }
    }

    private mutating func take(_ bytes: [UInt8], from index: ClientIndex) {
        core.restoreLeftover(of: index, to: &area)
        let leftover = area.bytes
        var all = leftover.indices.map { leftover[$0] } + bytes
        var span = all.mutableSpan
        let share = core.share(of: index)
        let work = core.receive(&span, received: bytes.count, from: index)
        core.spend(work, of: share)
    }

    /// Bytes of the peer arrive, and are read when it is its turn: now, or in a later turn. Returns
    /// whether it was now.
    @discardableResult
    package mutating func receiveInTurn(_ bytes: [UInt8], from number: Int) -> Bool {
        guard !isClosed(number) else { return false }
        let index = sockets[number].index
        guard !core.isPaused(index), core.mayReceive(from: index) else {
            sockets[number].unread += bytes
            return false
        }
        receive(bytes, from: number)
        return true
    }

    /// Bytes of the peer arrive, and are read unless they have to wait in the socket. Returns
    /// whether they were.
    package mutating func receiveIfTaken(_ bytes: [UInt8], from number: Int) -> Bool {
        guard !isClosed(number), core.mayReceive(from: sockets[number].index) else { return false }
        receive(bytes, from: number)
        return true
    }

    /// Bytes arrive that a PROXY header is to be read from. Returns how many of them it took.
    package mutating func receiveProxyHeader(_ bytes: [UInt8], from number: Int) -> Int {
        let index = sockets[number].index
        core.restoreLeftover(of: index, to: &area)
        let leftover = area.bytes
        let all = leftover.indices.map { leftover[$0] } + bytes
        return core.receiveProxyHeader(
            in: all.span, leftoverCount: all.count - bytes.count, from: index)
    }

    /// A text frame of the peer arrives.
    package mutating func receive(text: String, from number: Int) {
        receive(WebSocketTesting.frame(0x81, text), from: number)
    }

    package mutating func receiveEnd(from number: Int) {
        guard !isClosed(number) else { return }
        core.receiveEnd(from: sockets[number].index)
    }

    package mutating func reset(_ number: Int) {
        guard !isClosed(number) else { return }
        core.connectionLost(sockets[number].index)
    }

    package func isClosed(_ number: Int) -> Bool { sockets[number].closeCount > 0 }

    /// Where the core believes that the connection comes from.
    package func peer(of number: Int) -> String {
        core.clientAddress(of: sockets[number].index).description
    }

    package func stream(of number: Int) -> ServerStream { ServerStream(sockets[number].taken) }
}

// The phases of a turn, as tests have them.
extension CoreHarness: TurnPhases {
    package mutating func receiveReady() {
        for number in sockets.indices
        where sockets[number].interest.contains(.write) && sockets[number].capacity > 0 {
            core.becameWritable(sockets[number].index)
        }
        if database.answersAtOnce { answerAll() }
        if direct.answersAtOnce { direct.answerAll(&core) }
    }

    package mutating func handleMembershipAnswers() {
        core.handleMembershipAnswers()
        core.answerStatuses()
    }

    package mutating func answerResumes() { core.answerResumes() }

    /// Tests hand them to the core themselves, all but those about direct messages.
    package mutating func receiveNotifications() {
        if direct.announcesAtOnce { direct.announce(&core) }
    }

    package mutating func runTimers() {
        while core.runTimers(heardEveryone: heardEveryone) {}
        core.runBusTimers()
    }

    /// Tests ask for events themselves.
    package mutating func askReads() { direct.ask(&core) }

    package mutating func askMemberships() {
        core.recheckMemberships()
        core.continueVerifications()
        while core.isMembershipBatchDue {
            var parameters = QueryParameters()
            let number = core.beginMembershipBatch(into: &parameters)
            database.take(number, parameters)
        }
        if !core.database.answersQueries { core.failMembershipQuestions() }
    }

    package mutating func flush() { core.flush(to: &transport, deliveries) }

    package mutating func applyInterests() {
        while let index = core.dequeueInterestChange() {
            guard let number = numbers[index] else { continue }
            sockets[number].interest = core.interest(of: index)
        }
    }

    package mutating func freeClosed() {
        while let descriptor = core.freeNext() {
            let number = Int(descriptor) - 1_000
            sockets[number].closeCount += 1
            sockets[number].interest = []
            numbers[sockets[number].index] = nil
        }
    }
}
