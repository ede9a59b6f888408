package import Reactor

/// A read that is answered: what each of those who waited for it gets.
struct FinishedRead: BitwiseCopyable {
    let project: ProjectID
    /// Why there is nothing to give but a resync; `nil` when there is.
    var resync: ResyncReason?
    /// The frames of what was missed, and of what came since it was asked; `none` without any.
    var missed = SegmentIndex.none
    var kept = SegmentIndex.none
    /// From where to resume once what was missed has been got; `nil` with a resync.
    var cursor: Cursor?
}

/// Whose membership a read makes one to verify.
///
/// A read may show a removal before the listener has heard of it, and with it what was committed
/// behind. Whoever was a member when the read was wanted, and isn't any more, has a removal in it:
/// it was committed after the cursor.
private struct UnverifiedUsers {
    private var users: Set<UserID> = []
    private var isEverybody = false

    mutating func note(_ effect: NotificationFacts.Effect) {
        switch effect {
        case .none: break
        case .memberRemoved(let user): users.insert(user)
        case .someMembersRemoved, .projectDeleted: isEverybody = true
        }
    }

    func contains(_ user: UserID) -> Bool {
        isEverybody || users.contains(user)
    }
}

// What is read from the event log, and what is done when the listener is back.
extension Core {
    // MARK: The listener

    /// The listener has begun to listen, after the start or after a loss: whatever was committed
    /// before wasn't heard. Every project with an audience gets it from the event log, or a resync,
    /// some in each turn.
    package mutating func listenerBecameLive() {
        database.isListening = true
        catchUp()
    }

    /// What was being read has a gap behind it now; the next catch-up is another one.
    package mutating func listenerWasLost() {
        database.isListening = false
        _ = history.endCatchUp()
        history.reads.askAllAgain()
    }

    /// A canary has come back: everything before it has been heard.
    package mutating func receiveCanary(_ canary: CanaryPayload) {
        if !history.isCatchingUp { history.advance(to: canary.cursor) }
    }

    /// Whether missed events can be read, as the database said just now.
    package mutating func eventLogIs(_ state: EventLogState) {
        guard state != database.eventLog else { return }
        log.eventLogIs(state)
        database.eventLog = state
        guard state != .usable else { return }
        // What is wanted can't be had: resyncs instead.
        for answered in history.reads.removeAll() { finish(answered, resync: .cursorExpired) }
    }

    // MARK: Catching up

    /// Whether notifications have to wait, because what was announced before them is being read.
    package var isCatchingUp: Bool { history.isCatchingUp }

    /// The listener is back. Whoever looks at a project gets what was announced meanwhile: from the
    /// event log if that is possible, else a resync. The log has removals of members too, and they
    /// come first; without it all memberships have to be looked up.
    private mutating func catchUp() {
        guard database.eventLog == .usable, let cursor = history.cursor,
            hub.projectCount <= Limits.catchUpRoomsMax
        else {
            resyncEverything()
            return
        }
        if settings.checksMembership {
            membership.checks.outdateEverything()
            history.reads.unverifyAll()
        }
        for raw in 0..<hub.roomIndexEnd {
            guard let room = hub.liveRoom(raw) else { continue }
            history.reads.addAudience(of: hub.project(of: room), since: cursor)
        }
        guard isCatchingUp else { return }
        log.catchingUp(projects: history.reads.audienceCount)
        history.beginCatchUp(clock.now)
    }

    /// What was missed can't be read in time, or too much came meanwhile: every project gets a
    /// resync, and notifications are acted on again.
    package mutating func giveUpCatchingUp() {
        guard history.endCatchUp() else { return }
        log.gaveUpCatchingUp()
        resyncEverything()
    }

    /// More was announced than can be acted on, and was dropped: as if the listener had been lost. What
    /// is being read is read again, since it is to have what was dropped.
    package mutating func notificationsWereDropped(count: Int) {
        metrics.notificationsDropped &+= UInt64(count)
        log.notificationsDropped(count: count, at: clock.now)
        _ = history.endCatchUp()
        history.reads.askAllAgain()
        resyncEverything()
    }

    /// What was announced isn't known, and so not who was removed.
    mutating func resyncEverything() {
        if settings.checksMembership {
            verifyEverything()
        } else {
            history.resyncPosition = 0
        }
    }

    private mutating func resyncAudience(of project: ProjectID, _ reason: ResyncReason) {
        if settings.checksMembership {
            verifyAll(of: project, reason)
        } else if let room = hub.room(of: project) {
            resync(room, reason)
        }
    }

    // MARK: Asking and answers

    /// Whether there is something to ask the event log for.
    package var wantsReads: Bool { database.isListening && history.reads.hasWanted }

    /// Fills in the parameters of the next statement and returns its tag; `nil` when there is
    /// nothing to ask at present.
    package mutating func askReads(_ projects: inout ByteBuffer, _ cursors: inout ByteBuffer)
        -> UInt64?
    {
        guard wantsReads, let asked = history.reads.ask() else { return nil }
        projects.removeAll()
        cursors.removeAll()
        for (position, project) in asked.projects.enumerated() {
            projects.append(position == 0 ? "{" : ",")
            cursors.append(position == 0 ? "{" : ",")
            project.write(to: &projects)
            history.reads.since(of: project)?.write(to: &cursors)
        }
        projects.append("}")
        cursors.append("}")
        return asked.statement
    }

