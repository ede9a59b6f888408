internal import Reactor

/// The core with the kernel around it: the one value that owns everything the program has open.
///
/// What happens in which order stands in `TurnPhases`.
struct Server: ~Copyable {
    var core: Core
    let poller: Poller
    let signals: SignalDescriptor
    var publicListener: Listener
    var adminListener: Listener
    var sessions: DatabaseSessions
    /// With other workers of the host.
    var sharing = SessionSharing()
    /// To other processes; `nil` on its own.
    var busSocket: BusSocket?
    /// To other hosts; `nil` without one.
    var remoteBus: RemoteBus?
    /// What is read again on SIGHUP.
    let tokenKeys: TokenKeys
    var busSecrets: BusSecrets

    /// How clients are sent to: in the clear, or, with a certificate, through TLS sessions. One of the
    /// two is there.
    var plain: SendBatch?
    var secure: SecureTransport?

    /// Where clients' bytes arrive.
    var area = ReceiveArea(
        receiveCapacity: Limits.receiveBytes, leftoverCapacity: HTTPLimits.headBytesMax)
    /// The parameters of the next query about memberships.
    var membershipParameters = QueryParameters()

    /// Events that epoll has reported in this turn.
    var eventCount = 0
    /// The program's processor time when the last turn ended.
    var processorNanoseconds = Clock.processorNanoseconds()
    /// When old events were to be deleted first: not by all gateways in the same moment.
    var jitter: Jitter
    /// Whether something was put off that must not wait for an event.
    var hasMoreNotifications = false
    var hasMoreTimers = false
    /// When something is due that isn't an event, as it was known before the turn; `nil`: nothing.
    var timersDue: Instant?
    /// When the drain goes on; `nil` while there is none.
    var drainDeadline: Instant?
    /// Whether a parent process looks after this one; see `Supervisor`.
    var isWorker = false
    /// Whether a second signal asked to end at once.
    var endsAtOnce = false

    /// Opens the rest. The listeners are bound, and nobody is accepted before the first turn.
    static func open(
        core: consuming Core, batch: consuming SendBatch, secure: consuming SecureClients?,
        publicListener: consuming Listener, adminListener: consuming Listener,
        busSocket: consuming BusSocket?, remoteBus: consuming RemoteBus?,
        target: ConnectionString, tokenKeys: TokenKeys, busSecrets: BusSecrets,
        retentionSeconds: UInt64
    ) throws(ServerFailure) -> Server {
        let sessions = try DatabaseSessions.open(
            target, seed: core.settings.jitterSeed, nonce: Random.word(),
            retentionSeconds: retentionSeconds)
        do throws(Errno) {
            var server = Server(
                core: core, batch: batch, secure: secure, poller: try Poller(),
                signals: try SignalDescriptor(), publicListener: publicListener,
                adminListener: adminListener, busSocket: busSocket, sessions: sessions,
                tokenKeys: tokenKeys, busSecrets: busSecrets)
            server.use(remoteBus)
            try server.watchOwnDescriptors()
            return server
        } catch {
            throw ServerFailure(what: "cannot set up epoll and signals", why: error.description)
        }
    }

    private init(
        core: consuming Core, batch: consuming SendBatch, secure: consuming SecureClients?,
        poller: consuming Poller, signals: consuming SignalDescriptor,
        publicListener: consuming Listener, adminListener: consuming Listener,
        busSocket: consuming BusSocket?, sessions: consuming DatabaseSessions,
        tokenKeys: TokenKeys, busSecrets: BusSecrets
    ) {
        jitter = Jitter(seed: core.settings.jitterSeed)
        precondition(Limits.deliveriesPerTurn <= SendBatch.capacity)
        self.core = core
        self.core.metrics.sendMethod = batch.method
        if let secure = consume secure {
            self.secure = SecureTransport(batch, secure)
        } else {
            plain = consume batch
        }
        self.poller = poller
        self.signals = signals
        self.publicListener = publicListener
        self.adminListener = adminListener
        self.busSocket = busSocket
        self.sessions = sessions
        self.tokenKeys = tokenKeys
        self.busSecrets = busSecrets
    }

    private mutating func use(_ bus: consuming RemoteBus?) {
        guard bus != nil else { return }
        remoteBus = consume bus
        core.busCarrierIs(live: false)
        core.metrics.carrier = CarrierFigures()
    }

    private func watchOwnDescriptors() throws(Errno) {
        try watch(signals.descriptor, as: .signals)
        try watch(publicListener.socket.descriptor, as: .publicListener)
        try watch(adminListener.socket.descriptor, as: .adminListener)
        if let descriptor = sessions.resolverDescriptor {
            try watch(descriptor, as: .resolver)
        }
        switch busSocket {
        case .some(let socket): try watch(socket.descriptor, as: .bus)
        case .none: break
        }
        switch remoteBus {
        case .some(let bus):
            if let descriptor = bus.resolverDescriptor { try watch(descriptor, as: .busResolver) }
        case .none: break
        }
    }

    func watch(_ descriptor: Int32, as kind: HandleKind) throws(Errno) {
        let handle = Handle(kind: kind.rawValue, index: 0, generation: 0)
        try poller.add(descriptor, handle: handle, interest: .read)
    }

    /// Turns until the program shall end. Returns whether that was by request.
    mutating func run() -> Bool {
        if let address = publicListener.socket.address {
            core.log.listening(listener: "public", address: address.description)
        }
        if let address = adminListener.socket.address {
            core.log.listening(listener: "admin", address: address.description)
        }
        startDatabase()
        if !isWorker { ServiceManager.notify(.ready) }
        do throws(Errno) {
            while try turn() {}
        } catch {
            // epoll_wait(2) fails only for arguments that are wrong.
            core.log.failed("epoll_wait", error: error.description)
            return false
        }
        sayGoodbye()
        core.log.stopped(exitCode: 0, connectionsLeft: Int(core.metrics.connections))
        return true
    }
}

/// A listening socket and whether it is being accepted from.
struct Listener: ~Copyable {
    let socket: ListeningSocket
    let role: ListenerRole
    /// Until when nobody is accepted, because descriptors ran out; `nil` while all is well.
    var pausedUntil: Instant?

    init(_ socket: consuming ListeningSocket, role: ListenerRole) {
        self.socket = socket
        self.role = role
    }

    static func open(
        _ address: SocketAddress, role: ListenerRole, _ sharing: ListeningSocket.Sharing = .alone
    ) throws(ServerFailure) -> Listener {
        do throws(Errno) {
            return Listener(try ListeningSocket(address, sharing), role: role)
        } catch {
            throw ServerFailure(what: "cannot listen on \(address)", why: error.description)
        }
    }
}

/// Why the server can't start: for a person, in one line.
package struct ServerFailure: Error, Sendable {
    package let what: String
    package let why: String
}

extension ServerFailure: CustomStringConvertible {
    package var description: String { "\(what): \(why)" }
}
