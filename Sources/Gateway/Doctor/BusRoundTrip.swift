internal import Reactor

/// Says something in Redis, on channels of its own, and waits to hear it, for the doctor. It blocks.
struct BusRoundTrip: ~Copyable {
    private var bus: RemoteBus
    private let poller: Poller
    private var now = Clock.monotonic()
    private let nanosecondsMax: UInt64
    private let deadline: Instant

    private static let subject = "bus"
    /// Besides what Sentinels may take.
    private static let nanosecondsMax: UInt64 = 5_000_000_000

    private enum Kind: UInt8 {
        case publisher
        case subscriber
        case resolver
    }

    /// `nil` where no Redis is configured.
    static func finding(_ configuration: Configuration) -> Finding? {
        guard let target = configuration.redisTarget else { return nil }
        // Within what an ACL allows, and heard by no gateway.
        var own = configuration
        own.busPrefix += ":doctor"
        let identity = BusIdentity(host: Random.word(), worker: 1, epoch: Random.word())
        do {
            guard let carrier = try Program.redisCarrier(own, identity, hasRelay: false) else {
                return nil
            }
            let bus = try RemoteBus(carrier)
            let poller = try Poller()
            if let descriptor = bus.resolverDescriptor {
                try poller.add(descriptor, handle: handle(.resolver), interest: .read)
            }
            let sentinelsCount = UInt64(target.sentinels?.hosts.count ?? 0)
            var trip = BusRoundTrip(
                bus, poller,
                nanosecondsMax: nanosecondsMax + sentinelsCount * Limits.busSentinelNanoseconds)
            return try trip.finding(of: identity, target)
        } catch {
            return .warning(subject, "\(error)", "serve needs it too")
        }
    }

    private init(
        _ bus: consuming RemoteBus, _ poller: consuming Poller, nanosecondsMax: UInt64
    ) {
        self.bus = bus
        self.poller = poller
        self.nanosecondsMax = nanosecondsMax
        deadline = now.advanced(byNanoseconds: nanosecondsMax)
    }

    private static func handle(_ kind: Kind) -> Handle {
        Handle(kind: kind.rawValue, index: 0, generation: 0)
    }

    /// Only a warning when it fails: a gateway serves without it, and counts for itself.
    private mutating func finding(
        of identity: BusIdentity, _ target: RedisTarget
    ) throws(Errno) -> Finding {
        var isSaid = false
        while now < deadline {
            if let loss = try turn() {
                return .warning(
                    Self.subject, "\(target.name): \(loss.reason)",
                    loss.advice ?? "look at the server's log")
            }
            if bus.isLive, !isSaid {
                isSaid = true
                var text = ByteBuffer()
                BusFrame(sender: identity, number: 0, .goodbye(GoodbyeFrame())).write(into: &text)
                bus.publish(text.bytes, now)
            }
            let nanoseconds = bus.figures.roundTripNanoseconds
            if nanoseconds > 0 {
                return heard(after: nanoseconds, target)
            }
        }
        return .warning(
            Self.subject,
            "\(target.name): nothing came back within \(nanosecondsMax / 1_000_000_000) s",
            "check the host and port in REDIS_URL, and the firewalls on the way")
    }

    private mutating func heard(after nanoseconds: UInt64, _ target: RedisTarget) -> Finding {
        let found = bus.found()
        let primary = found.map { " (primary \($0.primary))" } ?? ""
        let text =
            "\(target.name)\(primary): a frame came back after \(nanoseconds / 1_000) µs"
        guard let inVain = found?.inVain else { return .ok(Self.subject, text) }
        return .warning(
            Self.subject, "\(text), but of the Sentinels some were asked in vain: \(inVain)",
            "check them: each is there for when another is lost")
    }

    /// One turn of a loop of its own. Returns why the connection was lost, if it was.
    private mutating func turn() throws(Errno) -> CarrierLoss? {
        var loss: CarrierLoss?
        if let due = bus.deadline, due <= now { note(bus.timer(now), &loss) }
        note(bus.flush(now), &loss)
        let wanted = bus.wantedRegistrations()
        try watch(wanted.publisher, instead: bus.registrations.publisher, .publisher)
        try watch(wanted.subscriber, instead: bus.registrations.subscriber, .subscriber)
        bus.registrations = wanted
        let due = min(bus.deadline ?? deadline, deadline)
        let count = try poller.wait(nanoseconds: due.nanoseconds(since: now))
        now = Clock.monotonic()
        for position in 0..<count {
            switch Kind(rawValue: poller.handle(at: position).kind) {
            case .publisher: note(bus.publisherReady(now), &loss)
            case .subscriber: note(bus.subscriberReady(now), &loss)
            case .resolver:
                note(bus.resolved(now), &loss)
            case nil: preconditionFailure("epoll reported a handle that was never registered")
            }
        }
        while let step = bus.next(now) { note(step, &loss) }
        return loss
    }

    private func note(_ step: CarrierStep, _ loss: inout CarrierLoss?) {
        if case .lost(let reason) = step { loss = reason }
    }

    private func watch(
        _ wanted: DatabaseRegistration?, instead old: DatabaseRegistration?, _ kind: Kind
    ) throws(Errno) {
        guard let wanted, wanted != old else { return }
        let interest: Interest = wanted.wantsWrite ? [.read, .write] : .read
        do throws(Errno) {
            try poller.add(wanted.descriptor, handle: Self.handle(kind), interest: interest)
        } catch  where error == .alreadyExists {
            try poller.modify(wanted.descriptor, handle: Self.handle(kind), interest: interest)
        }
    }
}
