package import Reactor

/// A read that is answered: what each of those who waited for it gets.
struct FinishedRead: BitwiseCopyable {
    let project: ProjectID
    /// Why there is nothing to give but a resync; `nil` when there is.
    let resync: ResyncReason?
    /// The frames of what was missed, and of what came since it was asked; `none` without any.
    let missed: SegmentIndex
    let kept: SegmentIndex
    /// From where to resume once what was missed has been got; `nil` with a resync.
    let cursor: Cursor?
}

/// Whose membership a read puts in doubt.
///
/// A read may show a removal before the listener has heard of it, and with it what was committed
/// behind. Whoever was a member when the read was wanted, and isn't any more, has a removal in it:
/// it was committed after the cursor.
private struct MembershipDoubts {
    private var users: Set<UserID> = []
    private var isEveryonesDoubtful = false

    mutating func note(_ effect: NotificationFacts.Effect) {
        switch effect {
        case .none: break
        case .memberRemoved(let user): users.insert(user)
        case .someMembersRemoved, .projectDeleted: isEveryonesDoubtful = true
        }
    }

    func concern(_ user: UserID) -> Bool {
        isEveryonesDoubtful || users.contains(user)
    }
}

// What is read from the event log, and what was heard last.
extension Core {
    // MARK: The cursor

    /// Everything before this cursor has been heard.
    mutating func advance(to cursor: Cursor) {
        self.cursor = self.cursor.map { max($0, cursor) } ?? cursor
    }

    /// A canary has come back: everything before it has been heard.
    package mutating func heardCanary(_ song: CanarySong) {
        if !isCatchingUp { advance(to: song.cursor) }
    }

    /// Whether missed events can be read, as the database said just now.
    package mutating func eventLogIs(_ state: EventLogState) {
        guard state != eventLog else { return }
        log.eventLogIs(state)
        eventLog = state
        guard state != .usable else { return }
        // What is wanted can't be had: resyncs instead.
        for read in reads.takeAll() { finish(read, resync: .cursorExpired) }
    }

    // MARK: Catching up

    /// Whether notifications have to wait, because what was announced before them is being read.
    package var isCatchingUp: Bool { reads.audienceCount > 0 }

    /// The listener is back. Whoever looks at a project gets what was announced meanwhile: from the
    /// event log if that is possible, else a resync. The log has removals of members too, and they
    /// come first; without it all memberships have to be looked up.
    mutating func catchUp() {
        guard eventLog == .usable, let cursor, hub.projectCount <= Limits.catchUpRoomsMax else {
            resyncEverything()
            return
        }
        if settings.checksMembership {
            desk.outdateEverything()
            reads.doubt { _, _ in true }
        }
        for raw in 0..<hub.roomIndexEnd {
            guard let room = hub.liveRoom(raw) else { continue }
            reads.addAudience(of: hub.project(of: room), since: cursor)
        }
        guard isCatchingUp else { return }
        log.catchingUp(projects: reads.audienceCount)
        catchUpDeadline = now.advanced(byNanoseconds: Limits.catchUpNanosecondsMax)
    }

    /// What was missed can't be read in time, or too much came meanwhile: every project gets a
    /// resync, and notifications are taken in again.
    package mutating func giveUpCatchingUp() {
        catchUpDeadline = nil
        guard isCatchingUp else { return }
        log.gaveUpCatchingUp()
        reads.dropAudiences()
        resyncEverything()
    }

