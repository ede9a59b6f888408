package import Reactor

/// The connection that asks: in pipeline mode, so that statements go out without waiting for the
/// answers to earlier ones.
///
/// Its calls are those of `ListenerSession`. It is live from its first answer on.
package struct QuerySession: ~Copyable {
    private var link: DatabaseLink
    /// Statements whose answers are still to come, oldest first, as PostgreSQL answers them.
    private var pending: [PendingStatement] = []
    private var refreshAt: Instant?

    /// The tables that announce their changes, sorted by the bytes of their names: what a resync
    /// has to name. Empty before the first answer; kept while the connection is lost.
    package private(set) var resources: [String] = []

    package init(target: ConnectionString, seed: UInt64) {
        link = DatabaseLink(target: target, seed: seed)
    }

    package var registration: DatabaseRegistration? { link.registration }
    package var phase: LinkLifecycle.Phase { link.lifecycle.phase }
    /// The caller has to call `HostResolver.begin`, and pass what it finds to `resolved` of both
    /// sessions: the one that doesn't wait for it ignores it.
    package var needsResolution: Bool { link.isResolving }

    package var isLive: Bool {
        if case .live = phase { return true }
        return false
    }

    /// When `timer` has to be called; `nil`: no need.
    package var deadline: Instant? {
        if let deadline = link.lifecycle.deadline { return deadline }
        guard let answer = pending.first?.deadline else { return refreshAt }
        return refreshAt.map { min($0, answer) } ?? answer
    }

    package mutating func start(_ now: Instant) -> DatabaseEvent {
        timer(now)
    }

    /// Acts on `deadline`. Call it after the turn's `ready`: an answer that came while the whole
    /// program was stopped is in time.
    package mutating func timer(_ now: Instant) -> DatabaseEvent {
        guard isLive else { return act(link.timer(now), now) }
        if let oldest = pending.first, oldest.deadline <= now { return lose(.answerTimeout, now) }
        if let refreshAt, refreshAt <= now { return refreshResources(now) }
        return .none
    }

    package mutating func resolved(_ hosts: [ResolvedHost], _ now: Instant) -> DatabaseEvent {
        act(link.resolved(hosts, now), now)
    }

    /// The socket is readable, writable or broken, in whichever mixture: libpq finds out itself.
    package mutating func ready(_ now: Instant) -> DatabaseEvent {
        if let step = link.ready(now) { return act(step, now) }
        do {
            try link.exchange()
        } catch {
            return lose(.closed(error), now)
        }
        return readReplies(now)
    }

    /// Reads the list of resources again: call it when the listener has become live, because a
    /// migration may have come with the restart. Does nothing while not live (it is read then anyway).
    package mutating func refreshResources(_ now: Instant) -> DatabaseEvent {
        guard isLive else { return .none }
        refreshAt = now.advanced(byNanoseconds: DatabaseLimits.resourcesIntervalNanoseconds)
        // An answer under way may have been read before the change; a second one behind it wasn't.
        guard pending.count(where: { $0.kind == .resources }) < 2 else { return .none }
        return send(.resources, now)
    }

    // MARK: Sending

    private mutating func act(_ step: DatabaseLink.Step, _ now: Instant) -> DatabaseEvent {
        switch step {
        case .nothing: return .none
        case .lost(let loss):
            forget()
            return .lost(loss)
        case .connected: break
        }
        refreshAt = now.advanced(byNanoseconds: DatabaseLimits.resourcesIntervalNanoseconds)
        do {
            try link.perform { (open: inout PostgresConnection) throws(PostgresError) in
                try open.enterPipelineMode()
            }
        } catch {
            return lose(.closed(error), now)
        }
        return send(.resources, now)
    }

    /// Each statement ends in a sync of its own: one that fails takes no other with it.
    private mutating func send(_ kind: PendingStatement.Kind, _ now: Instant) -> DatabaseEvent {
        assert(pending.count < DatabaseLimits.pendingStatementsMax)
        let deadline = now.advanced(byNanoseconds: DatabaseLimits.statementNanoseconds)
        pending.append(PendingStatement(kind: kind, deadline: deadline))
        do {
            try link.perform { (open: inout PostgresConnection) throws(PostgresError) in
                try open.send(kind.statement)
                try open.synchronize()
            }
        } catch {
            return lose(.closed(error), now)
        }
        return .none
    }

    private mutating func lose(_ reason: DatabaseLoss, _ now: Instant) -> DatabaseEvent {
        forget()
        return .lost(link.lose(reason, now))
    }

    private mutating func forget() {
        pending.removeAll(keepingCapacity: true)
        refreshAt = nil
    }

    // MARK: Answers

    /// Reads all answers that have arrived. When several ask for something, the caller hears of the
    /// most important: live or lost, then a refused statement, then the resources.
    private mutating func readReplies(_ now: Instant) -> DatabaseEvent {
        var event = DatabaseEvent.none
        var ended = false
        while let oldest = pending.first {
            switch link.nextReply() {
            case .busy: return event
            case .endOfStatement:
                // Its sync follows. libpq answers so for ever once the connection is broken.
                guard !ended else { return unexpectedReply(now) }
                ended = true
            case .synchronized:
                pending.removeFirst()
                ended = false
            case .rows(let rows):
                guard takeRows(rows, of: oldest, now, &event) else { return unexpectedReply(now) }
            case .failed(let error):
                // libpq's own errors have no code: they are the connection's.
                guard error.sqlstate != nil else { return lose(.closed(error), now) }
                guard isLive else { return lose(.preparingFailed(error), now) }
                if event != .live { event = .refused(error) }
            case .succeeded: return unexpectedReply(now)
            case .skipped: return unexpectedReply(now)
            }
        }
        return event
    }

    /// The answers don't fit the statements: this connection can't be trusted any more.
    private mutating func unexpectedReply(_ now: Instant) -> DatabaseEvent {
        lose(.preparingFailed(PostgresError(message: "unexpected answer")), now)
    }

    /// False when the rows aren't what the statement returns.
    private mutating func takeRows(
        _ rows: borrowing PostgresRows, of statement: PendingStatement, _ now: Instant,
        _ event: inout DatabaseEvent
    ) -> Bool {
        switch statement.kind {
        case .resources:
            guard let names = ResourceCatalogue.names(in: rows) else { return false }
            let changed = names != resources
            resources = names
            if !isLive {
                link.prepared(now)
                event = .live
            } else if event == .none || event == .resources(changed: false) {
                event = .resources(changed: changed)
            }
            return true
        }
    }
}

/// A statement that was sent and not yet answered.
private struct PendingStatement {
    /// What was asked, and so how the answer is to be read.
    enum Kind {
        case resources

        var statement: String {
            switch self {
            case .resources: ResourceCatalogue.statement
            }
        }
    }

    let kind: Kind
    let deadline: Instant
}
