internal import Reactor

/// The bus between hosts as the loop has it.
struct RemoteBus: ~Copyable {
    var carrier: RedisCarrier
    var resolver: HostResolver?
    // What epoll watches.
    var publisherRegistration: DatabaseRegistration?
    var subscriberRegistration: DatabaseRegistration?
    /// Whether messages that have come wait for the next turn.
    var hasUnread = false
    /// When it was lost; `nil` while it is there and before it first was.
    var lostSince: Instant?

    init(_ carrier: consuming RedisCarrier) throws(Errno) {
        if let name = carrier.target.hostToResolve { resolver = try HostResolver(names: [name]) }
        self.carrier = carrier
    }

    /// Readable when a look-up has ended; `nil` when there is no name to look up.
    var resolverDescriptor: Int32? {
        switch resolver {
        case .some(let resolver): resolver.descriptor
        case .none: nil
        }
    }
}

// What processes of other hosts say, and what they are told.
extension Server {
    mutating func busPublisherReady() {
        let step = remoteBus?.carrier.publisherReady(core.clock.now)
        carrierDid(step ?? .nothing)
        receiveCarried()
    }

    /// What was read and waits is acted on before more is read.
    mutating func busSubscriberReady() {
        guard remoteBus?.hasUnread == false else { return }
        let step = remoteBus?.carrier.subscriberReady(core.clock.now)
        carrierDid(step ?? .nothing)
        receiveCarried()
    }

    mutating func busHostResolved() {
        guard let hosts = remoteBus?.resolver?.takeResult() else { return }
        let step = remoteBus?.carrier.resolved(hosts, core.clock.now)
        carrierDid(step ?? .nothing)
    }

    /// Acts on what has come, within the turn's budget.
    mutating func receiveCarried() {
        remoteBus?.hasUnread = false
        var scannedCount = 0
        for _ in 0..<Limits.busFramesPerTurn {
            guard scannedCount < Limits.membersScannedPerTurn else { break }
            guard let step = remoteBus?.carrier.next(core.clock.now) else { return }
            if case .frame(let frame) = step {
                scannedCount += core.receiveBusFrame(frame.span)
            } else {
                carrierDid(step)
            }
        }
        remoteBus?.hasUnread = true
    }

    mutating func runCarrierTimers() {
        guard let due = remoteBus?.carrier.deadline, due <= core.clock.now else { return }
        let step = remoteBus?.carrier.timer(core.clock.now)
        carrierDid(step ?? .nothing)
        if remoteBus?.carrier.isResolving == true { remoteBus?.resolver?.begin() }
    }

    /// Sends what waits for other hosts, as far as the socket takes it.
    mutating func flushCarrier() {
        guard remoteBus != nil else { return }
        let step = remoteBus?.carrier.flush(core.clock.now)
        carrierDid(step ?? .nothing)
        if remoteBus?.carrier.takeGreetingDue() == true { core.greetOnBus() }
        core.metrics.carrier = remoteBus?.carrier.figures
    }

    /// The others hear that this process ends, as far as the socket takes it now.
    mutating func sayGoodbye() {
        guard remoteBus?.carrier.isLive == true else { return }
        var goodbye = ByteBuffer()
        core.writeGoodbye(into: &goodbye)
        remoteBus?.carrier.publish(goodbye.bytes, core.clock.now)
        _ = remoteBus?.carrier.flush(core.clock.now)
    }

    private mutating func carrierDid(_ step: RedisCarrier.Step) {
        let now = core.clock.now
        switch step {
        case .nothing, .frame: break
        case .live:
            core.busCarrierIs(live: true)
            core.log.busUp(
                at: remoteBus?.carrier.target.name ?? "",
                downNanoseconds: remoteBus?.lostSince.map { now.nanoseconds(since: $0) })
            remoteBus?.lostSince = nil
        case .lost(let loss):
            core.busCarrierIs(live: false)
            if remoteBus?.lostSince == nil { remoteBus?.lostSince = now }
            core.log.busLost(
                error: loss.description, advice: loss.advice,
                retryNanoseconds: remoteBus?.carrier.retryNanoseconds(now) ?? 0, at: now)
        }
        watchCarrier()
    }

    private mutating func watchCarrier() {
        let publisher = remoteBus?.carrier.publisherRegistration
        let subscriber = remoteBus?.carrier.subscriberRegistration
        apply(publisher, instead: remoteBus?.publisherRegistration, kind: .busPublisher)
        apply(subscriber, instead: remoteBus?.subscriberRegistration, kind: .busSubscriber)
        remoteBus?.publisherRegistration = publisher
        remoteBus?.subscriberRegistration = subscriber
    }
}
