internal import Reactor

/// The bus between hosts without Redis: a session with PostgreSQL that says and hears notifications on a
/// channel of the bus' own, a few times a second at most.
///
/// Every role that may connect can do so too, so it is for those who share a secret.
struct NotifyCarrier: ~Copyable {
    private var session: NotifySession
    /// What is said and heard, whichever way.
    var exchange: EnvelopeExchange
    private var received = NotifyPayloads()
    /// Payloads that wait, each envelope's in their order.
    private var waiting: [(payloads: [String], byteCount: Int)] = []
    private var waitingBytes = 0
    /// When the last statements left, the oldest first.
    private var saidAt: [Instant] = []
    /// Whether it was there until now.
    private var wasLive = false

    /// Payloads in one statement: 64 KB of text, and more than any envelope has.
    private static let payloadsPerStatement = 8

    init(_ session: consuming NotifySession, exchange: consuming EnvelopeExchange) {
        self.session = session
        self.exchange = exchange
    }

    var isLive: Bool { session.isLive }
    var isResolving: Bool { session.needsResolution }
    var registration: DatabaseRegistration? { session.registration }
    var phase: LinkLifecycle.Phase { session.phase }

    var figures: CarrierFigures {
        var figures = exchange.figures(isLive: isLive)
        figures.envelopes.invalid &+= received.invalidCount
        return figures
    }

    // MARK: Time

    var deadline: Instant? {
        guard isLive else { return session.deadline }
        let deafAt = exchange.deafAt
        return waiting.isEmpty || session.isBusy ? deafAt : min(deafAt, mayNotifyAt)
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
        return exchange.isDeaf(now) ? act(session.giveUp(.silent, now), now) : .nothing
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
            exchange.begin(now)
            return .live
        case .lost(let loss):
            if wasLive { exchange.noteLoss() }
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
        exchange.noteReceived(byteCount: notification.payload.count)
        guard let envelope = received.take(notification.payload) else { return .nothing }
        return exchange.open(envelope, now).map { .frame($0) } ?? .nothing
    }

    // MARK: Saying

    /// Takes a frame, which leaves with a `flush` when its turn has come, or drops it.
    mutating func publish(_ frame: borrowing Span<UInt8>, _ now: Instant) {
        guard exchange.concernsOthers(frame) else { return }
        sendAnswers(now)
        guard isLive, let envelope = exchange.wrap(frame) else { return exchange.noteDropped() }
        publish(envelope, now)
    }

    private mutating func sendAnswers(_ now: Instant) {
        while let answer = exchange.dequeueAnswer() {
            if isLive { publish(answer, now) }
        }
    }

    private mutating func publish(_ envelope: Envelopes.Outgoing, _ now: Instant) {
        let byteCount = envelope.bytes.count
        guard waitingBytes + byteCount <= Limits.busCarrierBytesMax else {
            return exchange.noteDropped()
        }
        waiting.append((NotifyPayloads.payloads(of: envelope.bytes), byteCount))
        waitingBytes += byteCount
        exchange.noteSent(envelope, now)
    }

    /// Says what waits, as much as fits into one statement, if one may leave.
    mutating func flush(_ now: Instant) -> CarrierStep {
        sendAnswers(now)
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
