import Gateway
import Logging
import Reactor
import Testing

/// The core with a kernel that does what a test says: it goes through the phases of a turn as the
/// server does, with sockets that are records and a clock that a test moves on.
struct CoreHarness: ~Copyable {
    static let secret: [UInt8] = Array("a secret of at least thirty-two bytes".utf8)
    static let startSeconds: Int64 = 1_767_323_045  // 2026-01-02T03:04:05Z

    var core: Core
    private var sender = ScriptedSender()
    private var numbers: [ClientIndex: Int] = [:]
    private var area = ReceiveArea(receiveCapacity: 65_536, leftoverCapacity: 16_384)
    private var nanoseconds: UInt64 = 1_000_000_000_000

    /// The questions about memberships, and who the members are.
    var database = ScriptedDatabase()

    /// Deliveries in one turn.
    var deliveries = DeliveryLimits()
    /// Whether everything that had arrived was read.
    var heardEveryone = true

    init(
        connectionsMax: Int = 64, disconnectsSlowConsumers: Bool = false, seed: UInt64 = 1,
        refetchesPerSecond: Int? = 1_000, publicKeys: [String] = [],
        admission: AdmissionLimits = AdmissionLimits(), checksMembership: Bool = false,
        compresses: Bool = false
    ) throws {
        var settings = CoreSettings(
            connectionsMax: connectionsMax, processNonce: 0xABCD, jitterSeed: seed)
        settings.disconnectsSlowConsumers = disconnectsSlowConsumers
        settings.pacing = Pacing(refetchesPerSecond: refetchesPerSecond)
        settings.admission = admission
        settings.checksMembership = checksMembership
        settings.compresses = compresses
        let secret = Self.secret
        var keys = KeyRing()
        try keys.add(secret: secret.span)
        for pem in publicKeys { try keys.add(pem: pem.utf8Span.span, for: nil) }
        let verifier = TokenVerifier(keys: keys)
        core = Core(
            settings: settings, verifier: verifier, log: EventLog(format: .text, level: .critical),
            now: Instant(nanoseconds: nanoseconds),
            wall: Timestamp(unixSeconds: Self.startSeconds))
        core.setCanAsk(true)
        beginTurn()
    }

    /// By the number of the connection; its descriptor is a thousand more.
    private(set) var sockets: [ScriptedSocket] {
        get { sender.sockets }
        _modify { yield &sender.sockets }
    }

    // MARK: Time

    var wall: Timestamp {
        let elapsed = (nanoseconds - 1_000_000_000_000) / 1_000
        return Timestamp(microseconds: Self.startSeconds * 1_000_000 + Int64(elapsed))
    }

    private mutating func beginTurn() {
        core.beginTurn(now: Instant(nanoseconds: nanoseconds), wall: wall)
        for number in sockets.indices
        where sockets[number].interest.contains(.write) && sockets[number].capacity > 0 {
            core.becameWritable(sockets[number].index)
        }
        if database.answersAtOnce { answerAll() }
        core.takeMembershipAnswers()
        resume()
        core.continueClosings()
    }

    /// Ends this turn and begins the next one.
    mutating func turn(milliseconds: UInt64 = 1) {
        while core.runTimers(heardEveryone: heardEveryone) {}
        core.continueVerifications()
        while core.isMembershipBatchDue {
            var parameters = QueryParameters()
            let number = core.beginMembershipBatch(into: &parameters)
            database.take(number, parameters)
        }
        core.flush(to: &sender, deliveries)
        while let index = core.nextInterestChange() {
            guard let number = numbers[index] else { continue }
            sockets[number].interest = core.interest(of: index)
        }
        while let descriptor = core.freeNext() {
            let number = Int(descriptor) - 1_000
            sockets[number].closeCount += 1
            sockets[number].interest = []
            numbers[sockets[number].index] = nil
        }
        core.checkInvariants()
        nanoseconds += milliseconds * 1_000_000
        beginTurn()
    }

    /// Turns until nothing is left that no event will tell of.
    mutating func settle() {
        repeat {
            turn()
        } while core.hasWorkLeft
            || database.answersAtOnce
                && (core.membershipDeadline != nil || !database.batches.isEmpty)
    }

