internal import Reactor

/// The two sessions with PostgreSQL, and the look-up of its host's name.
struct Database: ~Copyable {
    var listener: ListenerSession
    var queries: QuerySession
    private var resolver: HostResolver?
    /// Readable when a look-up has ended; `nil` when there is no name to look up.
    let resolverDescriptor: Int32?

    // What epoll was told last.
    var listenerRegistration: DatabaseRegistration?
    var queriesRegistration: DatabaseRegistration?

    /// When the listener was lost; `nil` while it listens and before it first did.
    var lostSince: Instant?
    /// Whether it has listened before.
    var hasListened = false

    static func open(
        _ target: ConnectionString, seed: UInt64
    ) throws(ServerFailure) -> Database {
        let names = target.hostsToResolve
        if names.isEmpty { return Database(target, seed: seed, resolver: nil) }
        do throws(Errno) {
            return Database(target, seed: seed, resolver: try HostResolver(names: names))
        } catch {
            throw ServerFailure(what: "cannot set up the resolver", why: error.description)
        }
    }

    private init(
        _ target: ConnectionString, seed: UInt64, resolver: consuming HostResolver?
    ) {
        listener = ListenerSession(target: target, seed: seed)
        queries = QuerySession(target: target, seed: seed &+ 1)
        resolverDescriptor = Self.descriptor(of: resolver)
        self.resolver = resolver
    }

    private static func descriptor(of resolver: borrowing HostResolver?) -> Int32? {
        switch resolver {
        case .some(let resolver): resolver.descriptor
        case .none: nil
        }
    }

    /// When a session's timer is due.
    var deadline: Instant? {
        switch (listener.deadline, queries.deadline) {
        case (nil, let other), (let other, nil): other
        case (let first?, let second?): min(first, second)
        }
    }

    /// Begins a look-up when a session waits for one and none is under way.
    mutating func resolveIfNeeded() {
        if listener.needsResolution || queries.needsResolution { resolver?.begin() }
    }

    mutating func takeResolvedHosts() -> [ResolvedHost]? {
        resolver?.takeResult()
    }
}
