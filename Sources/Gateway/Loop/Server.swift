internal import Reactor

/// The core with the kernel around it: the one value that owns everything the program has open.
///
/// What happens in which order stands in `Turn.swift`.
struct Server: ~Copyable {
    var core: Core
    let poller: Poller
    let signals: SignalDescriptor
    var publicDoor: Door
    var adminDoor: Door
    var database: Database
    /// What is read again on SIGHUP.
    let tokenKeys: TokenKeys

    /// Those clients that speak TLS; `nil` when nobody does.
    var secure: SecureClients?

    /// Where clients' bytes arrive.
    var area = ReceiveArea(
        receiveCapacity: Limits.receiveBytes, leftoverCapacity: HTTPLimits.headBytesMax)
    /// Frames on their way to the kernel.
    var sender: SocketSender
    /// The parameters of the next query about memberships.
    var membershipParameters = QueryParameters()
    /// The same, put together for a TLS record.
    var record = ByteBuffer()

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
        core: consuming Core, batch: consuming SendBatch, publicDoor: consuming Door,
        adminDoor: consuming Door, target: ConnectionString, tokenKeys: TokenKeys,
        retentionSeconds: UInt64
    ) throws(ServerFailure) -> Server {
        let database = try Database.open(
            target, seed: core.settings.jitterSeed, nonce: core.settings.processNonce,
            retentionSeconds: retentionSeconds)
        do throws(Errno) {
            let server = Server(
                core: core, batch: batch, poller: try Poller(), signals: try SignalDescriptor(),
                publicDoor: publicDoor, adminDoor: adminDoor, database: database,
                tokenKeys: tokenKeys)
            try server.watchOwnDescriptors()
            return server
        } catch {
            throw ServerFailure(what: "cannot set up epoll and signals", why: error.description)
        }
    }

    private init(
        core: consuming Core, batch: consuming SendBatch, poller: consuming Poller,
        signals: consuming SignalDescriptor,
        publicDoor: consuming Door, adminDoor: consuming Door, database: consuming Database,
        tokenKeys: TokenKeys
    ) {
        self.core = core
        self.core.sendMethod = batch.method
        sender = SocketSender(batch)
        self.poller = poller
        self.signals = signals
        self.publicDoor = publicDoor
        self.adminDoor = adminDoor
        self.database = database
        self.tokenKeys = tokenKeys
    }

    private func watchOwnDescriptors() throws(Errno) {
        try watch(signals.descriptor, as: .signals)
        try watch(publicDoor.socket.descriptor, as: .publicListener)
        try watch(adminDoor.socket.descriptor, as: .adminListener)
        if let descriptor = database.resolverDescriptor {
            try watch(descriptor, as: .resolver)
        }
    }

    private func watch(_ descriptor: Int32, as kind: HandleKind) throws(Errno) {
        let handle = Handle(kind: kind.rawValue, index: 0, generation: 0)
        try poller.add(descriptor, handle: handle, interest: .read)
    }

    /// Turns until the program shall end. Returns whether that was by request.
    mutating func run() -> Bool {
        if let address = publicDoor.socket.address {
            core.log.listening(listener: "public", address: address.description)
        }
        if let address = adminDoor.socket.address {
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
        core.log.stopped(exitCode: 0, connectionsLeft: Int(core.metrics.connections))
        return true
    }
}

/// A listening socket and whether it is being accepted from.
struct Door: ~Copyable {
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
    ) throws(ServerFailure) -> Door {
        do throws(Errno) {
            return Door(try ListeningSocket(address, sharing), role: role)
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