    /// Lets so many milliseconds pass, in turns of a tick.
    mutating func pass(milliseconds: UInt64) {
        for _ in 0..<milliseconds / 128 { turn(milliseconds: 128) }
        turn(milliseconds: milliseconds % 128)
    }

    // MARK: Connections

    /// - Parameter address: such as `192.0.2.1`; a Unix socket without it.
    mutating func connect(
        from address: String? = nil, to listener: ListenerRole = .public
    ) throws -> Int {
        let number = try connectUnlessDropped(from: address, to: listener)
        return try #require(number, "it was dropped")
    }

    /// Returns `nil` when the core has the descriptor closed at once.
    mutating func connectUnlessDropped(
        from address: String?, to listener: ListenerRole = .public
    ) throws -> Int? {
        let number = sockets.count
        let source = try address.map { try #require(SocketAddress(host: $0, port: 40_000)) }
        let admitted = core.admit(
            descriptor: Int32(1_000 + number), from: source, at: listener)
        guard let index = admitted else { return nil }
        sockets.append(ScriptedSocket(index: index))
        numbers[index] = number
        return number
    }

    /// How many bytes the socket takes from here on before it blocks.
    mutating func setCapacity(_ capacity: Int, of number: Int) {
        sockets[number].capacity = capacity
    }

    /// Bytes of the peer arrive.
    mutating func receive(_ bytes: [UInt8], from number: Int) {
        guard !isClosed(number) else { return }
        let index = sockets[number].index
        guard !core.isWaiting(index) else {
            sockets[number].unread += bytes
            return
        }
        take(bytes, from: index)
    }

    /// What waited behind an answer is taken in, and what the kernel has kept meanwhile.
    private mutating func resume() {
        while let index = core.nextResumed() { take([], from: index) }
        for number in sockets.indices where !sockets[number].unread.isEmpty && !isClosed(number) {
            guard !core.isWaiting(sockets[number].index) else { continue }
            let bytes = sockets[number].unread
            sockets[number].unread = []
            take(bytes, from: sockets[number].index)
        }
    }

    private mutating func take(_ bytes: [UInt8], from index: ClientIndex) {
        core.restoreLeftover(of: index, to: &area)
        let leftover = area.bytes
        var all = leftover.indices.map { leftover[$0] } + bytes
        var span = all.mutableSpan
        core.receive(&span, received: bytes.count, from: index)
    }

    /// Bytes of the peer arrive, and are read unless they have to wait in the socket. Returns
    /// whether they were.
    mutating func receiveIfTaken(_ bytes: [UInt8], from number: Int) -> Bool {
        guard !isClosed(number), core.takesBytes(of: sockets[number].index) else { return false }
        receive(bytes, from: number)
        return true
    }

    /// Bytes arrive that a PROXY header is to be read from. Returns how many of them it took.
    mutating func receiveProxyHeader(_ bytes: [UInt8], from number: Int) -> Int {
        let index = sockets[number].index
        core.restoreLeftover(of: index, to: &area)
        let leftover = area.bytes
        let all = leftover.indices.map { leftover[$0] } + bytes
        return core.takeProxyHeader(
            in: all.span, leftoverCount: all.count - bytes.count, from: index)
    }

    /// A text frame of the peer arrives.
    mutating func receive(text: String, from number: Int) {
        receive(WebSocketTesting.frame(0x81, text), from: number)
    }

    mutating func receiveEnd(from number: Int) {
        guard !isClosed(number) else { return }
        core.receiveEnded(from: sockets[number].index)
    }

    mutating func reset(_ number: Int) {
        guard !isClosed(number) else { return }
        core.connectionFailed(sockets[number].index)
    }

    func isClosed(_ number: Int) -> Bool { sockets[number].closeCount > 0 }

    /// Where the core believes that the connection comes from.
    func peer(of number: Int) -> String {
        core.clientAddress(of: sockets[number].index).description
    }

    func stream(of number: Int) -> ServerStream { ServerStream(sockets[number].taken) }
}
