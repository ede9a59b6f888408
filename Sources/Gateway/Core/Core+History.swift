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

// What is read from the event log, and what is done when the listener is back.
extension Core {
    // MARK: The listener

    /// The listener has begun to listen, after the start or after a loss: whatever was committed
    /// before wasn't heard. Every project with an audience gets it from the event log, or a resync,
    /// some in each turn.
    package mutating func listenerBecameLive() {
        database.isListening = true
        direct.readAllAgain()
        catchUp()
    }

    /// What was being read has a gap behind it now; the next catch-up is another one.
    package mutating func listenerWasLost() {
        database.isListening = false
        _ = history.endCatchUp()
        readAllAgain()
    }

    private mutating func readAllAgain() {
        for segment in history.reads.askAllAgain() { outbox.release(segment) }
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
        answerAllReads()
    }

    /// Whoever waits for what was missed gets a resync.
    mutating func answerAllReads() {
        let unreadable = history.reads.answerAll(.cursorExpired)
        for segment in unreadable.segments { outbox.release(segment) }
        for project in unreadable.audiences { resyncAudience(of: project, .cursorExpired) }
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
        readAllAgain()
        resyncEverything()
    }

    /// What was announced isn't known, and so not who was removed.
    mutating func resyncEverything() {
        if settings.checksMembership {
            verifyEverything()
        } else {
            history.beginResync(of: nil)
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

    /// Whether there is something to ask the event log for. Those whose reads are answered come first, so
    /// that what was read doesn't pile up.
    package var wantsReads: Bool {
        database.isListening && history.reads.hasWanted && !history.reads.hasAnswered
    }

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

    /// Answers those who have waited for too long, some in each turn: the database doesn't answer. They
    /// are subscribed, and told to fetch all.
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

    /// There is nothing to say but that all may have changed.
    private mutating func finish(_ project: ProjectID, resync reason: ResyncReason) {
        guard let read = history.reads.take(project) else { return }
        if read.isForAudience { resyncAudience(of: project, reason) }
        guard !history.reads.dropUnlessAwaited(read) else { return }
        history.reads.give(ReadAnswer(resync: reason), of: read)
    }

    private mutating func finish(
        _ project: ProjectID, _ answer: borrowing EventsAnswer, _ rows: Range<Int>
    ) {
        guard let read = history.reads.take(project) else { return }
        let isAwaited = !history.reads.dropUnlessAwaited(read)
        var found = ReadAnswer(resync: nil)
        var payload = ByteBuffer()
        for row in rows {
            payload.removeAll()
            answer.writePayload(of: row, into: &payload)
            guard payload.count > 0 else { continue }
            if read.isForAudience { notify(payload.bytes) }
            if isAwaited { append(payload.bytes, of: project, to: &found) }
        }
        guard isAwaited else { return }
        if outbox.byteCount(of: found.missed) > Limits.segmentBytesMax {
            found.resync = .tooManyChanges
        }
        found.cursor = answer.cursor
        found.last = answer.last
        history.reads.give(found, of: read)
    }

    // MARK: Giving what was read

    /// Gives those who wait what was read for them, some in each turn.
    package mutating func answerResumes() {
        var left = settings.resumesPerTurn
        while left > 0, let read = history.reads.firstAnswered, let answer = read.answer {
            let finished = finishedRead(read, answer)
            while left > 0, let waiter = history.reads.removeFirstWaiter(of: read) {
                deliver(finished, answer, to: waiter)
                left -= 1
            }
            guard left > 0 else { return }
            for segment in history.reads.finishFirstAnswered() { outbox.release(segment) }
        }
    }

    /// What the next ones get: what was missed, and what was kept until now.
    private mutating func finishedRead(_ read: ProjectRead, _ answer: ReadAnswer) -> FinishedRead {
        var finished = FinishedRead(project: read.project, resync: answer.resync)
        guard answer.resync == nil else { return finished }
        guard !read.isOverflown else {
            finished.resync = .tooManyChanges
            return finished
        }
        finished.missed = answer.missed
        finished.kept = answer.kept
        finished.cursor = answer.cursor
        guard read.frameCount > answer.keptFrameCount else { return finished }
        outbox.release(answer.kept)
        finished.kept = outbox.segments.make(capacity: read.frames.count)
        outbox.segments.append(read.frames.span, frames: read.frameCount, to: finished.kept)
        history.reads.noteKept(finished.kept, of: read)
        return finished
    }

    private mutating func deliver(
        _ finished: FinishedRead, _ answer: ReadAnswer, to waiter: ReadWaiter
    ) {
        var waiter = waiter
        if settings.checksMembership, let index = clients.index(of: waiter.client),
            answer.unverified.contains(clients[index].user)
        {
            waiter.isUnverified = true
        }
        // What was read for it may have begun before what it asked for.
        let isOfTheFuture = answer.last.map { waiter.since > $0 } ?? true
        guard finished.resync == nil, isOfTheFuture else {
            deliver(finished, to: waiter)
            return
        }
        deliver(FinishedRead(project: finished.project, resync: .cursorExpired), to: waiter)
    }

    /// Appends the frame of an event to what was missed.
    private mutating func append(
        _ payload: borrowing Span<UInt8>, of project: ProjectID, to answer: inout ReadAnswer
    ) {
        var message = outbox.message()
        do throws(NotificationError) {
            let facts = try Notification.encode(
                payload: payload, heard: nil, into: &message.text)
            if facts.project == project {
                answer.unverified.note(facts.effect)
                message.endFrame()
                outbox.append(message, to: &answer.missed)
            }
        } catch {
            metrics.notificationsInvalid += 1
            log.badNotification(detail: "\(error.description)", payload: payload, at: clock.now)
        }
        outbox.discard(message)
    }
}
