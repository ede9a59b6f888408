package import Reactor

// Clients that come back: they hear what they missed, then that they are subscribed, then what
// comes. How nothing is missed in between stands in `ReadTable`.
extension Core {
    /// From where a client of the project that hears everything from now on can resume; `nil` without
    /// an event log, and for one that has yet to get something of before: it resumes from where it can
    /// already.
    func offeredCursor(to index: ClientIndex, of project: ProjectID?) -> Cursor? {
        guard eventLog == .usable, !clients[index].flags.contains(.collapsed) else { return nil }
        guard let project = project ?? hub.firstProject(of: index) else { return cursor }
        return hub.isInDoubt(index, of: project) || hub.isBeingServed(index, of: project)
            ? nil : cursor
    }

    /// Subscribes a client, which may have been here before, and answers it: at once, or when what
    /// it missed has been read.
    mutating func subscribe(
        _ index: ClientIndex, to project: ProjectID, since: Since?, _ answer: SubscriptionAnswer
    ) {
        switch since {
        case nil:
            guard join(index, project) != .limitReached else {
                refuseSubscription(index, project, answer)
                return
            }
            confirm(
                answer, of: project, from: offeredCursor(to: index, of: project), to: index)
        case .malformed:
            metrics.clientErrors[.invalidCursor] += 1
            text.removeAll()
            ServerMessage.writeError(
                .invalidCursor, message: "since is not a cursor of this server", project: project,
                into: &text)
            sendText(to: index)
            subscribeWithResync(index, to: project, .cursorInvalid, answer)
        case .cursor(let cursor):
            resume(index, in: project, since: cursor, answer)
        }
    }

    private mutating func resume(
        _ index: ClientIndex, in project: ProjectID, since: Cursor, _ answer: SubscriptionAnswer
    ) {
        metrics.resumes += 1
        guard
            hub.isMember(index, of: project)
                || hub.projectCount(of: index) < Limits.projectsPerConnectionMax
        else {
            refuseSubscription(index, project, answer)
            return
        }
        guard eventLog == .usable || eventLog == .unknown else {
            subscribeWithResync(index, to: project, .cursorExpired, answer)
            return
        }
        // Of a removal that wasn't announced yet only the log can tell, if it is read from where all
        // has been heard: whatever the client says that it knows.
        let hasHeard = !settings.checksMembership || cursor != nil
        let from = settings.checksMembership ? min(since, cursor ?? since) : since
        let waiter = ReadWaiter(
            client: clients.handle(of: index, kind: HandleKind.client.rawValue), since: since,
            from: from, answer: answer,
            deadline: now.advanced(byNanoseconds: Limits.resumeNanosecondsMax),
            isSubscribed: hub.isMember(index, of: project),
            isDoubtful: !hasHeard || hub.isInDoubt(index, of: project))
        guard reads.add(waiter, for: project) else {
            subscribeWithResync(index, to: project, .tooManyChanges, answer)
            return
        }
        if readsCheck == nil { readsCheck = waiter.deadline }
    }

    private mutating func refuseSubscription(
        _ index: ClientIndex, _ project: ProjectID, _ answer: SubscriptionAnswer
    ) {
        guard clients[index].phase == .open else { return }
        sendTooManyProjects(answer.reference, to: index)
        // Who it is was accepted all the same.
        if case .ready = answer {
            confirm(answer, of: nil, from: offeredCursor(to: index, of: nil), to: index)
        }
    }

    /// Subscribes without having read what was missed: all may have changed.
    private mutating func subscribeWithResync(
        _ index: ClientIndex, to project: ProjectID, _ reason: ResyncReason,
        _ answer: SubscriptionAnswer
    ) {
        guard join(index, project) != .limitReached else {
            refuseSubscription(index, project, answer)
            return
        }
        log.resync(project: project, cause: reason, clients: 1, at: now)
        queueResync(of: project, reason, to: index)
        confirm(answer, of: project, from: offeredCursor(to: index, of: project), to: index)
    }

