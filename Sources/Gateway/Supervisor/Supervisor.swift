internal import Reactor

/// The parent of the workers: a loop of its own, which serves no client.
///
/// It starts a process for each worker and another one when that ends; passes signals on; and
/// answers operators for all of them, by asking each and adding up. Workers share the address for
/// clients through SO_REUSEPORT, so none of their bytes comes by here.
struct Supervisor: ~Copyable {
    let configuration: Configuration
    let poller: Poller
    let signals: SignalDescriptor
    /// For operators.
    let listener: ListeningSocket
    /// Holds the address for clients.
    let reservation: AddressReservation
    let environment: [String: [UInt8]]
    let log: EventLog
    var jitter = Jitter(seed: Random.word())
    var area = ReceiveArea(receiveCapacity: Limits.receiveBytes, leftoverCapacity: 0)
    var text = ByteBuffer(capacity: 65_536)
    var response = ByteBuffer(capacity: 65_536)
    var now = Clock.monotonic()

    var workers: [Worker] = []
    /// Names this host on the bus.
    let host = Random.word()
    var relay = RelayFigures()
    /// The worker that has the sessions with the database for all; `nil` while there is none, and where each has
    /// its own.
    var leader: Int?
    /// Counts the namings.
    var leaderGeneration: UInt32 = 0
    /// Of these, those in the place of one that ended or fell silent.
    var takeovers: UInt64 = 0
    var asks = HandleTable<Ask>(kind: Kind.ask.rawValue, capacity: asksMax)
    var connections: HandleTable<AdminConnection>

    /// Until when nobody is accepted; `nil` while all is well.
    var listenerPausedUntil: Instant?

    /// Processes started in place of one that ended.
    var restarts: UInt64 = 0
    /// What workers that have ended had counted.
    var retired = MetricsSnapshot()
    var isReadyAnnounced = false
    /// The first signal to finish has come.
    var finish: Finish?

    /// Connections of operators. When all are taken, the one that has been idle for longest gives way.
    static let connectionsMax = 64
    /// Operators that are let in however few descriptors there are.
    private static let connectionsMin = 4
    /// Descriptors that aren't operators' or for their questions: the standard ones, listener, epoll,
    /// signals, the log, the reserved address, and what the start of a worker takes.
    private static let ownDescriptors = 24
    /// Questions that wait for an answer: each operator's one question to each worker, and the first
    /// question to each that was started.
    static let asksMax = (connectionsMax + 1) * 256

    /// What lives behind a handle that epoll reports.
    enum Kind: UInt8 {
        case signals
        case listener
        case worker
        case ask
        case connection
        case bus
        case control
    }

    /// A worker's place, in which one process follows the other.
    struct Worker {
        var lifecycle: WorkerLifecycle
        var process: ChildProcess?
        /// Where the process takes questions.
        var address: LocalAddress?
        /// The last figures that it gave.
        var metrics: MetricsSnapshot?
        /// Our end of its socket for the bus, and who it is there.
        var bus: BusEnd?
        /// Our end of the socket by which it hears who leads.
        var control: Int32?
    }

    /// The end of everything, which has a time limit.
    struct Finish {
        let deadline: Instant
        /// Nobody is waited for any longer.
        var isForced = false
        /// A worker took longer than it was given.
        var isLate = false
    }

    /// Sets everything up. Nobody is started or accepted before the first turn.
    static func open(
        _ configuration: Configuration, reservation: consuming AddressReservation,
        listener: consuming ListeningSocket, log: consuming EventLog
    ) throws(Errno) -> Supervisor {
        let limit = Int(clamping: try DescriptorLimit.current().soft)
        let places = operatorPlaces(descriptorLimit: limit, workers: configuration.workers)
        let supervisor = Supervisor(
            configuration, reservation: reservation, listener: listener, log: log,
            poller: try Poller(), signals: try SignalDescriptor(), operatorPlaces: places)
        try supervisor.watch(supervisor.signals.descriptor, as: .signals)
        try supervisor.watch(supervisor.listener.descriptor, as: .listener)
        return supervisor
    }

