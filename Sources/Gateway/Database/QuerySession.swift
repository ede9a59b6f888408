package import Reactor

/// The connection that asks: in pipeline mode, so that statements go out without waiting for the
/// answers to earlier ones.
///
/// Its calls are those of `ListenerSession`, and `ask` with `dequeueAnswer`. It is live from its first
/// answer on.
///
/// ```
/// ask ─► … ─► ready / timer / resolved ─► while dequeueAnswer() gives one: use it, continueReading()
/// ```
package struct QuerySession: ~Copyable {
    private let place = AddressOnly()
    private var link: DatabaseLink
    /// Statements whose answers are still to come, oldest first, as PostgreSQL answers them.
    private var pending: [PendingStatement] = []
    /// Statements that went down with their connection, until their askers have been notified.
    private var lost: [PendingStatement] = []
    /// An answer that was read and not yet dequeued: nothing is read before it is.
    private var answer: QueryAnswer?
    /// What was answered and isn't committed yet.
    private var uncommitted: QueryAnswer?
    /// A loss that was found out while asking, until the next `timer` reports it.
    private var unreportedLoss: DatabaseLoss?
    private var refreshAt: Instant?
    private let seesAllOrFails: Bool
    /// How often the first statement of this connection may still be sent again.
    private var repeatsLeft = 0

    /// What the statements are made of. Kept while the connection is lost.
    private var catalogue = ResourceCatalogue()
    private var prepared = PreparedStatements(ResourceCatalogue())
    /// The role to which the triggers' functions belonged when they were first found: whoever may make some in their
    /// place, after they were dropped, isn't believed.
    private var functionsOwner = ""

    /// Which tables announce their changes. Empty before the first answer; kept while the connection
    /// is lost.
    package var tables: AnnouncedTables { catalogue.tables }
    package var resources: [String] { catalogue.tables.names }
    /// Why memberships can't be asked for, as the end of a sentence about `project_members`; `nil`
    /// as long as nothing is known against it.
    package var membersFault: String? { catalogue.membersFault }

    /// - Parameter seesAllOrFails: a statement from whose rows row-level security would leave some out
    ///   fails instead.
    package init(target: ConnectionString, seed: UInt64, seesAllOrFails: Bool = false) {
        let shares = DatabaseQuery.allCases.reduce(0) { $0 + $1.pendingMax }
        precondition(shares <= DatabaseLimits.pendingStatementsMax)
        self.seesAllOrFails = seesAllOrFails
        link = DatabaseLink(
            target: target, seed: seed, unclaimedBytesMax: DatabaseLimits.answerBytesMax)
    }

    package var registration: DatabaseRegistration? { link.registration }
    package var phase: LinkLifecycle.Phase { link.lifecycle.phase }
    /// The caller has to call `HostResolver.begin`, and pass what it finds to `resolved` of the
    /// sessions: one that doesn't wait for it ignores it.
    package var needsResolution: Bool { link.isResolving }

    package var isLive: Bool {
        if case .live = phase { return true }
        return false
    }

    /// When `timer` has to be called; `nil`: no need.
    package var deadline: Instant? {
        if unreportedLoss != nil { return Instant(nanoseconds: 0) }
        if let deadline = link.lifecycle.deadline { return deadline }
        guard let answer = earliestAnswer else { return refreshAt }
        return refreshAt.map { min($0, answer) } ?? answer
    }

    private var earliestAnswer: Instant? {
        pending.lazy.map(\.deadline).min()
    }

    package mutating func start(_ now: Instant) -> DatabaseEvent {
        timer(now)
    }

    /// Acts on `deadline`. Call it after the turn's `ready`: an answer that came while the whole
    /// program was stopped is in time.
    package mutating func timer(_ now: Instant) -> DatabaseEvent {
        if let loss = unreportedLoss {
            unreportedLoss = nil
            return .lost(loss)
        }
        guard isLive else { return act(link.timer(now), now) }
        if let answer = earliestAnswer, answer <= now { return lose(.answerTimeout, now) }
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
            return lose(error, now)
        }
        return readReplies(now)
    }

    /// Reads the list of resources again: call it when the listener has become live, because a
    /// migration may have come with the restart. Does nothing while not live (it is read then anyway).
    package mutating func refreshResources(_ now: Instant) -> DatabaseEvent {
        guard isLive else { return .none }
        refreshAt = now.advanced(byNanoseconds: DatabaseLimits.resourcesIntervalNanoseconds)
        // An answer under way may have been read before the change; a second one behind it wasn't.
        guard hasRoom(for: .resources) else { return .none }
        return sendOwn(.resources, now)
    }

    // MARK: Asking

    /// Statements of the kind that wait for their answers.
    package func pendingCount(of query: DatabaseQuery) -> Int {
        pending.count { $0.query == query }
    }

    /// Whether one more statement of the kind may be asked now.
    package func hasRoom(for query: DatabaseQuery) -> Bool {
        pending.count < DatabaseLimits.pendingStatementsMax
            && pendingCount(of: query) < query.pendingMax
    }

    /// Sends a statement. Its answer comes back with `tag`.
    ///
    /// A connection that turns out to be lost is reported by `timer`, which is due at once then.
    ///
    /// - Parameter follower: who asked, for the answer; `nil` for this process itself.
    package mutating func ask(
        _ query: DatabaseQuery, _ parameters: borrowing QueryParameters, tag: UInt64,
        for follower: Handle? = nil, _ now: Instant
    ) -> AskOutcome {
        guard isLive else { return .notLive }
        guard hasRoom(for: query) else { return .full }
        do {
            try send(query, parameters, tag: tag, for: follower, now)
        } catch {
            // This statement counts as asked, and fails with the others.
            fail()
            unreportedLoss = link.lose(.closed(error), now)
        }
        return .asked
    }

    /// The next answer. Dequeue them all after each call that can read some, and go on reading
    /// behind each.
    package mutating func dequeueAnswer() -> QueryAnswer? {
        if let answer = answer.take() { return answer }
        guard !lost.isEmpty else { return nil }
        let statement = lost.removeFirst()
        return statement.answer(.failed(.lost))
    }

    /// Drops the connection, or the attempt to get one, if there is any. Nothing begins again but by `timer`.
    package mutating func close(_ reason: DatabaseLoss, _ now: Instant) -> DatabaseEvent {
        unreportedLoss = nil
        if case .disconnected = phase { return .none }
        return lose(reason, now)
    }

    /// Reads on behind an answer that was dequeued.
    package mutating func continueReading(_ now: Instant) -> DatabaseEvent {
        readReplies(now)
    }

    // MARK: Sending

    private mutating func act(_ step: DatabaseLink.Step, _ now: Instant) -> DatabaseEvent {
        switch step {
        case .nothing: return .none
        case .lost(let loss):
            fail()
            return .lost(loss)
        case .connected: break
        }
        refreshAt = now.advanced(byNanoseconds: DatabaseLimits.resourcesIntervalNanoseconds)
        prepared.sessionBegins()
        repeatsLeft = DatabaseLimits.settingRepeatsMax
        do {
            try link.perform { (open: inout PostgresConnection) throws(PostgresError) in
                try open.enterPipelineMode()
            }
        } catch {
            return lose(.closed(error), now)
        }
        return sendOwn(.path, now)
    }

    /// Nothing else is sent before the path is pinned: the server reads a statement when it comes to it.
    private mutating func sendOwn(_ query: DatabaseQuery, _ now: Instant) -> DatabaseEvent {
        do {
            try send(query, QueryParameters(), tag: 0, now)
        } catch {
            return lose(.closed(error), now)
        }
        return .none
    }

    /// Each statement ends in a sync of its own: one that fails takes no other with it. Up to there it is one
    /// transaction with its guard, and isn't read before that has run.
    private mutating func send(
        _ query: DatabaseQuery, _ parameters: borrowing QueryParameters, tag: UInt64,
        for follower: Handle? = nil, _ now: Instant
    ) throws(PostgresError) {
        let deadline = now.advanced(byNanoseconds: query.answerNanoseconds)
        let form = prepared.send(query)
        pending.append(
            PendingStatement(
                query: query, tag: tag, for: follower, deadline: deadline, form: form))
        let texts =
            query == .path && seesAllOrFails ? .pathThatSeesAll : prepared.texts(of: query)
        try link.perform { (open: inout PostgresConnection) throws(PostgresError) in
            try open.send(texts, as: form, parameters)
            try open.synchronize()
        }
    }

    private mutating func lose(_ reason: DatabaseLoss, _ now: Instant) -> DatabaseEvent {
        fail()
        return .lost(link.lose(reason, now))
    }

    /// Nothing that is pending will be answered any more. Its askers are notified, except those whose
    /// answer has come already and only waits for its sync.
    private mutating func fail() {
        lost.append(
            contentsOf: pending.lazy.filter {
                !$0.query.isOwn && (!$0.isAnswered || $0.query.isAnsweredAtCommit)
            })
        uncommitted = nil
        pending.removeAll(keepingCapacity: true)
        refreshAt = nil
    }

    // MARK: Answers

    /// Reads the answers that have arrived, up to the first that the caller has to dequeue. When
    /// several ask for something, the caller hears of the most important: live or lost, then a
    /// refused statement, then the resources.
    private mutating func readReplies(_ now: Instant) -> DatabaseEvent {
        var event = DatabaseEvent.none
        while answer == nil, let oldest = pending.first {
            let reply = link.connection?.nextReply() ?? .busy
            if !oldest.ahead.isEmpty {
                guard let end = readAhead(reply, now) else { continue }
                return end == .none ? event : end
            }
            switch consume reply {
            case .busy: return event
            case .endOfStatement:
                // Its sync follows. libpq answers so for ever once the connection is broken.
                guard oldest.isAnswered, !oldest.isEnded || oldest.hasFailedAtCommit else {
                    return unexpectedReply(now)
                }
                pending[0].isEnded = true
                pending[0].hasFailedAtCommit = false
            case .synchronized:
                guard oldest.isEnded else { return unexpectedReply(now) }
                pending.removeFirst()
                answer = uncommitted.take()
            case .rows(let rows):
                guard isFirstAnswer() else { return unexpectedReply(now) }
                if oldest.query == .path {
                    event = sendOwn(.resources, now)
                    guard case .none = event else { return event }
                } else if oldest.query.isAnsweredAtCommit {
                    uncommitted = oldest.answer(.rows(rows))
                } else if oldest.query != .resources {
                    answer = oldest.answer(.rows(rows))
                } else if !receiveResources(rows, now, &event) {
                    return unexpectedReply(now)
                }
            case .succeeded:
                guard isFirstAnswer(), !oldest.query.isOwn else {
                    return unexpectedReply(now)
                }
                answer = oldest.answer(.succeeded)
            case .failed(let error):
                guard !error.endsSession else { return lose(.closed(error), now) }
                guard !oldest.isAnswered || !oldest.query.isAnsweredAtCommit else {
                    // What it did is undone: it failed as it was committed. libpq ends it once more.
                    pending[0].hasFailedAtCommit = true
                    uncommitted = oldest.answer(.failed(.refused(error)))
                    break
                }
                guard isLive || isCancelledAgain(oldest, error) else {
                    return lose(.preparingFailed(error), now)
                }
                guard isFirstAnswer() else { return unexpectedReply(now) }
                if oldest.query == .path {
                    event = sendOwn(.path, now)
                    guard case .none = event else { return event }
                    continue
                }
                if oldest.query != .resources {
                    refuse(oldest, error, now)
                } else if event != .live {
                    event = .refused(error)
                }
            case .skipped:
                guard oldest.isSkipped else { return unexpectedReply(now) }
                pending[0].isSkipped = false
            }
        }
        return event
    }

    /// Reads the answer to what goes ahead of the oldest statement. Returns `nil` to read on; otherwise reading ends,
    /// with `.none` when nothing more has come.
    private mutating func readAhead(
        _ reply: consuming PostgresReply, _ now: Instant
    ) -> DatabaseEvent? {
        let oldest = pending[0]
        let step = oldest.ahead.first
        switch consume reply {
        case .busy: return DatabaseEvent.none
        case .endOfStatement where oldest.isStepAnswered:
            pending[0].ahead.remove(step)
            pending[0].isStepAnswered = false
            return nil
        case .succeeded where !oldest.isStepAnswered && step != .check:
            prepared.did(step, of: oldest.query, in: oldest.generation)
        case .rows where !oldest.isStepAnswered && step == .check: break
        case .skipped where !oldest.isStepAnswered && oldest.isSkipped: break
        case .failed(let error) where !oldest.isStepAnswered && !oldest.isSkipped:
            guard !error.endsSession else { return lose(.closed(error), now) }
            guard !oldest.query.isOwn else { return unexpectedReply(now) }
            pending[0].isSkipped = true
            pending[0].isAnswered = true
            refuse(oldest, error, now)
        default:
            return unexpectedReply(now)
        }
        pending[0].isStepAnswered = true
        return nil
    }

    /// What the tables were found to be may not be so any more.
    private mutating func refuse(
        _ statement: PendingStatement, _ error: PostgresError, _ now: Instant
    ) {
        // The guard's words are for here alone.
        let refusal = statement.ahead.first == .check ? TableGuard.refusal(error) : nil
        let isFinal = refusal == nil && error.isAboutSchema
        prepared.failed(
            statement.query, before: statement.ahead, in: statement.generation, isFinal: isFinal)
        if statement.query == .members || refusal != nil || isFinal { lookAgain(now) }
        answer = statement.answer(.failed(.refused(refusal ?? error)))
    }

    /// Whether the first statement, which frees the session of the role's timeouts, was itself ended by one
    /// and may be sent again: the second time nothing has to be looked up in the catalogue first.
    private mutating func isCancelledAgain(
        _ statement: PendingStatement, _ error: PostgresError
    ) -> Bool {
        guard statement.query == .path, error.isCancellation, repeatsLeft > 0 else { return false }
        repeatsLeft -= 1
        return true
    }

    /// The catalogue is due soon.
    private mutating func lookAgain(_ now: Instant) {
        let soon = now.advanced(byNanoseconds: DatabaseLimits.resourcesAgainNanoseconds)
        refreshAt = refreshAt.map { min($0, soon) } ?? soon
    }

    /// Notes that the oldest statement is being answered. False when it was already.
    private mutating func isFirstAnswer() -> Bool {
        guard !pending[0].isAnswered else { return false }
        pending[0].isAnswered = true
        return true
    }

    /// The answers don't fit the statements: this connection can't be trusted any more.
    private mutating func unexpectedReply(_ now: Instant) -> DatabaseEvent {
        lose(.preparingFailed(PostgresError(message: "unexpected answer")), now)
    }

    /// False when the rows aren't what the statement returns.
    private mutating func receiveResources(
        _ rows: borrowing PostgresRows, _ now: Instant, _ event: inout DatabaseEvent
    ) -> Bool {
        guard var found = ResourceCatalogue(rows) else { return false }
        if functionsOwner.isEmpty {
            functionsOwner = found.functionsOwner
        } else if !found.functionsOwner.isEmpty, found.functionsOwner != functionsOwner {
            found.distrustFunctions(since: functionsOwner)
        }
        let changed = found != catalogue
        catalogue = found
        prepared.catalogueIs(found)
        if found.membersFault != nil { lookAgain(now) }
        if !isLive {
            link.prepared(now)
            event = .live
        } else if event == .none || event == .resources(changed: false) {
            event = .resources(changed: changed)
        }
        return true
    }
}
