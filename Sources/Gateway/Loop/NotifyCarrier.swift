internal import Reactor

/// The bus between hosts without Redis: a session with PostgreSQL that says and hears notifications on a
/// channel of the bus' own, a few times a second at most.
///
/// Every role that may connect can do so too, so it is for those who share a secret.
struct NotifyCarrier: ~Copyable {
    private var session: NotifySession
    private var envelopes: Envelopes
    private var received = NotifyPayloads()
    /// Payloads that wait, each envelope's in their order.
    private var waiting: [(payloads: [String], byteCount: Int)] = []
    private var waitingBytes = 0
    /// When the last statements left, the oldest first.
    private var saidAt: [Instant] = []
    private var heardOwnAt = Instant(nanoseconds: 0)
    /// The envelope by which the round trip is measured, and when it was made.
    private var canary: (number: UInt64, at: Instant)?
    /// Whether it was there until now.
    private var wasLive = false
    private let hasRelay: Bool
    private let own: BusIdentity
    private var counted = CarrierFigures()

    /// Payloads in one statement: 64 KB of text, and more than any envelope has.
    private static let payloadsPerStatement = 8

    init(
        _ session: consuming NotifySession, own: BusIdentity, hasRelay: Bool,
        envelopes: consuming Envelopes
    ) {
        self.session = session
        self.own = own
        self.hasRelay = hasRelay
        self.envelopes = envelopes
    }

    var isLive: Bool { session.isLive }
    var isResolving: Bool { session.needsResolution }
    var registration: DatabaseRegistration? { session.registration }
    var phase: LinkLifecycle.Phase { session.phase }

    var figures: CarrierFigures {
        var figures = counted
        figures.isLive = isLive
        figures.envelopes = envelopes.figures
        figures.envelopes.invalid &+= received.invalidCount
        return figures
    }

    // MARK: Time

    var deadline: Instant? {
        guard isLive else { return session.deadline }
        let deaf = heardOwnAt.advanced(byNanoseconds: Limits.busDeafNanoseconds)
        return waiting.isEmpty || session.isBusy ? deaf : min(deaf, mayNotifyAt)
    }

    /// When the next statement may leave.
    private var mayNotifyAt: Instant {
        guard saidAt.count >= Limits.busStatementsPerSecond, let oldest = saidAt.first else {
            return Instant(nanoseconds: 0)
        }
        return oldest.advanced(byNanoseconds: 1_000_000_000)
    }

    mutating func timer(_ now: Instant) -> CarrierStep {
        guard isLive else { return act(session.timer(now), now) }
        guard now.nanoseconds(since: heardOwnAt) >= Limits.busDeafNanoseconds else {
            return .nothing
        }
        counted.deafnesses &+= 1
        return act(session.giveUp(.silent, now), now)
    }

    mutating func change(secret: consuming HMACSHA256, _ now: Instant) {
        envelopes.change(by: secret, now)
    }

    func retryNanoseconds(_ now: Instant) -> UInt64 {
        session.deadline?.nanoseconds(since: now) ?? 0
    }

    mutating func resolved(_ hosts: [ResolvedHost], _ now: Instant) -> CarrierStep {
        act(session.resolved(hosts, now), now)
    }

    mutating func ready(_ now: Instant) -> CarrierStep { act(session.ready(now), now) }

    private mutating func act(_ event: DatabaseEvent, _ now: Instant) -> CarrierStep {
        switch event {
        case .none, .resources, .refused: return .nothing
        case .live:
            wasLive = true
            heardOwnAt = now
            canary = nil
            return .live
        case .lost(let loss):
            if wasLive { counted.losses &+= 1 }
            wasLive = false
            waiting = []
            waitingBytes = 0
            return .lost(CarrierLoss(reason: loss.description, advice: loss.advice))
        }
    }

    // MARK: Hearing

    /// Acts on the next notification that has come; `nil` when there is none.
    mutating func next(_ now: Instant) -> CarrierStep? {
        guard let notification = session.dequeueNotification() else { return nil }
        counted.bytesReceived &+= UInt64(notification.payload.count)
        guard let envelope = received.take(notification.payload) else { return .nothing }
        counted.framesReceived &+= 1
        switch envelopes.open(envelope.span, now) {
        case .frame(let range): return .frame(Array(envelope[range]))
        case .own(let number):
            heardOwnAt = now
            if let canary, canary.number == number {
                counted.roundTripNanoseconds = now.nanoseconds(since: canary.at)
            }
            return .nothing
        case .nothing: return .nothing
        }
    }

    mutating func takeGreetingDue() -> Bool {
        defer { envelopes.isGreetingDue = false }
        return envelopes.isGreetingDue
    }

    // MARK: Saying

    /// Takes a frame, which leaves with a `flush` when its turn has come, or drops it.
    mutating func publish(_ frame: borrowing Span<UInt8>, _ now: Instant) {
        let node = BusFrame.target(of: frame)
        if hasRelay, let node, BusIdentity(node: node, epoch: 0).isOfHost(of: own) { return }
        // Whoever has asked who this is believes no frame before the answer.
        sendOutgoing()
        guard isLive, let envelope = envelopes.wrap(frame) else {
            counted.framesDropped &+= 1
            return
        }
        guard publish(envelope), node == nil else { return }
        canary = (envelopes.number, now)
    }

    private mutating func sendOutgoing() {
        while let outgoing = envelopes.dequeueOutgoing() {
            if isLive { _ = publish(outgoing.bytes) }
        }
    }

    private mutating func publish(_ envelope: [UInt8]) -> Bool {
        guard waitingBytes + envelope.count <= Limits.busCarrierBytesMax else {
            counted.framesDropped &+= 1
            return false
        }
        waiting.append((NotifyPayloads.payloads(of: envelope), envelope.count))
        waitingBytes += envelope.count
        counted.framesSent &+= 1
        counted.bytesSent &+= UInt64(envelope.count)
        return true
    }

    /// Says what waits, as much as fits into one statement, if one may leave.
    mutating func flush(_ now: Instant) -> CarrierStep {
        sendOutgoing()
        guard isLive, !session.isBusy, !waiting.isEmpty, mayNotifyAt <= now else {
            return .nothing
        }
        var payloads: [String] = []
        var count = 0
        while count < waiting.count,
            payloads.count + waiting[count].payloads.count <= Self.payloadsPerStatement
        {
            payloads += waiting[count].payloads
            waitingBytes -= waiting[count].byteCount
            count += 1
        }
        waiting.removeFirst(count)
        saidAt = saidAt.suffix(Limits.busStatementsPerSecond - 1) + [now]
        return act(session.notify(payloads, now), now)
    }
}
