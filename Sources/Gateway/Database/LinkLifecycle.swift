package import Reactor

/// The phases of a connection to the database and when each is due to end: decisions only, no IO,
/// so that they can be tested without a server.
///
/// ```
/// disconnected ─► (resolving ─►) connecting ─► preparing ─► live
///      ▲                │             │            │          │
///      └────────────────┴─────────────┴────────────┴──────────┘  lost
/// ```
package struct LinkLifecycle: Equatable, Sendable {
    package enum Phase: Equatable, Sendable {
        /// Nothing is open; the next attempt begins at that instant.
        case disconnected(until: Instant)
        /// Host names are being looked up.
        case resolving(deadline: Instant)
        /// libpq is connecting and authenticating.
        case connecting(deadline: Instant)
        /// Connected; the answer that makes the session useful is awaited.
        case preparing(deadline: Instant)
        case live(since: Instant)
    }

    /// What the passing of time asks for.
    package enum Due: Equatable, Sendable {
        case nothing
        /// Call `beginAttempt` and act on it.
        case attempt
        /// The phase took too long: call `lose`.
        case timeout
    }

    package private(set) var phase: Phase
    private var backoff = Backoff()
    private let connectingNanoseconds: UInt64

    /// Ready for its first attempt at once.
    package init(connectingNanoseconds: UInt64 = DatabaseLimits.connectingNanoseconds) {
        self.connectingNanoseconds = connectingNanoseconds
        phase = .disconnected(until: Instant(nanoseconds: 0))
    }

    /// When `due` has to be asked again; `nil` while live.
    package var deadline: Instant? {
        switch phase {
        case .disconnected(let until): until
        case .resolving(let deadline), .connecting(let deadline), .preparing(let deadline): deadline
        case .live: nil
        }
    }

    /// Attempts that failed since the connection was last live for long enough.
    package var failures: Int { backoff.failures }

    package func due(_ now: Instant) -> Due {
        guard let deadline, deadline <= now else { return .nothing }
        if case .disconnected = phase { return .attempt }
        return .timeout
    }

    /// Disconnected → resolving or connecting.
    package mutating func beginAttempt(resolving: Bool, _ now: Instant) {
        guard case .disconnected = phase else { preconditionFailure("attempt while \(phase)") }
        phase = resolving ? .resolving(deadline: Self.resolvingEnd(now)) : connecting(now)
    }

    /// Resolving → connecting. False when the answer comes too late or unasked: harmless, because
    /// a look-up outlives the attempt that began it.
    package mutating func resolved(_ now: Instant) -> Bool {
        switch phase {
        case .resolving:
            phase = connecting(now)
            return true
        case .disconnected, .connecting, .preparing, .live: return false
        }
    }

    /// Resolving or connecting → the same for the next place of this attempt, with a deadline of its own.
    package mutating func goOn(resolving: Bool, within nanoseconds: UInt64, _ now: Instant) {
        switch phase {
        case .resolving, .connecting: break
        case .disconnected, .preparing, .live: preconditionFailure("going on while \(phase)")
        }
        let end = now.advanced(byNanoseconds: nanoseconds)
        phase = resolving ? .resolving(deadline: end) : .connecting(deadline: end)
    }

    /// Connecting → preparing.
    package mutating func connected(_ now: Instant) {
        guard case .connecting = phase else { preconditionFailure("connected while \(phase)") }
        let end = now.advanced(byNanoseconds: DatabaseLimits.preparingNanoseconds)
        phase = .preparing(deadline: end)
    }

    /// Preparing → live.
    package mutating func prepared(_ now: Instant) {
        guard case .preparing = phase else { preconditionFailure("prepared while \(phase)") }
        phase = .live(since: now)
    }

    /// Anything but disconnected → disconnected, with a delay from the backoff.
    package mutating func lose(_ now: Instant, randomness: UInt64) {
        switch phase {
        case .disconnected: preconditionFailure("lost while disconnected")
        case .resolving, .connecting, .preparing: break
        case .live(let since):
            // Only a connection that held shows that the trouble is over: one that is dropped
            // again and again right after LISTEN has to slow down too.
            if now.nanoseconds(since: since) >= Backoff.ceilingNanoseconds { backoff.reset() }
        }
        let delay = backoff.delayAfterFailure(randomness: randomness)
        phase = .disconnected(until: now.advanced(byNanoseconds: delay))
    }

    private static func resolvingEnd(_ now: Instant) -> Instant {
        now.advanced(byNanoseconds: DatabaseLimits.resolvingNanoseconds)
    }

    private func connecting(_ now: Instant) -> Phase {
        let end = now.advanced(byNanoseconds: connectingNanoseconds)
        return .connecting(deadline: end)
    }
}
