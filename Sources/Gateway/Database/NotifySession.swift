package import Reactor

/// A session that says and hears notifications on a channel of its own, for what gateways tell each other
/// without Redis. Nothing that clients wait for goes by it, and it keeps nothing else waiting.
///
/// After each call: apply `registration`, arm `deadline`, see to `needsResolution`, act on the event. It
/// never blocks.
package struct NotifySession: ~Copyable {
    private var link: DatabaseLink
    private let channel: String
    /// Whether a statement wasn't answered yet.
    package private(set) var isBusy = false
    private var hasSucceeded = false

    /// - Parameter channel: letters, digits, and `- _ . :`, at most 63 bytes.
    package init(target: ConnectionString, seed: UInt64, channel: String) {
        link = DatabaseLink(
            target: target, seed: seed, unclaimedBytesMax: DatabaseLimits.listenerBytesMax)
        self.channel = "\"\(channel)\""
    }

    package var registration: DatabaseRegistration? { link.registration }
    /// When `timer` has to be called; `nil`: no need.
    package var deadline: Instant? { link.lifecycle.deadline }
    package var phase: LinkLifecycle.Phase { link.lifecycle.phase }
    package var needsResolution: Bool { link.isResolving }

    package var isLive: Bool {
        if case .live = phase { return true }
        return false
    }

    package mutating func timer(_ now: Instant) -> DatabaseEvent { act(link.timer(now), now) }

    package mutating func resolved(_ hosts: [ResolvedHost], _ now: Instant) -> DatabaseEvent {
        act(link.resolved(hosts, now), now)
    }

    package mutating func ready(_ now: Instant) -> DatabaseEvent {
        if !isLive, let step = link.ready(now) { return act(step, now) }
        do {
            try link.exchange()
        } catch {
            return .lost(link.lose(error, now))
        }
        return isBusy ? readReply(now) : .none
    }

    private mutating func act(_ step: DatabaseLink.Step, _ now: Instant) -> DatabaseEvent {
        switch step {
        case .nothing: return .none
        case .lost(let loss): return .lost(loss)
        case .connected:
            // As the listener has it: no timeout of a role ends it, and nothing is looked up on a path.
            return send(
                "LISTEN \(channel); SET idle_session_timeout = 0"
                    + "; SET idle_in_transaction_session_timeout = 0"
                    + "; SET search_path = \(SearchPath.pinned)", now)
        }
    }

    /// Says all of these in one transaction, behind each other. Only while it is live and not busy.
    ///
    /// - Parameter payloads: of `NotifyPayloads`, in which nothing has to be escaped.
    package mutating func notify(_ payloads: [String], _ now: Instant) -> DatabaseEvent {
        precondition(isLive && !isBusy)
        return send(payloads.map { "NOTIFY \(channel), '\($0)'" }.joined(separator: ";"), now)
    }

    private mutating func send(_ statements: String, _ now: Instant) -> DatabaseEvent {
        isBusy = true
        hasSucceeded = false
        do {
            try link.perform { (open: inout PostgresConnection) throws(PostgresError) in
                try open.send(simple: statements)
            }
        } catch {
            return .lost(link.lose(.closed(error), now))
        }
        return .none
    }

    /// The next notification; `nil` when there is none, or when the session isn't live.
    package mutating func dequeueNotification() -> PostgresNotification? {
        isLive ? link.connection?.nextNotification() : nil
    }

    /// Drops a connection that is live and yet doesn't do its work.
    package mutating func giveUp(_ reason: DatabaseLoss, _ now: Instant) -> DatabaseEvent {
        precondition(isLive)
        return .lost(link.lose(reason, now))
    }

    private mutating func readReply(_ now: Instant) -> DatabaseEvent {
        while true {
            switch link.connection?.nextReply() ?? .busy {
            case .busy: return .none
            case .succeeded: hasSucceeded = true
            case .failed(let error): return .lost(link.lose(.preparingFailed(error), now))
            case .rows: return unexpectedReply(now)
            case .skipped: return unexpectedReply(now)
            case .synchronized: return unexpectedReply(now)
            case .endOfStatement:
                guard hasSucceeded else { return unexpectedReply(now) }
                isBusy = false
                guard !isLive else { return .none }
                link.prepared(now)
                return .live
            }
        }
    }

    private mutating func unexpectedReply(_ now: Instant) -> DatabaseEvent {
        .lost(link.lose(.preparingFailed(PostgresError(message: "unexpected answer")), now))
    }
}
