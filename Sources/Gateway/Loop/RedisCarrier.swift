internal import Reactor

/// The bus between hosts: two connections to Redis, one that publishes and one that hears. They are
/// made, and lost, together.
///
/// It never blocks, and keeps nothing that waits for long: a frame that finds no room is dropped, and
/// others ask for what they miss. What proves that it works is that this process hears itself.
struct RedisCarrier: ~Copyable {
    /// What the next answer to the publishing connection is to.
    enum Command {
        case authenticate
        /// Where the primary is.
        case sentinel
        case role
        case publish
    }

    private(set) var target: RedisTarget
    private let prefix: String
    private let own: BusIdentity
    private var context: TLSContext?
    /// What is said and heard, whichever way.
    var exchange: EnvelopeExchange
    var lifecycle = LinkLifecycle(connectingNanoseconds: Limits.busConnectingNanoseconds)
    private var jitter: Jitter
    private var attempts = 0
    /// What the look-up of this attempt found, and addresses of it that are left to be tried.
    private var hosts: [ResolvedHost] = []
    private var addressesLeft = 0

    /// Whom Sentinels are asked for; `nil` where the URL says where Redis is.
    var search: SentinelSearch?
    /// Sentinels that were asked in vain.
    var sentinelFaults: UInt64 = 0
    /// Where both connections lead.
    private var address: RedisAddress?
    var publisher: RedisConnection?
    private var subscriber: RedisConnection?
    /// What epoll has to watch.
    private(set) var publisherRegistration: DatabaseRegistration?
    private(set) var subscriberRegistration: DatabaseRegistration?
    private var epoch: UInt64 = 0

    private var unanswered: [Command] = []
    /// Whether the server has said that it is one.
    private var isPrimary = false
    /// Answers to AUTH and SUBSCRIBE that the hearing connection waits for.
    private var greetingsLeft = 0
    private var roleDue = Instant(nanoseconds: 0)

    /// - Parameter context: for TLS; `nil` where the target is without.
    init(
        _ target: RedisTarget, prefix: String, own: BusIdentity,
        exchange: consuming EnvelopeExchange, context: consuming TLSContext?, seed: UInt64
    ) {
        self.target = target
        search = target.sentinels.map { SentinelSearch($0) }
        self.prefix = prefix
        self.own = own
        self.exchange = exchange
        self.context = context
        jitter = Jitter(seed: seed)
    }

    var isLive: Bool {
        if case .live = lifecycle.phase { return true }
        return false
    }

    var isResolving: Bool {
        if case .resolving = lifecycle.phase { return true }
        return false
    }

    var figures: CarrierFigures {
        var figures = exchange.figures(isLive: isLive)
        figures.sentinelFaults = sentinelFaults
        return figures
    }

    // MARK: Time

    /// When `timer` has something to do.
    var deadline: Instant? {
        guard isLive else { return lifecycle.deadline }
        return min(roleDue, exchange.deafAt)
    }

    mutating func timer(_ now: Instant) -> CarrierStep {
        if isLive { return check(now) }
        switch lifecycle.due(now) {
        case .nothing: return .nothing
        case .timeout:
            return lose(isResolving ? .unresolved("no answer in time") : .timeout, now)
        case .attempt:
            let resolves = !target.namesToResolve.isEmpty
            lifecycle.beginAttempt(resolving: resolves, now)
            return resolves ? .nothing : connect([], now)
        }
    }

    private mutating func check(_ now: Instant) -> CarrierStep {
        if exchange.isDeaf(now) { return lose(.deaf, now) }
        guard roleDue <= now else { return .nothing }
        roleDue = now.advanced(byNanoseconds: Limits.busRoleNanoseconds)
        return attempt(now) { (carrier: inout RedisCarrier) throws(RedisFault) in
            try carrier.ask(.role, [Array("ROLE".utf8)])
            try carrier.publisher?.flush()
        }
    }

    /// How long until the next attempt.
    func retryNanoseconds(_ now: Instant) -> UInt64 {
        lifecycle.deadline?.nanoseconds(since: now) ?? 0
    }

    // MARK: Connecting

    /// Takes the outcome of a look-up; ignores one that it doesn't wait for.
    mutating func resolved(_ hosts: [ResolvedHost], _ now: Instant) -> CarrierStep {
        guard hosts.map(\.name) == namesToResolve, lifecycle.resolved(now) else {
            return .nothing
        }
        return connect(hosts, now)
    }

    /// To Redis, or to who has to be asked for it first.
    mutating func connect(_ hosts: [ResolvedHost], _ now: Instant) -> CarrierStep {
        if search != nil, search?.primary == nil { return beginSearch(hosts, now) }
        self.hosts = hosts
        let host = search?.primary ?? target.host
        addressesLeft = host?.addressCount(resolved: hosts) ?? 1
        guard addressesLeft > 0 else {
            return lose(.unresolved(hosts.first?.failure ?? "no address"), now)
        }
        return connectToNext(now)
    }

