internal import Reactor

/// The bus between hosts as the loop has it: by Redis, or by PostgreSQL.
struct RemoteBus: ~Copyable {
    // One of the two is there.
    private(set) var redis: RedisCarrier?
    private(set) var notify: NotifyCarrier?
    private var resolver: HostResolver?
    /// Where others are met, without a password.
    private(set) var name: String
    // What epoll watches.
    var registrations = CarrierRegistrations()
    /// Whether messages that have come wait for the next turn.
    var hasUnread = false
    /// When it was lost; `nil` while it is there and before it first was.
    var lostSince: Instant?

    init(_ carrier: consuming RedisCarrier) throws(Errno) {
        resolver = try Self.resolver(of: carrier.target)
        name = carrier.target.name
        redis = consume carrier
    }

    /// - Parameter names: of the database's hosts.
    init(_ carrier: consuming NotifyCarrier, resolving names: [String]) throws(Errno) {
        if !names.isEmpty { resolver = try HostResolver(names: names) }
        name = "PostgreSQL"
        notify = consume carrier
    }

    /// `nil` where there is no name to look up, and never will be: Sentinels may answer with one.
    static func resolver(of target: RedisTarget) throws(Errno) -> HostResolver? {
        let names = target.namesToResolve
        guard !names.isEmpty || target.sentinels != nil else { return nil }
        return try HostResolver(names: names)
    }

    /// Meets others in another Redis from here on; only where there is one. The old connections are over.
    mutating func move(
        to target: RedisTarget, _ resolver: consuming HostResolver?,
        _ context: consuming TLSContext?, _ now: Instant
    ) {
        precondition(redis != nil)
        if isLive { lostSince = now }
        name = target.name
        self.resolver = resolver
        hasUnread = false
        redis?.move(to: target, context: context)
    }

    mutating func change(secret: consuming HMACSHA256, _ now: Instant) {
        if redis != nil {
            redis?.exchange.change(secret: secret, now)
        } else {
            notify?.exchange.change(secret: secret, now)
        }
    }

    /// Readable when a look-up has ended; `nil` when there is no name to look up.
    var resolverDescriptor: Int32? {
        switch resolver {
        case .some(let resolver): resolver.descriptor
        case .none: nil
        }
    }

    // The getters are mutating because a look through an optional that can't be copied would take it away.

    var isLive: Bool {
        mutating get {
            if let isLive = redis?.isLive { return isLive }
            return notify?.isLive == true
        }
    }

    /// When `timer` has something to do.
    var deadline: Instant? {
        mutating get {
            if redis != nil { return redis?.deadline }
            return notify?.deadline
        }
    }

    var figures: CarrierFigures {
        mutating get {
            if let figures = redis?.figures { return figures }
            return notify?.figures ?? CarrierFigures()
        }
    }

    mutating func retryNanoseconds(_ now: Instant) -> UInt64 {
        if let nanoseconds = redis?.retryNanoseconds(now) { return nanoseconds }
        return notify?.retryNanoseconds(now) ?? 0
    }

    mutating func timer(_ now: Instant) -> CarrierStep {
        guard redis == nil else {
            let step = redis?.timer(now)
            lookUp()
            return step ?? .nothing
        }
        let step = notify?.timer(now)
        if notify?.isResolving == true { resolver?.begin() }
        return step ?? .nothing
    }

    mutating func resolved(_ now: Instant) -> CarrierStep {
        guard let hosts = resolver?.takeResult() else { return .nothing }
        guard redis == nil else {
            let step = redis?.resolved(hosts, now)
            // What has come may have been of former names.
            lookUp()
            return step ?? .nothing
        }
        return notify?.resolved(hosts, now) ?? .nothing
    }

    /// The look-up that the connection to Redis waits for, unless it is under way.
    private mutating func lookUp() {
        if let names = redis?.namesToResolve { resolver?.begin(names) }
    }

    mutating func publisherReady(_ now: Instant) -> CarrierStep {
        redis?.publisherReady(now) ?? .nothing
    }

    mutating func subscriberReady(_ now: Instant) -> CarrierStep {
        if let step = redis?.subscriberReady(now) { return step }
        return notify?.ready(now) ?? .nothing
    }

    /// Acts on the next answer or message that has come; `nil` when there is none.
    mutating func next(_ now: Instant) -> CarrierStep? {
        guard redis == nil else {
            let step = redis?.next(now)
            lookUp()
            return step
        }
        return notify?.next(now)
    }

    /// The primary that Sentinel has named, and who was asked for it in vain; `nil` without Sentinel.
    mutating func found() -> (primary: String, inVain: String?)? { redis?.found }

    mutating func takeGreetingDue() -> Bool {
        if let isDue = redis?.exchange.takeGreetingDue() { return isDue }
        return notify?.exchange.takeGreetingDue() == true
    }