    /// What was announced isn't known, and so not who was removed.
    private mutating func resyncEverything() {
        if settings.checksMembership {
            verifyEverything()
        } else {
            resyncCursor = 0
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

    /// Whether the server has something to ask for.
    package var wantsReads: Bool { isListening && reads.hasWanted }

    /// Fills in the parameters of the next statement and returns its tag; `nil` when there is
    /// nothing to ask at present.
    package mutating func askReads(_ projects: inout ByteBuffer, _ cursors: inout ByteBuffer)
        -> UInt64?
    {
        guard wantsReads, let asked = reads.ask() else { return nil }
        projects.removeAll()
        cursors.removeAll()
        for (position, project) in asked.projects.enumerated() {
            projects.append(position == 0 ? "{" : ",")
            cursors.append(position == 0 ? "{" : ",")
            project.write(to: &projects)
            reads.since(of: project)?.write(to: &cursors)
        }
        projects.append("}")
        cursors.append("}")
        return asked.statement
    }

    /// Takes in the answer to a statement; `nil` for one that nobody understands.
    package mutating func takeEvents(_ answer: borrowing EventsAnswer, tag: UInt64) {
        // Asked again since, because the listener was lost meanwhile.
        guard let projects = reads.takeStatement(tag) else { return }
        var start = 0
        for position in projects.indices {
            let rows = answer.rows(of: position, from: start)
            start = rows.upperBound
            if answer.isCut, start == answer.count {
                for project in projects[position...] { reads.askAgain(project) }
                return
            }
            finishRead(of: projects[position], answer, rows)
        }
    }

    /// How many projects a statement asks about; `nil` when its answer isn't wanted any more.
    package func projectCount(of tag: UInt64) -> Int? { reads.projectCount(of: tag) }

    /// The statement failed.
    package mutating func eventsFailed(tag: UInt64, _ failure: QueryFailure) {
        guard let projects = reads.takeStatement(tag) else { return }
        switch failure {
        case .lost:
            for project in projects { reads.askAgain(project) }
        case .refused(let error):
            log.refused("reading the event log", error, at: now)
            failReads(projects, .cursorExpired)
        }
    }

    private mutating func failReads(_ projects: [ProjectID], _ reason: ResyncReason) {
        for project in projects { finish(project, resync: reason) }
    }

    private mutating func finish(_ project: ProjectID, resync reason: ResyncReason) {
        if let read = reads.finish(project) { finish(read, resync: reason) }
    }

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

    /// Nothing can be told but that all may have changed.
    private mutating func finish(_ read: ProjectRead, resync reason: ResyncReason) {
        if read.isForAudience { resyncAudience(of: read.project, reason) }
        let finished = FinishedRead(
            project: read.project, resync: reason, missed: .none, kept: .none, cursor: nil)
        for waiter in read.waiters { deliver(finished, to: waiter) }
    }

    private mutating func finish(
        _ project: ProjectID, _ answer: borrowing EventsAnswer, _ rows: Range<Int>
    ) {
        guard let read = reads.finish(project) else { return }
        var missed = SegmentIndex.none
        var doubts = MembershipDoubts()
        var payload = ByteBuffer()
        for row in rows {
            payload.removeAll()
            answer.writePayload(of: row, into: &payload)
            guard payload.count > 0 else { continue }
            if read.isForAudience { notify(payload.bytes) }
            if !read.waiters.isEmpty { append(payload.bytes, of: project, to: &missed, &doubts) }
        }
        let isTooLarge =
            missed != .none && segments.count(of: missed) > Limits.segmentBytesMax
        var kept = SegmentIndex.none
        if !read.waiters.isEmpty, !read.frames.isEmpty {
            kept = segments.make(capacity: read.frames.count)
            segments.append(read.frames.span, frames: read.frameCount, to: kept)
        }
        let finished = FinishedRead(
            project: project, resync: isTooLarge || read.isOverflown ? .tooManyChanges : nil,
            missed: missed, kept: kept,
            cursor: answer.cursor)
        let expired = FinishedRead(
            project: project, resync: .cursorExpired, missed: .none, kept: .none, cursor: nil)
        for var waiter in read.waiters {
            if settings.checksMembership, let index = clients.index(of: waiter.client) {
                waiter.isDoubtful = waiter.isDoubtful || doubts.concern(clients[index].user)
            }
            // What was read for it may have begun before what it asked for.
            let isOfTheFuture = answer.last.map { waiter.since > $0 } ?? true
            deliver(isOfTheFuture ? expired : finished, to: waiter)
        }
        if missed != .none { segments.release(missed) }
        if kept != .none { segments.release(kept) }
    }

    /// Appends the frame of an event to a segment, which is made for the first.
    private mutating func append(
        _ payload: borrowing Span<UInt8>, of project: ProjectID, to segment: inout SegmentIndex,
        _ doubts: inout MembershipDoubts
    ) {
        text.removeAll()
        do throws(NotificationError) {
            let facts = try Notification.encode(payload: payload, into: &text)
            guard facts.project == project else { return }
            doubts.note(facts.effect)
        } catch {
            metrics.notificationsInvalid += 1
            log.badNotification(detail: "\(error.description)", payload: payload, at: now)
            return
        }
        frame.removeAll()
        FrameEncoder.write(text, opcode: .text, into: &frame)
        if segment == .none { segment = segments.make(capacity: frame.count) }
        segments.append(frame, frames: 1, to: segment)
    }
}