    /// To the next address of the host.
    private mutating func connectToNext(_ now: Instant) -> CarrierStep {
        guard let address = address(hosts) else { return lose(.unresolved("no address"), now) }
        attempts &+= 1  // It only picks an address; wrapping would be harmless.
        addressesLeft -= 1
        self.address = address
        return attempt(now) { (carrier: inout RedisCarrier) throws(RedisFault) in
            carrier.publisher = try carrier.open(address)
            try carrier.introduce()
        }
    }

    private func address(_ hosts: [ResolvedHost]) -> RedisAddress? {
        search?.primary?.address(resolved: hosts, attempt: attempts)
            ?? target.address(resolved: hosts, attempt: attempts)
    }

    func open(_ address: RedisAddress) throws(RedisFault) -> RedisConnection {
        switch context {
        case .some(let context):
            guard let host = search?.host ?? target.host else {
                preconditionFailure("no URL of a Unix socket asks for TLS")
            }
            return try RedisConnection(
                to: address, session: try TLSClientSession(context, to: host.name))
        case .none:
            return try RedisConnection(to: address, session: nil)
        }
    }

    /// Says who asks, and asks whether it is a primary.
    private mutating func introduce() throws(RedisFault) {
        beginQuestions()
        if let words = authentication { try ask(.authenticate, words) }
        try ask(.role, [Array("ROLE".utf8)])
        try publisher?.flush()
    }

    /// Nothing was asked over the publisher's connection yet.
    mutating func beginQuestions() {
        unanswered = []
        isPrimary = false
        epoch &+= 1  // 2^64 attempts don't happen.
    }

    /// The second connection, when the first has found a primary: so no turn has two handshakes of TLS.
    private mutating func subscribe() throws(RedisFault) {
        guard let address else { preconditionFailure("nowhere to subscribe") }
        subscriber = try open(address)
        greetingsLeft = 2
        if let words = authentication {
            greetingsLeft += 1
            try subscriber?.send(words)
        }
        let channels = [channel(of: nil), channel(of: own.node)]
        try subscriber?.send([Array("SUBSCRIBE".utf8)] + channels)
        try subscriber?.flush()
    }

    /// AUTH; `nil` where no password is known.
    var authentication: [[UInt8]]? {
        guard !target.password.isEmpty else { return nil }
        let user = target.user.isEmpty ? [] : [Array(target.user.utf8)]
        return [Array("AUTH".utf8)] + user + [Array(target.password.utf8)]
    }

    mutating func ask(_ command: Command, _ words: [[UInt8]]) throws(RedisFault) {
        try publisher?.send(words)
        unanswered.append(command)
    }

    private func channel(of node: UInt64?) -> [UInt8] {
        guard let node else { return Array("\(prefix):bus".utf8) }
        return Array("\(prefix):node:\(BusIdentity.name(of: node))".utf8)
    }

    // MARK: What SIGHUP brings

    /// Others are met elsewhere from here on, beginning at once. Who is believed and what was counted stays.
    mutating func move(to target: RedisTarget, context: consuming TLSContext?) {
        self.target = target
        search = target.sentinels.map { SentinelSearch($0) }
        self.context = context
        lifecycle = LinkLifecycle(connectingNanoseconds: Limits.busConnectingNanoseconds)
        attempts = 0
        close()
    }

    // MARK: Hearing

    mutating func publisherReady(_ now: Instant) -> CarrierStep {
        attempt(now) { (carrier: inout RedisCarrier) throws(RedisFault) in
            try carrier.publisher?.ready()
        }
    }

    mutating func subscriberReady(_ now: Instant) -> CarrierStep {
        attempt(now) { (carrier: inout RedisCarrier) throws(RedisFault) in
            try carrier.subscriber?.ready()
        }
    }

    /// Acts on the next answer or message that has come; `nil` when there is none.
    mutating func next(_ now: Instant) -> CarrierStep? {
        do throws(RedisFault) {
            if let reply = try publisher?.next() { return answered(reply, now) }
            if let reply = try subscriber?.next() { return heard(reply, now) }
            return nil
        } catch {
            return lose(.broken(error), now)
        }
    }

    private mutating func answered(_ reply: RedisReply, _ now: Instant) -> CarrierStep {
        guard !unanswered.isEmpty else {
            return lose(reply.kind == .error ? .refused(reply.message) : .broken(.malformed), now)
        }
        switch unanswered.removeFirst() {
        case .authenticate, .publish:
            if reply.kind == .error { return lose(.refused(reply.message), now) }
            return .nothing
        case .sentinel: return answeredBySentinel(reply, now)
        case .role:
            // Who may not ask isn't kept from the rest.
            let mayNotAsk =
                reply.message.hasPrefix("NOPERM") || reply.message.hasPrefix("ERR unknown")
            if reply.kind == .error, !mayNotAsk { return lose(.refused(reply.message), now) }
            if reply.kind == .array, reply.texts.first == Array("slave".utf8) {
                return lose(.replica, now)
            }
            if reply.kind == .array, reply.texts.first == Array("sentinel".utf8) {
                return lose(.isSentinel, now)
            }
            guard !isPrimary else { return .nothing }
            isPrimary = true
            return attempt(now) { (carrier: inout RedisCarrier) throws(RedisFault) in
                try carrier.subscribe()
            }
        }
    }