    mutating func publish(_ frame: borrowing Span<UInt8>, _ now: Instant) {
        redis?.publish(frame, now)
        notify?.publish(frame, now)
    }

    /// Sends what waits, as far as may be.
    mutating func flush(_ now: Instant) -> CarrierStep {
        if let step = redis?.flush(now) { return step }
        return notify?.flush(now) ?? .nothing
    }

    /// Of the session with PostgreSQL; `nil` with Redis.
    mutating func databasePhase() -> LinkLifecycle.Phase? { notify?.phase }

    /// What epoll has to watch.
    mutating func wantedRegistrations() -> CarrierRegistrations {
        if redis != nil {
            return CarrierRegistrations(
                publisher: redis?.publisherRegistration, subscriber: redis?.subscriberRegistration)
        }
        return CarrierRegistrations(publisher: nil, subscriber: notify?.registration)
    }
}

/// What epoll has to watch, or watches, for a carrier.
struct CarrierRegistrations {
    var publisher: DatabaseRegistration?
    var subscriber: DatabaseRegistration?
}

// What processes of other hosts say, and what they are told.
extension Server {
    mutating func busPublisherReady() {
        let step = remoteBus?.publisherReady(core.clock.now)
        carrierDid(step ?? .nothing)
        receiveCarried()
    }

    /// What was read and waits is acted on before more is read.
    mutating func busSubscriberReady() {
        guard remoteBus?.hasUnread == false else { return }
        // A session that hashes its password waits for the others' turns, as they do for its.
        if let phase = remoteBus?.databasePhase(), !sessions.logins.admits(phase, core.clock.now) {
            return
        }
        let step = remoteBus?.subscriberReady(core.clock.now)
        carrierDid(step ?? .nothing)
        receiveCarried()
    }

    mutating func busHostResolved() {
        let step = remoteBus?.resolved(core.clock.now)
        carrierDid(step ?? .nothing)
    }

    /// Acts on what has come, within the turn's budget.
    mutating func receiveCarried() {
        remoteBus?.hasUnread = false
        var scannedCount = 0
        for _ in 0..<Limits.busFramesPerTurn {
            guard scannedCount < Limits.membersScannedPerTurn else { break }
            guard let step = remoteBus?.next(core.clock.now) else { return }
            if case .frame(let frame) = step {
                scannedCount += core.receiveBusFrame(frame.span)
            } else {
                carrierDid(step)
            }
        }
        remoteBus?.hasUnread = true
    }

    mutating func runCarrierTimers() {
        guard let due = remoteBus?.deadline, due <= core.clock.now,
            !sessions.logins.hasPostponed(core.clock.now)
        else { return }
        let step = remoteBus?.timer(core.clock.now)
        carrierDid(step ?? .nothing)
    }

    /// Sends what waits for other hosts, as far as the socket takes it.
    mutating func flushCarrier() {
        guard remoteBus != nil else { return }
        let step = remoteBus?.flush(core.clock.now)
        carrierDid(step ?? .nothing)
        if remoteBus?.takeGreetingDue() == true { core.greetOnBus() }
        core.metrics.carrier = remoteBus?.figures
    }

    /// The others hear that this process ends, as far as the sockets take it now: also the other workers, to
    /// which the parent says so too, without knowing of a drain.
    mutating func sayGoodbye() {
        var goodbye = ByteBuffer()
        core.writeGoodbye(into: &goodbye)
        if let descriptor = busSocket?.descriptor {
            _ = ClientSocket.send(goodbye.bytes, to: descriptor)
        }
        guard remoteBus?.isLive == true else { return }
        remoteBus?.publish(goodbye.bytes, core.clock.now)
        _ = remoteBus?.flush(core.clock.now)
    }

    private mutating func carrierDid(_ step: CarrierStep) {
        let now = core.clock.now
        switch step {
        case .nothing, .frame: break
        case .live:
            core.busCarrierIs(live: true)
            let found = remoteBus?.found()
            core.log.busUp(
                at: remoteBus?.name ?? "", primary: found?.primary, inVain: found?.inVain,
                downNanoseconds: remoteBus?.lostSince.map { now.nanoseconds(since: $0) })
            remoteBus?.lostSince = nil
        case .lost(let loss):
            core.busCarrierIs(live: false, because: loss.reason)
            if remoteBus?.lostSince == nil { remoteBus?.lostSince = now }
            core.log.busLost(
                error: loss.reason, advice: loss.advice,
                retryNanoseconds: remoteBus?.retryNanoseconds(now) ?? 0, at: now)
        }
        watchCarrier()
    }

    mutating func watchCarrier() {
        guard let wanted = remoteBus?.wantedRegistrations(), let old = remoteBus?.registrations
        else {
            return
        }
        apply(wanted.publisher, instead: old.publisher, kind: .busPublisher)
        apply(wanted.subscriber, instead: old.subscriber, kind: .busSubscriber)
        remoteBus?.registrations = wanted
    }
}
