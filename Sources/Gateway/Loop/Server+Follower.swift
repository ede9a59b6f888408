internal import Reactor

// The leader's sessions as this process uses them.
extension Server {
    private static var leaderHandle: Handle {
        Handle(kind: HandleKind.leaderLink.rawValue, index: 0, generation: 0)
    }

    /// Follows from here on. False when the link can't be watched.
    mutating func follow(over socket: consuming OwnedDescriptor) -> Bool {
        do throws(Errno) {
            try poller.add(socket.raw, handle: Self.leaderHandle, interest: .read)
        } catch {
            core.log.failed("epoll_ctl for the leader", error: error.description)
            return false
        }
        sharing.leader = SessionSharing.Leader(
            link: SessionLink(socket), heardAt: core.clock.now, since: core.clock.now)
        return true
    }

    mutating func leaderReady() {
        guard let came = sharing.leader?.link.receive(by: &area) else { return }
        if came.count > 0 { sharing.leader?.heardAt = core.clock.now }
        readLeaderFrames()
        if case .over = came.outcome, !sharing.hasUnread { leaderIsLost(.leaderIsGone) }
    }

    /// Acts on what the leader has sent. Of the event log's rows one answer is acted on in a turn, and what came
    /// behind it waits.
    mutating func readLeaderFrames() {
        while let next = sharing.leader?.link.next() {
            switch next {
            case .incomplete: return
            case .malformed:
                leaderIsOfAnotherKind()
                return
            case .frame(let place):
                guard place.kind != .answer || sessions.reads.relayed.hasRoomForAnswer else {
                    return
                }
                guard act(on: place) else {
                    leaderIsOfAnotherKind()
                    return
                }
                sharing.leader?.link.finish(place)
            }
        }
    }

    /// False when it isn't what a leader sends.
    private mutating func act(on place: SessionFrame.Place) -> Bool {
        switch place.kind {
        case .hello, .question: return false
        case .notification:
            return sharing.leader?.link.move(place, to: &sharing.heard) ?? false
        case .status:
            guard let status = sharing.leader?.link.status(in: place) else { return false }
            leaderIs(status)
        case .tables:
            guard let tables = sharing.leader?.link.tables(in: place) else { return false }
            sessions.queries.relayed.tables = tables
            if sessions.queries.isLive { act(on: .resources(changed: true)) }
        case .state:
            guard let rows = sharing.leader?.link.state(in: place) else { return false }
            handleCanary(.rows(rows))
        case .answer:
            guard let answer = sharing.leader?.link.answer(in: place) else { return false }
            return receive(answer)
        }
        return true
    }

    private mutating func receive(_ answer: consuming QueryAnswer) -> Bool {
        if answer.query == .members {
            guard sessions.queries.relayed.receive(answer) else { return false }
            queriesDid(.none)
        } else {
            guard sessions.reads.relayed.receive(answer) else { return false }
            readsDid(.none)
        }
        return true
    }

    private mutating func leaderIs(_ status: SessionStatus) {
        let before = sharing.leader?.status ?? []
        sharing.leader?.status = status
        let lost = before.subtracting(status)
        if lost.contains(.listening) {
            sharing.heard.removeAll()
            listenerIsLost(.lostByLeader)
        }
        if lost.contains(.answersQueries) {
            sessions.queries.relayed.isLive = false
            queriesDid(.lost(.lostByLeader))
        }
        if lost.contains(.answersReads) {
            sessions.reads.relayed.isLive = false
            readsDid(.lost(.lostByLeader))
        }
        let gained = status.subtracting(before)
        if gained.contains(.answersReads) {
            sessions.reads.relayed.isLive = true
            readsDid(.live)
        }
        if gained.contains(.answersQueries) {
            sessions.queries.relayed.isLive = true
            queriesDid(.live)
        }
        if gained.contains(.listening) { listenerIsLive() }
        core.database.isCanaryInTime = status.contains(.canaryInTime)
    }

