internal import Reactor

// The sessions of this process as the other workers use them: what they hear, and what they ask.
extension Server {
    /// There is a follower more. What was heard before it hears of is what it reads in the event log.
    mutating func adopt(_ socket: consuming OwnedDescriptor) {
        let descriptor = socket.raw
        let follower = SessionSharing.Follower(link: SessionLink(socket))
        guard let index = sharing.followers.insert(follower) else { return }
        do throws(Errno) {
            try poller.add(descriptor, handle: handle(ofFollower: index), interest: .read)
        } catch {
            core.log.failed("epoll_ctl for a follower", error: error.description)
            sharing.followers.remove(index)
            return
        }
        core.database.followers = sharing.followers.count
        if sessions.queries.isLive {
            relayedTables.write(into: &sharing.followers[index].link.outgoing)
        }
        relayStatus()
        // What a canary's statement finds it hasn't heard yet.
        sessions.canary.hurry(core.clock.now)
    }

    func handle(ofFollower index: Int) -> Handle {
        sharing.followers.handle(of: index, kind: HandleKind.followerLink.rawValue)
    }

    mutating func removeFollower(_ index: Int) {
        sharing.followers.remove(index)
        core.database.followers = sharing.followers.count
        if sharing.followers.count == 0 { sharing.beatAt = nil }
    }

    mutating func removeFollowers() {
        for index in 0..<sharing.followers.highWaterMark where sharing.followers.isOccupied(index) {
            removeFollower(index)
        }
    }

    // MARK: What followers hear

    // Hot path, once for each notification.
    mutating func relay(_ notification: borrowing PostgresNotification) {
        guard sharing.followers.count > 0 else { return }
        let channel: HeardChannel =
            isDirect(notification) ? .direct : isCanary(notification) ? .canary : .changes
        for index in 0..<sharing.followers.highWaterMark where sharing.followers.isOccupied(index) {
            HeardChannel.write(
                notification.payload, on: channel,
                into: &sharing.followers[index].link.outgoing)
            core.metrics.notificationsRelayed &+= 1
            cutIfLate(index)
        }
    }

    /// One that doesn't read as fast as it is written to is as one that has lost its listener.
    private mutating func cutIfLate(_ index: Int) {
        guard
            sharing.followers[index].link.waitingBytes > DatabaseLimits.linkWaitingBytesMax
        else { return }
        core.metrics.sessionLinksCut &+= 1
        core.log.followerIsCut(at: core.clock.now)
        removeFollower(index)
    }

    /// How the sessions are now, and that this process runs.
    mutating func relayStatus() {
        guard sharing.followers.count > 0 else { return }
        var status = SessionStatus()
        if core.database.isListening { status.insert(.listening) }
        if core.database.isCanaryInTime { status.insert(.canaryInTime) }
        if core.database.answersQueries { status.insert(.answersQueries) }
        if sessions.reads.isLive { status.insert(.answersReads) }
        for index in 0..<sharing.followers.highWaterMark where sharing.followers.isOccupied(index) {
            status.write(into: &sharing.followers[index].link.outgoing)
        }
        sharing.beatAt = core.clock.now.advanced(byNanoseconds: DatabaseLimits.beatNanoseconds)
    }

    private var relayedTables: RelayedTables {
        RelayedTables(sessions.queries.tables, membersFault: sessions.queries.membersFault)
    }

    mutating func relayTables() {
        guard sharing.followers.count > 0 else { return }
        let tables = relayedTables
        for index in 0..<sharing.followers.highWaterMark where sharing.followers.isOccupied(index) {
            tables.write(into: &sharing.followers[index].link.outgoing)
        }
    }

    /// What a canary's statement has found.
    mutating func relayState(_ rows: borrowing PostgresRows) {
        for index in 0..<sharing.followers.highWaterMark where sharing.followers.isOccupied(index) {
            SessionFrame.writeState(rows, into: &sharing.followers[index].link.outgoing)
        }
    }

    // MARK: What followers ask