    private mutating func heard(_ reply: RedisReply, _ now: Instant) -> CarrierStep {
        guard reply.kind != .error else { return lose(.refused(reply.message), now) }
        guard reply.kind == .array, reply.texts.count == 3,
            reply.texts[0] == Array("message".utf8)
        else {
            // AUTH was answered, or a channel is heard.
            if greetingsLeft > 0 { greetingsLeft -= 1 }
            return beLive(now)
        }
        exchange.noteReceived(byteCount: reply.texts[2].count)
        return exchange.open(reply.texts[2], now).map { .frame($0) } ?? .nothing
    }

    private mutating func beLive(_ now: Instant) -> CarrierStep {
        guard case .connecting = lifecycle.phase, greetingsLeft == 0 else { return .nothing }
        lifecycle.connected(now)
        lifecycle.prepared(now)
        roleDue = now.advanced(byNanoseconds: Limits.busRoleNanoseconds)
        exchange.begin(now)
        return .live
    }

    // MARK: Saying

    /// Takes a frame, which leaves with `flush`, or drops it.
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
        let waiting = publisher?.waitingCount ?? 0
        guard unanswered.count < Limits.busCarrierCommandsMax,
            waiting + envelope.bytes.count <= Limits.busCarrierBytesMax
        else { return exchange.noteDropped() }
        do throws(RedisFault) {
            let channel = channel(of: envelope.target)
            try ask(.publish, [Array("PUBLISH".utf8), channel, envelope.bytes])
        } catch {
            return exchange.noteDropped()
        }
        exchange.noteSent(envelope, now)
    }

    /// Sends what waits, as far as the sockets take it.
    mutating func flush(_ now: Instant) -> CarrierStep {
        sendAnswers(now)
        guard publisher != nil else { return .nothing }
        return attempt(now) { (carrier: inout RedisCarrier) throws(RedisFault) in
            try carrier.publisher?.flush()
        }
    }

    // MARK: Losing

    /// Does something with the connections, and says what epoll has to watch after it.
    mutating func attempt(
        _ now: Instant, _ body: (inout RedisCarrier) throws(RedisFault) -> Void
    ) -> CarrierStep {
        do throws(RedisFault) {
            try body(&self)
        } catch {
            return lose(.broken(error), now)
        }
        publisherRegistration = Self.registration(of: publisher, epoch)
        subscriberRegistration = Self.registration(of: subscriber, epoch)
        return .nothing
    }

    private static func registration(
        of connection: borrowing RedisConnection?, _ epoch: UInt64
    ) -> DatabaseRegistration? {
        switch connection {
        case .some(let connection):
            DatabaseRegistration(
                descriptor: connection.descriptor, wantsRead: true,
                wantsWrite: connection.wantsWrite, epoch: epoch)
        case .none: nil
        }
    }

    /// A host has several addresses, and it may listen at one of them alone, as Redis does behind `localhost`: an
    /// attempt has failed when nobody listens at any.
    private mutating func lose(_ reason: RedisLoss, _ now: Instant) -> CarrierStep {
        let isUnreached = isUnreached(reason)
        if search?.isAsking == true {
            return isUnreached && search?.turnAddress() == true
                ? askAgain(now) : passOver(reason.ofSentinel, now)
        }
        if isUnreached, addressesLeft > 0 {
            close()
            return connectToNext(now)
        }
        guard let primary = search?.primary else { return giveUp(reason, now) }
        return giveUp(.primary(primary.description, reason), now)
    }

    /// Whether there is no connection because the address can't be reached, as its host has said at once.
    private func isUnreached(_ reason: RedisLoss) -> Bool {
        guard case .broken(.failed) = reason, case .connecting = lifecycle.phase else {
            return false
        }
        return switch publisher {
        case .some(let publisher): publisher.isConnecting
        case .none: true
        }
    }

    /// The attempt, or the connection, is over.
    mutating func giveUp(_ reason: RedisLoss, _ now: Instant) -> CarrierStep {
        if isLive { exchange.noteLoss() }
        lifecycle.lose(now, randomness: jitter.next())
        close()
        search?.rest()
        return .lost(CarrierLoss(reason: reason.description, advice: reason.advice))
    }

    mutating func close() {
        publisher = nil
        subscriber = nil
        publisherRegistration = nil
        subscriberRegistration = nil
    }
}