    /// Acts on the answer to a statement.
    package mutating func receiveEvents(_ answer: borrowing EventsAnswer, tag: UInt64) {
        // Asked again since, because the listener was lost meanwhile.
        guard let projects = history.reads.removeStatement(tag) else { return }
        var start = 0
        for position in projects.indices {
            let rows = answer.rows(of: position, from: start)
            start = rows.upperBound
            if answer.isCut, start == answer.count {
                for project in projects[position...] { history.reads.askAgain(project) }
                return
            }
            finishRead(of: projects[position], answer, rows)
        }
    }

    /// How many projects a statement asks about; `nil` when its answer isn't wanted any more.
    package func projectCount(of tag: UInt64) -> Int? { history.reads.projectCount(of: tag) }

    /// The statement failed.
    package mutating func eventsFailed(tag: UInt64, _ failure: QueryFailure) {
        guard let projects = history.reads.removeStatement(tag) else { return }
        switch failure {
        case .lost:
            for project in projects { history.reads.askAgain(project) }
        case .refused(let error):
            log.refused("reading the event log", error, at: clock.now)
            for project in projects { finish(project, resync: .cursorExpired) }
        }
    }

    /// Answers those who have waited for too long: the database doesn't answer. They are subscribed,
    /// and told to fetch all.
    package mutating func expireReads() {
        if history.isCatchUpLate(clock.now) { giveUpCatchingUp() }
        for one in history.removeExpired(clock.now) {
            deliver(FinishedRead(project: one.project, resync: .cursorExpired), to: one.waiter)
        }
    }

    /// When `expireReads` has to be called.
    package var readsDeadline: Instant? { history.deadline }

    // MARK: The end of a read

    private mutating func finishRead(
        of project: ProjectID, _ answer: borrowing EventsAnswer, _ rows: Range<Int>
    ) {
        guard let first = rows.first else {
            finish(project, resync: .cursorExpired)  // No horizon: the log is broken.
            return
        }
        switch answer[first] {
        case .expired: finish(project, resync: .cursorExpired)
        case .tooMany: finish(project, resync: .tooManyChanges)
        case .event where rows.count > EventsQuery.eventsMax:
            finish(project, resync: .tooManyChanges)
        case .event: finish(project, answer, rows)
        }
    }

    private mutating func finish(_ project: ProjectID, resync reason: ResyncReason) {
        if let answered = history.reads.finish(project) { finish(answered, resync: reason) }
    }

    /// There is nothing to say but that all may have changed.
    private mutating func finish(_ answered: AnsweredRead, resync reason: ResyncReason) {
        let project = answered.read.project
        if answered.read.isForAudience { resyncAudience(of: project, reason) }
        let finished = FinishedRead(project: project, resync: reason)
        for waiter in answered.waiters { deliver(finished, to: waiter) }
    }

    private mutating func finish(
        _ project: ProjectID, _ answer: borrowing EventsAnswer, _ rows: Range<Int>
    ) {
        guard let answered = history.reads.finish(project) else { return }
        var finished = FinishedRead(project: project)
        var unverified = UnverifiedUsers()
        var payload = ByteBuffer()
        for row in rows {
            payload.removeAll()
            answer.writePayload(of: row, into: &payload)
            guard payload.count > 0 else { continue }
            if answered.read.isForAudience { notify(payload.bytes) }
            if !answered.waiters.isEmpty {
                append(payload.bytes, of: project, to: &finished.missed, &unverified)
            }
        }
        let isTooLarge = outbox.byteCount(of: finished.missed) > Limits.segmentBytesMax
        if isTooLarge || answered.read.isOverflown { finished.resync = .tooManyChanges }
        if !answered.waiters.isEmpty, !answered.read.frames.isEmpty {
            finished.kept = outbox.segments.make(capacity: answered.read.frames.count)
            outbox.segments.append(
                answered.read.frames.span, frames: answered.read.frameCount, to: finished.kept)
        }
        finished.cursor = answer.cursor
        for waiter in answered.waiters { deliver(finished, answer, to: waiter, unverified) }
        outbox.release(finished.missed)
        outbox.release(finished.kept)
    }

    private mutating func deliver(
        _ finished: FinishedRead, _ answer: borrowing EventsAnswer, to waiter: ReadWaiter,
        _ unverified: UnverifiedUsers
    ) {
        var waiter = waiter
        if settings.checksMembership, let index = clients.index(of: waiter.client),
            unverified.contains(clients[index].user)
        {
            waiter.isUnverified = true
        }
        // What was read for it may have begun before what it asked for.
        let isOfTheFuture = answer.last.map { waiter.since > $0 } ?? true
        deliver(
            isOfTheFuture
                ? FinishedRead(project: finished.project, resync: .cursorExpired) : finished,
            to: waiter)
    }

    /// Appends the frame of an event to a segment, which is made for the first.
    private mutating func append(
        _ payload: borrowing Span<UInt8>, of project: ProjectID, to segment: inout SegmentIndex,
        _ unverified: inout UnverifiedUsers
    ) {
        var message = outbox.message()
        do throws(NotificationError) {
            let facts = try Notification.encode(
                payload: payload, heard: nil, into: &message.text)
            if facts.project == project {
                unverified.note(facts.effect)
                message.endFrame()
                outbox.append(message, to: &segment)
            }
        } catch {
            metrics.notificationsInvalid += 1
            log.badNotification(detail: "\(error.description)", payload: payload, at: clock.now)
        }
        outbox.discard(message)
    }
}