    mutating func followerReady(_ handle: Handle, _ readiness: Readiness) {
        guard let index = sharing.followers.index(of: handle) else { return }
        let outcome = sharing.followers[index].link.receive(by: &area).outcome
        guard readQuestions(of: index), case .open = outcome else {
            removeFollower(index)
            return
        }
    }

    /// False when it sends what no follower sends.
    private mutating func readQuestions(of index: Int) -> Bool {
        while true {
            switch sharing.followers[index].link.next() {
            case .incomplete: return true
            case .malformed: return false
            case .frame(let place):
                guard place.kind == .question,
                    sharing.followers[index].keep(place, checkedIn: &sharing.parameters)
                else { return false }
                sharing.followers[index].link.finish(place)
            }
        }
    }

    /// Sends what followers ask, one question of each in turn, as long as the session has room. Returns whether any
    /// was sent.
    mutating func askForFollowers(aboutMembers: Bool) -> Bool {
        var idle = 0
        var hasAsked = false
        while idle < sharing.followers.highWaterMark {
            if sharing.nextFollower >= sharing.followers.highWaterMark { sharing.nextFollower = 0 }
            let index = sharing.nextFollower
            sharing.nextFollower += 1
            guard sharing.followers.isOccupied(index),
                ask(forFollower: index, aboutMembers: aboutMembers)
            else {
                idle += 1
                continue
            }
            idle = 0
            hasAsked = true
        }
        return hasAsked
    }

    private mutating func ask(forFollower index: Int, aboutMembers: Bool) -> Bool {
        guard !sharing.followers[index].questions.isEmpty else { return false }
        let next =
            aboutMembers
            ? sharing.followers[index].questions.dequeue(
                for: sessions.queries.session, isAboutMembers: true, into: &sharing.parameters)
            : sharing.followers[index].questions.dequeue(
                for: sessions.reads.session, isAboutMembers: false, into: &sharing.parameters)
        guard let next else { return false }
        core.metrics.questionsRelayed &+= 1
        let handle = handle(ofFollower: index)
        let outcome =
            aboutMembers
            ? sessions.queries.session.ask(
                next.query, sharing.parameters, tag: next.tag, for: handle, core.clock.now)
            : sessions.reads.session.ask(
                next.query, sharing.parameters, tag: next.tag, for: handle, core.clock.now)
        if outcome != .asked {
            relay(
                QueryAnswer(
                    query: next.query, tag: next.tag, for: handle, outcome: .failed(.lost)),
                to: handle)
        }
        return true
    }

    /// Hands an answer to the follower that asked, if it is still there.
    mutating func relay(_ answer: consuming QueryAnswer, to follower: Handle) {
        guard let index = sharing.followers.index(of: follower) else { return }
        SessionFrame.writeAnswer(answer, into: &sharing.followers[index].link.outgoing)
        cutIfLate(index)
    }

    // MARK: Sending

    /// Sends what waits on links: before anything goes to clients of this process, since others wait for it.
    mutating func sendToLinks() {
        for index in 0..<sharing.followers.highWaterMark where sharing.followers.isOccupied(index) {
            guard case .open = sharing.followers[index].link.send() else {
                removeFollower(index)
                continue
            }
            let isBlocked = sharing.followers[index].link.waitingBytes > 0
            guard isBlocked != sharing.followers[index].link.isBlocked else { continue }
            sharing.followers[index].link.isBlocked = isBlocked
            watch(
                sharing.followers[index].link.descriptor, handle(ofFollower: index),
                isBlocked: isBlocked)
        }
        sendToLeader()
    }

    func watch(_ descriptor: Int32, _ handle: Handle, isBlocked: Bool) {
        do throws(Errno) {
            try poller.modify(
                descriptor, handle: handle, interest: isBlocked ? [.read, .write] : .read)
        } catch {
            // EPOLL_CTL_MOD of a registered descriptor needs no memory: this is a bug.
            preconditionFailure("a link can't be watched: \(error)")
        }
    }
}