    // MARK: The end of a link

    /// Everything that is asked fails, and nothing is heard.
    mutating func dropLeader(_ loss: DatabaseLoss) {
        sharing.leader = nil
        sharing.heard.removeAll()
        if core.database.isListening { listenerIsLost(loss) }
        sessions.queries.relayed.fail()
        queriesDid(core.database.answersQueries ? .lost(loss) : .none)
        let hadReads = sessions.reads.relayed.isLive
        sessions.reads.relayed.fail()
        readsDid(hadReads ? .lost(loss) : .none)
    }

    /// The parent is told, and says who leads.
    mutating func leaderIsLost(_ loss: DatabaseLoss) {
        guard let since = sharing.leader?.since else { return }
        dropLeader(loss)
        let now = core.clock.now
        if now.nanoseconds(since: since) >= DatabaseLimits.steadyLinkNanoseconds {
            sharing.backoff.reset()
        }
        // Not again and again at once, where links don't hold.
        let isFirst = sharing.backoff.failures == 0
        let delay = sharing.backoff.delayAfterFailure(randomness: jitter.next())
        sharing.isLeaderSilent = loss == .leaderIsSilent
        sharing.reportAt = isFirst ? now : now.advanced(byNanoseconds: delay)
        sharing.waitsUntil = now.advanced(byNanoseconds: DatabaseLimits.leaderWaitNanoseconds)
        setRole(.waiting)
    }

    /// It doesn't speak as this process does: they were built at different times. Each has sessions of its own
    /// until another leads.
    private mutating func leaderIsOfAnotherKind() {
        dropLeader(.leaderIsGone)
        openOwnSessions()
    }

    // MARK: What it has heard

    /// Acts on the next notification that the leader has heard. Returns the length of its payload; `nil` when
    /// there is none. Hot path.
    mutating func receiveHeard() -> Int? {
        guard let channel = sharing.heard.dequeueFirst(into: &sessions.payload) else { return nil }
        switch channel {
        case .direct: core.noteDirect(sessions.payload)
        case .changes where core.isCatchingUp: keepHeard(.changes)
        case .changes: core.notify(sessions.payload)
        case .canary: actOnKept(isCanary: true)
        }
        return sessions.payload.count
    }

    /// Takes what is beyond the turn's budget.
    mutating func keepHeardRest() {
        while let channel = sharing.heard.dequeueFirst(into: &sessions.payload) {
            keepHeard(channel)
        }
    }

    private mutating func keepHeard(_ channel: HeardChannel) {
        switch channel {
        case .direct: core.noteDirect(sessions.payload)
        case .canary where core.isCatchingUp: break
        case .canary, .changes:
            sessions.backlog.append(sessions.payload, isCanary: channel == .canary)
            boundBacklog()
        }
    }

    // MARK: Sending

    mutating func sendToLeader() {
        guard sharing.leader != nil else { return }
        Self.move(&sessions.queries.relayed.outgoing, to: &sharing.leader)
        Self.move(&sessions.reads.relayed.outgoing, to: &sharing.leader)
        guard case .open = sharing.leader?.link.send() else {
            leaderIsLost(.leaderIsGone)
            return
        }
        let isBlocked = (sharing.leader?.link.waitingBytes ?? 0) > 0
        guard isBlocked != sharing.leader?.link.isBlocked,
            let descriptor = sharing.leader?.link.descriptor
        else { return }
        sharing.leader?.link.isBlocked = isBlocked
        watch(descriptor, Self.leaderHandle, isBlocked: isBlocked)
    }

    /// By parameters: a span of a buffer counts as a borrow of the value that it stands in.
    private static func move(
        _ frames: inout ByteBuffer, to leader: inout SessionSharing.Leader?
    ) {
        leader?.link.outgoing.append(frames.bytes)
        frames.removeAll()
    }
}