    /// Says that a subscription stands.
    mutating func confirm(
        _ answer: SubscriptionAnswer, of project: ProjectID?, from cursor: Cursor?,
        to index: ClientIndex
    ) {
        guard clients[index].phase == .open else { return }
        switch answer {
        case .silence: return
        case .confirmation(let reference): confirm(reference, from: cursor, to: index)
        case .ready(let reference):
            sendReady(project, from: cursor, to: index)
            confirm(reference, to: index)
        }
    }

    // MARK: At the end of a read

    /// Gives a client what it missed, and subscribes it.
    ///
    /// The cursor of the answer is the read's: what was kept brings its own.
    mutating func deliver(_ read: FinishedRead, to waiter: ReadWaiter) {
        guard let index = clients.index(of: waiter.client), clients[index].phase == .open else {
            return
        }
        if waiter.isDoubtful {
            if subscribeWithheld(index, to: read.project) {
                confirm(waiter.answer, of: read.project, from: waiter.since, to: index)
            } else {
                refuseSubscription(index, read.project, waiter.answer)
            }
            return
        }
        if let reason = read.resync {
            subscribeWithResync(index, to: read.project, reason, waiter.answer)
            return
        }
        guard join(index, read.project) != .limitReached else {
            refuseSubscription(index, read.project, waiter.answer)
            return
        }
        let cursor = max(waiter.since, read.cursor ?? waiter.since)
        if clients[index].flags.contains(.collapsed) {
            withhold(read.project, from: index)
            confirm(waiter.answer, of: read.project, from: waiter.since, to: index)
            return
        }
        queueResumed(read.missed, to: index)
        confirm(waiter.answer, of: read.project, from: cursor, to: index)
        if !waiter.isSubscribed { queueResumed(read.kept, to: index) }
    }

    /// Queues a run of frames of a resume, which may be more than a queue may hold of others: it is
    /// bounded by itself, shared by all who resume together, and comes once.
    private mutating func queueResumed(_ segment: SegmentIndex, to index: ClientIndex) {
        guard segment != .none, clients[index].phase == .open else { return }
        metrics.deliveries &+= UInt64(segments.frames(of: segment))
        segments.retain(segment)
        queueResumedPiece(segment, to: index)
    }

    // MARK: Those who don't wait any longer

    /// Takes back what the client waits for in projects that it leaves itself. What it asked to be
    /// told of is answered: with an error, since it isn't subscribed. That isn't one of its mistakes,
    /// of which it may make so many a minute.
    mutating func cancelResumes(
        of index: ClientIndex, where isLeft: (ProjectID) -> Bool
    ) {
        guard reads.waiterCount > 0 else { return }
        let handle = clients.handle(of: index, kind: HandleKind.client.rawValue)
        let removed = reads.removeWaiters { waiter, project in
            waiter.client == handle && isLeft(project)
        }
        for one in removed {
            guard one.waiter.answer.reference.isPresent else { continue }
            sendUncounted(
                .notSubscribed, "the project was left before the answer",
                one.waiter.answer.reference, to: index)
        }
    }

    /// Answers those who have waited for too long: the database doesn't answer. They are subscribed,
    /// and told to fetch all.
    package mutating func expireReads() {
        if let end = catchUpDeadline, end <= now { giveUpCatchingUp() }
        guard let check = readsCheck, check <= now else { return }
        let now = now
        for one in reads.removeWaiters(where: { waiter, _ in waiter.deadline <= now }) {
            let unread = FinishedRead(
                project: one.project, resync: .cursorExpired, missed: .none, kept: .none,
                cursor: nil)
            deliver(unread, to: one.waiter)
        }
        readsCheck =
            reads.waiterCount > 0
            ? now.advanced(byNanoseconds: Limits.resumeCheckNanoseconds) : nil
    }

    /// When `expireReads` has to be called.
    package var readsDeadline: Instant? {
        guard let readsCheck, let catchUpDeadline else { return readsCheck ?? catchUpDeadline }
        return min(readsCheck, catchUpDeadline)
    }
}

extension SubscriptionAnswer {
    var reference: Reference {
        switch self {
        case .silence: .absent
        case .confirmation(let reference), .ready(let reference): reference
        }
    }
}
