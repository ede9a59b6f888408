package import Reactor

/// The connection that LISTENs, and does nothing else.
///
/// ```
/// start ─► timer / ready / resolved, whenever `deadline` or `registration` say ─► .live
///   in a later phase of the turn: dequeueNotification(), up to the turn's budget
/// ```
///
/// After each call: apply `registration`, arm `deadline`, see to `needsResolution`, act on the
/// event. It never blocks.
package struct ListenerSession: ~Copyable {
    private var link: DatabaseLink
    private var reply = LISTENReply.pending
    private let canaryChannel: String?
    /// How often LISTEN may still be sent again on this connection.
    private var repeatsLeft = 0

    /// What has come of the answer to LISTEN.
    private enum LISTENReply {
        case pending
        case succeeded
        /// A timeout of the role's ended it.
        case cancelled
    }

    /// - Parameter canaryChannel: a second channel, a plain lower-case name.
    package init(target: ConnectionString, seed: UInt64, canaryChannel: String? = nil) {
        link = DatabaseLink(
            target: target, seed: seed, unclaimedBytesMax: DatabaseLimits.listenerBytesMax)
        self.canaryChannel = canaryChannel
    }

    /// One transaction: all, or none. Nothing of it is looked up on the path.
    private static func statement(
        for connection: borrowing PostgresConnection, canaryChannel: String?
    ) -> String {
        var parts = ["LISTEN cache_invalidate", "LISTEN \(DirectQueries.channel)"]
        parts.append(SessionTimeouts.statements(serverVersion: connection.serverVersion))
        parts.append("SET search_path = \(SearchPath.pinned)")
        // PostgreSQL verifies what it sends to a client of UTF-8. In a database without an
        // encoding one payload of other bytes would end the session, and the next one, until
        // nobody listens any more; sent as it is, it is one bad payload.
        if connection.serverEncoding == "SQL_ASCII" {
            parts.append("SET client_encoding = SQL_ASCII")
        }
        if let canaryChannel { parts.append("LISTEN \(canaryChannel)") }
        return parts.joined(separator: "; ")
    }

    package var registration: DatabaseRegistration? { link.registration }
    /// When `timer` has to be called; `nil`: no need.
    package var deadline: Instant? { link.lifecycle.deadline }
    package var phase: LinkLifecycle.Phase { link.lifecycle.phase }
    /// The caller has to call `HostResolver.begin`, and pass what it finds to `resolved` of the
    /// sessions: one that doesn't wait for it ignores it.
    package var needsResolution: Bool { link.isResolving }

    package var isLive: Bool {
        if case .live = phase { return true }
        return false
    }

    /// The first attempt.
    package mutating func start(_ now: Instant) -> DatabaseEvent {
        timer(now)
    }

    /// Acts on `deadline`. Call it after the turn's `ready`: an answer that came while the whole
    /// program was stopped is in time.
    package mutating func timer(_ now: Instant) -> DatabaseEvent {
        act(link.timer(now), now)
    }

    package mutating func resolved(_ hosts: [ResolvedHost], _ now: Instant) -> DatabaseEvent {
        act(link.resolved(hosts, now), now)
    }

    /// The socket is readable, writable or broken, in whichever mixture: libpq finds out itself.
    package mutating func ready(_ now: Instant) -> DatabaseEvent {
        if isLive { return listen(now) }
        if let step = link.ready(now) { return act(step, now) }
        do {
            try link.exchange()
        } catch {
            return .lost(link.lose(error, now))
        }
        return readListenReply(now)
    }

    /// Takes from the socket what has arrived. There is nothing to be sent: LISTEN was answered.
    private mutating func listen(_ now: Instant) -> DatabaseEvent {
        do throws(PostgresError) {
            try link.connection?.consumeInput()
        } catch {
            return .lost(link.lose(.closed(error), now))
        }
        guard link.connection?.isFlooded != true else {
            return .lost(link.lose(.flooded(bytesMax: DatabaseLimits.listenerBytesMax), now))
        }
        return .none
    }

    /// The next notification, in commit order; `nil` when there is none, or when the session isn't
    /// live. Call it until `nil`, or until the turn's budget is spent: then don't wait in the next
    /// turn, because no readiness tells of those that libpq has already read. Hot path.
    package mutating func dequeueNotification() -> PostgresNotification? {
        isLive ? link.connection?.nextNotification() : nil
    }

    /// Drops a connection that is live and yet doesn't do its work.
    package mutating func giveUp(_ reason: DatabaseLoss, _ now: Instant) -> DatabaseEvent {
        precondition(isLive)
        return .lost(link.lose(reason, now))
    }

    /// Drops the connection, or the attempt to get one, if there is any. Nothing begins again but by `timer`.
    package mutating func close(_ reason: DatabaseLoss, _ now: Instant) -> DatabaseEvent {
        if case .disconnected = phase { return .none }
        return .lost(link.lose(reason, now))
    }

    private mutating func act(_ step: DatabaseLink.Step, _ now: Instant) -> DatabaseEvent {
        switch step {
        case .nothing: return .none
        case .lost(let loss): return .lost(loss)
        case .connected: break
        }
        repeatsLeft = DatabaseLimits.settingRepeatsMax
        return sendListen(now)
    }

    private mutating func sendListen(_ now: Instant) -> DatabaseEvent {
        reply = .pending
        let canaryChannel = canaryChannel
        do {
            try link.perform { (open: inout PostgresConnection) throws(PostgresError) in
                try open.send(simple: Self.statement(for: open, canaryChannel: canaryChannel))
            }
        } catch {
            return .lost(link.lose(.closed(error), now))
        }
        return .none
    }

    /// Live only at the end of the answer: then the subscription is committed.
    private mutating func readListenReply(_ now: Instant) -> DatabaseEvent {
        while true {
            switch link.connection?.nextReply() ?? .busy {
            case .busy: return .none
            case .succeeded: reply = .succeeded
            case .failed(let error):
                guard error.isCancellation, repeatsLeft > 0 else {
                    return .lost(link.lose(.preparingFailed(error), now))
                }
                reply = .cancelled
            case .rows: return unexpectedReply(now)
            case .skipped: return unexpectedReply(now)
            case .synchronized: return unexpectedReply(now)
            case .endOfStatement where reply == .cancelled:
                repeatsLeft -= 1
                return sendListen(now)
            case .endOfStatement:
                guard reply == .succeeded else { return unexpectedReply(now) }
                link.prepared(now)
                return .live
            }
        }
    }

    /// A server that answers LISTEN with something else isn't PostgreSQL.
    private mutating func unexpectedReply(_ now: Instant) -> DatabaseEvent {
        .lost(link.lose(.preparingFailed(PostgresError(message: "unexpected answer")), now))
    }
}