    private init(
        _ configuration: Configuration, reservation: consuming AddressReservation,
        listener: consuming ListeningSocket, log: consuming EventLog, poller: consuming Poller,
        signals: consuming SignalDescriptor, operatorPlaces: Int
    ) {
        connections = HandleTable(kind: Kind.connection.rawValue, capacity: operatorPlaces)
        environment = Self.environment(configuration, address: reservation.address)
        self.configuration = configuration
        self.reservation = reservation
        self.listener = listener
        self.log = log
        self.poller = poller
        self.signals = signals
        let worker = Worker(lifecycle: WorkerLifecycle(now: now))
        workers = Array(repeating: worker, count: configuration.workers)
    }

    /// As many operators as there are descriptors for, with a question to each worker for each of them.
    private static func operatorPlaces(descriptorLimit: Int, workers: Int) -> Int {
        // Of each worker its pidfd and its sockets for the bus and for who leads.
        let left = descriptorLimit - ownDescriptors - 3 * workers
        return min(connectionsMax, max(connectionsMin, left / (1 + workers)))
    }

    private func watch(_ descriptor: Int32, as kind: Kind) throws(Errno) {
        let handle = Handle(kind: kind.rawValue, index: 0, generation: 0)
        try poller.add(descriptor, handle: handle, interest: .read)
    }

    /// A worker's environment: ours, secrets included, with every setting as it was settled here, so
    /// that nothing has to stand in its command line.
    private static func environment(
        _ configuration: Configuration, address: SocketAddress
    ) -> [String: [UInt8]] {
        var environment = Environment.snapshot()
        for setting in Setting.all {
            environment[setting.variableName] = Array(setting.text(in: configuration).utf8)
        }
        // With the port that the kernel chose.
        environment[Setting[\.listen].variableName] = Array(address.description.utf8)
        // The parent speaks to the service manager.
        environment[ServiceManager.variableName] = nil
        return environment
    }

    // MARK: The loop

    /// Turns until every worker has ended. Returns whether that was by request and in time.
    mutating func run() -> Bool {
        do throws(Errno) {
            repeat {
                let eventCount = try poller.wait(nanoseconds: patience())
                now = Clock.monotonic()
                handleReadiness(eventCount)
                runTimers()
            } while finish == nil || workers.contains { $0.lifecycle.hasProcess }
        } catch {
            // epoll_wait(2) fails only for arguments that are wrong.
            log.failed("epoll_wait", error: error.description)
            return false
        }
        let isLate = finish?.isLate ?? false
        log.supervisorStopped(isLate: isLate)
        return !isLate
    }

    private mutating func handleReadiness(_ eventCount: Int) {
        for position in 0..<eventCount {
            let handle = poller.handle(at: position)
            switch Kind(rawValue: handle.kind) {
            case .signals: handleSignals()
            case .listener: acceptOperators()
            case .worker: reap(Int(handle.index))
            case .bus: relayFrames(of: Int(handle.index))
            case .control: receiveControl(of: Int(handle.index))
            case .ask: receiveAnswer(handle)
            case .connection: serve(handle, poller.readiness(at: position))
            case nil: preconditionFailure("epoll reported a handle that was never registered")
            }
        }
    }

    private func patience() -> UInt64? {
        var nearest = finish?.isForced == false ? finish?.deadline : nil
        if let until = listenerPausedUntil { nearest = min(nearest ?? until, until) }
        for worker in workers {
            if let due = worker.lifecycle.startDeadline { nearest = min(nearest ?? due, due) }
        }
        for handle in connections.handles {
            if let due = connections[handle]?.deadline { nearest = min(nearest ?? due, due) }
        }
        return nearest?.nanoseconds(since: now)
    }

    private mutating func runTimers() {
        resumeAccepting()
        for index in workers.indices {
            if let due = workers[index].lifecycle.startDeadline, due <= now { start(index) }
        }
        for handle in connections.handles {
            if let due = connections[handle]?.deadline, due <= now { becameDue(handle) }
        }
        if let deadline = finish?.deadline, deadline <= now, finish?.isForced == false {
            finish?.isLate = true
            endAtOnce()
        }
    }
}
