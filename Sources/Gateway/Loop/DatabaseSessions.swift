internal import Reactor

/// The sessions with PostgreSQL, and the look-up of its host's name.
struct DatabaseSessions: ~Copyable {
    private let place = AddressOnly()
    var listener: ListenerSession
    /// Asks about memberships and sends canaries.
    var queries: QueryLane
    /// Reads the event log and prunes it. A session answers in the order of the questions, and nobody's
    /// membership is to wait for a read that takes long.
    var reads: QueryLane
    var canary: Canary
    /// What came while missed events were being read.
    var backlog = NotificationBacklog()
    private var resolver: HostResolver?
    /// Readable when a look-up has ended; `nil` when there is no name to look up.
    let resolverDescriptor: Int32?

    // What epoll watches the sessions for.
    var listenerRegistration: DatabaseRegistration?
    var queriesRegistration: DatabaseRegistration?
    var readsRegistration: DatabaseRegistration?

    /// The turn in which an answer of the event log was acted on last: its rows are a turn's worth, and the
    /// next one is acted on in the next turn. `nil` when none is left.
    var eventsReadAt: Instant?

    /// When old events are to be deleted next.
    var pruneAt: Instant?
    /// When the horizon is to be raised after all; `nil` unless that was refused.
    var expireAt: Instant?
    /// How long events are kept, in seconds.
    let retentionSeconds: UInt64

    // Buffers that keep their memory: a statement's parameters, and a payload of the backlog.
    var parameters = QueryParameters()
    var projects = ByteBuffer()
    var cursors = ByteBuffer()
    var payload = ByteBuffer()

    /// When the listener was lost; `nil` while it listens and before it first did.
    var lostSince: Instant?
    /// Whether it has listened before.
    var hasListened = false
    var logins = LoginTurns()

    static func open(
        _ target: ConnectionString, seed: UInt64, nonce: UInt64, retentionSeconds: UInt64
    ) throws(ServerFailure) -> DatabaseSessions {
        let names = target.hostsToResolve
        let canary = Canary(nonce: nonce)
        do throws(Errno) {
            return DatabaseSessions(
                target, seed: seed, canary: canary, retentionSeconds: retentionSeconds,
                resolver: names.isEmpty ? nil : try HostResolver(names: names))
        } catch {
            throw ServerFailure(what: "cannot set up the resolver", why: error.description)
        }
    }

    private init(
        _ target: ConnectionString, seed: UInt64, canary: Canary, retentionSeconds: UInt64,
        resolver: consuming HostResolver?
    ) {
        self.canary = canary
        self.retentionSeconds = retentionSeconds
        listener = ListenerSession(target: target, seed: seed, canaryChannel: canary.channel)
        queries = QueryLane(QuerySession(target: target, seed: seed &+ 1))
        reads = QueryLane(QuerySession(target: target, seed: seed &+ 2, seesAllOrFails: true))
        resolverDescriptor = Self.descriptor(of: resolver)
        self.resolver = resolver
    }

    private static func descriptor(of resolver: borrowing HostResolver?) -> Int32? {
        switch resolver {
        case .some(let resolver): resolver.descriptor
        case .none: nil
        }
    }

    /// When a session's timer, the canary, the pruning or what was refused is due.
    var deadline: Instant? {
        guard !isRelayed else { return expireAt }
        let asking = Self.earlier(queries.deadline, reads.deadline)
        let sessions = Self.earlier(listener.deadline, asking)
        let log = Self.earlier(pruneAt, expireAt)
        return Self.earlier(sessions, Self.earlier(canary.deadline, log))
    }

    private static func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }

    /// Whether the leader's sessions are used instead of these.
    var isRelayed: Bool {
        get { queries.isRelayed }
        set {
            queries.isRelayed = newValue
            reads.isRelayed = newValue
        }
    }

    /// Begins a look-up when a session waits for one and none is under way.
    mutating func resolveIfNeeded() {
        if listener.needsResolution || queries.needsResolution || reads.needsResolution {
            resolver?.begin()
        }
    }

    mutating func dequeueResolvedHosts() -> [ResolvedHost]? {
        resolver?.takeResult()
    }
}
