internal import Reactor

// Clients that come back: they hear what they missed, then that they are subscribed, then what comes.
// Why nothing is missed in between stands in `ReadTable`.
extension Core {
    mutating func resume(
        _ index: ClientIndex, in project: ProjectID, since: Cursor, _ answer: SubscriptionAnswer
    ) {
        metrics.resumes += 1
        let handle = clients.handle(of: index)
        guard
            hub.isMember(index, of: project)
                || countOfOthers(than: project, of: index) < Limits.projectsPerConnectionMax
        else {
            refuseSubscription(index, answer)
            return
        }
        guard database.mayReadEvents, !history.expiry.isExpired(since) else {
            subscribeWithResync(index, to: project, .cursorExpired, answer)
            return
        }
        // Of a removal that wasn't announced yet only the log can tell, if it is read from where all
        // has been heard: whatever the client says that it knows.
        let hasHeard = !settings.checksMembership || history.cursor != nil
        let from = settings.checksMembership ? min(since, history.cursor ?? since) : since
        let waiter = ReadWaiter(
            client: handle, since: since, from: from, answer: answer,
            deadline: clock.now.advanced(byNanoseconds: Limits.resumeNanosecondsMax),
            isSubscribed: hub.isMember(index, of: project),
            isUnverified: !hasHeard || hub.isUnverified(index, of: project))
        var replaced: ReadWaiter?
        let outcome = history.resume(
            waiter, in: project, of: clients[index].user, replaced: &replaced, clock.now)
        if let replaced { refuseCancelled(replaced, of: index) }
        guard outcome == .refused else { return }
        if replaced?.isUnverified == true || waiter.isUnverified {
            subscribeSuspended(index, to: project, since: since, answer)
        } else {
            subscribeWithResync(index, to: project, .tooManyChanges, answer)
        }
    }

    /// The projects that the client is in or waits for.
    private func countOfOthers(than project: ProjectID, of index: ClientIndex) -> Int {
        let awaited = history.reads.projects(of: clients.handle(of: index)).count {
            $0 != project && !hub.isMember(index, of: $0)
        }
        return hub.projectCount(of: index) + awaited
    }

    /// Subscribes a client whose membership has yet to be verified: it gets nothing before the answer,
    /// and then a resync, or to hear that its membership has ended.
    private mutating func subscribeSuspended(
        _ index: ClientIndex, to project: ProjectID, since: Cursor, _ answer: SubscriptionAnswer
    ) {
        guard join(index, project), let room = hub.room(of: project) else {
            refuseSubscription(index, answer)
            return
        }
        if hub.suspend(index, in: room) {
            membership.verifications.verify(
                MembershipPair(project: project, user: clients[index].user))
        }
        confirm(answer, of: project, from: since, to: index)
    }

    /// At the end of a read: gives a client what it missed, and subscribes it.
    ///
    /// The cursor of the answer is the read's: what was kept brings its own.
    mutating func deliver(_ read: FinishedRead, to waiter: ReadWaiter) {
        guard let index = clients.index(of: waiter.client), clients[index].phase == .open else {
            return
        }
        if waiter.isUnverified {
            subscribeSuspended(index, to: read.project, since: waiter.since, waiter.answer)
            return
        }
        if let reason = read.resync {
            subscribeWithResync(index, to: read.project, reason, waiter.answer)
            return
        }
        guard join(index, read.project) else {
            refuseSubscription(index, waiter.answer)
            return
        }
        let kept = waiter.isSubscribed ? SegmentIndex.none : read.kept
        let byteCount = outbox.byteCount(of: read.missed) + outbox.byteCount(of: kept)
        guard outbox.hasRoom(forMissed: byteCount, in: clients[index].queue) else {
            // Too much waits for it already: it gets a resync when its socket takes bytes.
            owe(read.project, to: index)
            confirm(waiter.answer, of: read.project, from: waiter.since, to: index)
            return
        }
        queueMissed(read.missed, to: index)
        let cursor = max(waiter.since, read.cursor ?? waiter.since)
        confirm(waiter.answer, of: read.project, from: cursor, to: index)
        queueMissed(kept, to: index)
    }

    /// Queues a run of frames of a resume, which may be more than a queue may hold of others: it is
    /// shared by all who resume together, and comes once.
    private mutating func queueMissed(_ segment: SegmentIndex, to index: ClientIndex) {
        guard segment != .none else { return }
        metrics.deliveries &+= UInt64(outbox.segments.frames(of: segment))
        outbox.queueMissed(segment, for: index, &clients[index].queue, clock)
    }

    // MARK: Those who don't wait any longer

    /// Takes back what the client waits for in projects that it leaves itself.
    mutating func cancelResumes(of index: ClientIndex, except kept: ProjectID?) {
        for project in history.reads.projects(of: clients.handle(of: index))
        where project != kept {
            cancelResume(of: index, in: project)
        }
    }

    mutating func cancelResume(of index: ClientIndex, in project: ProjectID) {
        let handle = clients.handle(of: index)
        guard let waiter = history.reads.remove(handle, from: project) else { return }
        refuseCancelled(waiter, of: index)
    }

    /// A wait that a client has given a reference is answered: with an error, since it isn't subscribed
    /// by it. That isn't one of its mistakes, of which it may make so many a minute.
    private mutating func refuseCancelled(_ waiter: ReadWaiter, of index: ClientIndex) {
        guard waiter.answer.reference.isPresent else { return }
        sendUncounted(
            .notSubscribed, "the project was left, or asked for again, before the answer",
            waiter.answer.reference, to: index)
    }
}
