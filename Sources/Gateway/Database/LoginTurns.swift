package import Reactor

/// Which session may go on logging in, in this turn.
///
/// libpq hashes the password (RFC 5802, section 3: `Hi`) within one step of connecting, 5 ms with the
/// default of 4,096 iterations. So one session takes such a step in a turn. What has come for the others
/// stays in their sockets, of which epoll tells again, the one that it told of first behind the rest.
package struct LoginTurns {
    /// The turn in which a session took a step last.
    private var tookStep: Instant?
    /// The turn in which a session couldn't.
    private var postponed: Instant?

    package init() {}

    /// Whether the session whose socket is ready is let to it in the turn that began at `now`.
    package mutating func admits(_ phase: LinkLifecycle.Phase, _ now: Instant) -> Bool {
        guard case .connecting = phase else { return true }
        guard tookStep != now else {
            postponed = now
            return false
        }
        tookStep = now
        return true
    }

    /// Whether something has come in time that is still to be read, so that no deadline counts yet.
    package func hasPostponed(_ now: Instant) -> Bool { postponed == now }
}
