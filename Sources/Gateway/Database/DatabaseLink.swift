package import Reactor

/// What the sessions have in common: getting connected, staying registered in epoll, losing the
/// connection and trying again. It never blocks.
///
/// The session calls `timer`, `ready` and `resolved` and does its own part when one says `.connected`;
/// everything else in the result goes to the caller. From then on until `lose` the session reads from
/// the `connection` itself.
package struct DatabaseLink: ~Copyable {
    package enum Step: Equatable, Sendable {
        case nothing
        /// A connection stands and waits for the session's first statement.
        case connected
        case lost(DatabaseLoss)
    }

    package private(set) var lifecycle = LinkLifecycle()
    /// What epoll has to watch; `nil` while there is no socket.
    package private(set) var registration: DatabaseRegistration?

    /// `nil` while there is none, from which nothing comes.
    var connection: PostgresConnection?

    private let target: ConnectionString
    private let resolves: Bool
    private let unclaimedBytesMax: Int
    private var jitter: Jitter
    private var attempts = 0
    private var epoch: UInt64 = 0

    /// - Parameter unclaimedBytesMax: what the server may send without an answer or a notification.
    package init(target: ConnectionString, seed: UInt64, unclaimedBytesMax: Int) {
        self.unclaimedBytesMax = unclaimedBytesMax
        self.target = target
        self.resolves = !target.hostsToResolve.isEmpty
        self.jitter = Jitter(seed: seed)
    }

    /// True while the caller has to have the host names looked up and pass them to `resolved`.
    package var isResolving: Bool {
        if case .resolving = lifecycle.phase { return true }
        return false
    }

    // MARK: Time

    /// Begins an attempt or ends a phase that took too long, if the instant asks for it.
    package mutating func timer(_ now: Instant) -> Step {
        switch lifecycle.due(now) {
        case .nothing: return .nothing
        case .attempt: return beginAttempt(now)
        case .timeout: return .lost(lose(timeoutReason, now))
        }
    }

    private var timeoutReason: DatabaseLoss {
        switch lifecycle.phase {
        case .resolving: .resolvingTimeout
        case .connecting: .connectingTimeout
        case .preparing: .answerTimeout
        case .disconnected, .live: preconditionFailure("no timeout while \(lifecycle.phase)")
        }
    }

    private mutating func beginAttempt(_ now: Instant) -> Step {
        lifecycle.beginAttempt(resolving: resolves, now)
        return resolves ? .nothing : connect([], now)
    }

    /// Takes the outcome of a look-up; ignores one that it doesn't wait for.
    package mutating func resolved(_ hosts: [ResolvedHost], _ now: Instant) -> Step {
        guard lifecycle.resolved(now) else { return .nothing }
        return connect(hosts, now)
    }

    // MARK: Connecting

    private mutating func connect(_ hosts: [ResolvedHost], _ now: Instant) -> Step {
        guard let parameters = target.parameters(resolved: hosts, attempt: attempts) else {
            let reasons = hosts.map { "\($0.name): \($0.failure ?? "no address")" }
            return .lost(lose(.unresolved(reasons.joined(separator: "; ")), now))
        }
        attempts &+= 1  // It only picks the first host; wrapping would be harmless.
        connection = PostgresConnection(parameters, unclaimedBytesMax: unclaimedBytesMax)
        guard let step = connection?.firstStep else { return .lost(lose(.outOfMemory, now)) }
        return follow(step, now)
    }

    /// Goes on with connecting when the socket is ready. Once connected: `nil`, and the session
    /// does its own work.
    package mutating func ready(_ now: Instant) -> Step? {
        switch lifecycle.phase {
        case .disconnected, .resolving: return .nothing  // A late event of a socket that is closed.
        case .preparing, .live: return nil
        case .connecting: break
        }
        guard let step = connection?.poll() else { preconditionFailure("connecting to nothing") }
        return follow(step, now)
    }

    private mutating func follow(_ step: PostgresConnection.ConnectStep, _ now: Instant) -> Step {
        switch step {
        case .reading: watch(read: true, write: false, newSocket: true)
        case .writing: watch(read: false, write: true, newSocket: true)
        case .connected:
            watch(read: true, write: false, newSocket: true)
            lifecycle.connected(now)
            return .connected
        case .failed(let message): return .lost(lose(.refused(message), now))
        }
        return .nothing
    }

    private mutating func watch(read: Bool, write: Bool, newSocket: Bool) {
        guard let descriptor = connection?.descriptor else {
            registration = nil
            return
        }
        if newSocket { epoch &+= 1 }  // 2^64 polls don't happen.
        registration = DatabaseRegistration(
            descriptor: descriptor, wantsRead: read, wantsWrite: write, epoch: epoch)
    }

    // MARK: Connected

    /// The session is ready for its work.
    package mutating func prepared(_ now: Instant) {
        lifecycle.prepared(now)
    }

    /// Runs `body` on the connection, then hands the output to the kernel and watches for room if
    /// it doesn't fit. Only while preparing or live.
    package mutating func perform(
        _ body: (inout PostgresConnection) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        guard var open = connection.take() else { preconditionFailure("not connected") }
        do {
            try body(&open)
            let outcome = try open.flush()
            connection = consume open
            watch(read: true, write: outcome == .wouldBlock, newSocket: false)
        } catch {
            connection = consume open
            throw error
        }
    }

    /// Takes from the socket what has arrived, and sends what is left to send.
    package mutating func exchange() throws(DatabaseLoss) {
        do {
            try perform { (open: inout PostgresConnection) throws(PostgresError) in
                try open.consumeInput()
            }
        } catch {
            throw .closed(error)
        }
        guard connection?.isFlooded != true else { throw .flooded(bytesMax: unclaimedBytesMax) }
    }

    /// Drops the connection, with whatever of it wasn't read yet, and sets the time of the next
    /// attempt: being live again comes with a resync, which covers that too. Returns its reason.
    package mutating func lose(_ reason: DatabaseLoss, _ now: Instant) -> DatabaseLoss {
        lifecycle.lose(now, randomness: jitter.next())
        connection = nil
        registration = nil
        return reason
    }
}
