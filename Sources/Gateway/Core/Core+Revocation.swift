internal import Reactor

// Removals, in the order in which they were committed: whoever may be concerned gets nothing from
// here on, whatever comes behind.
extension Core {
    // MARK: What the database announces

    /// What an announced change means for subscriptions, before it is delivered.
    mutating func revoke(_ facts: NotificationFacts) {
        switch facts.effect {
        case .none: break
        case .memberRemoved(let user): suspend(MembershipPair(project: facts.project, user: user))
        case .someMembersRemoved:
            suspendAbsent(from: facts.project)
            verifyAll(of: facts.project, .membershipChecked)
        case .projectDeleted:
            suspendAbsent(from: facts.project)
            history.reads.unverify(facts.project)
            membership.checks.outdate(allOf: facts.project)
            // Some of a suspended audience may have lost their membership before the project ended:
            // they hear no more than that.
            if let room = hub.room(of: facts.project), hub.suspension(of: room) == .verifying {
                membership.verifications.verify(facts.project, .membershipChecked)
            }
        }
    }

    /// The end of a project was announced, and is on its way to its audience. Any role can say so, so
    /// only those are thrown out who turn out not to be members any more.
    mutating func verifyEnd(of project: ProjectID) {
        guard let room = hub.room(of: project) else { return }
        hub.setSuspension(.verifying, of: room)
        membership.verifications.verify(project, .membershipChecked, isEnd: true)
    }

    /// This user's membership was removed. Looks at the whole audience: there are many times more
    /// events than removals, so no index of users is kept for them. A storm of them is a matter of the
    /// whole project, which then needs no look for each.
    private mutating func suspend(_ pair: MembershipPair) {
        membership.checks.outdate(pair)
        unverifyResumes(of: pair)
        suspendAbsent(pair)
        guard let room = hub.room(of: pair.project) else { return }
        let count = hub.memberCount(of: room)
        let isStorm =
            membership.scannedCount > 0
            && membership.scannedCount + count > Limits.membersScannedPerTurn
        guard hub.suspension(of: room) == .none, !isStorm else {
            verifyAll(of: pair.project, .membershipChecked)
            return
        }
        membership.scannedCount += count
        var isConcerned = false
        // Backwards: those who move into a gap were looked at already.
        for position in stride(from: count - 1, through: 0, by: -1) {
            let index = hub.client(at: position, in: room)
            guard clients[index].user == pair.user else { continue }
            if hub.suspend(index, in: room) { isConcerned = true }
        }
        if isConcerned {
            membership.verifications.verify(pair)
            suspendPresence(of: pair)
        }
    }

    /// Any of the project's members may have been removed.
    mutating func verifyAll(of project: ProjectID, _ reason: ResyncReason) {
        membership.checks.outdate(allOf: project)
        history.reads.unverify(project)
        guard let room = hub.room(of: project) else { return }
        hub.setSuspension(.verifying, of: room)
        membership.verifications.verify(project, reason)
    }

    /// The listener listens again: removals may have been missed, anyone's.
    mutating func verifyEverything() {
        membership.checks.outdateEverything()
        history.reads.unverifyAll()
        for raw in 0..<hub.roomIndexEnd {
            guard let room = hub.liveRoom(raw) else { continue }
            verifyAll(of: hub.project(of: room), .listenerReconnected)
        }
    }

    /// Connections of the user that wait for what they missed: see `ReadWaiter.isUnverified`.
    private mutating func unverifyResumes(of pair: MembershipPair) {
        for client in clientsAwaiting(pair) { history.reads.unverify(client, in: pair.project) }
    }

    /// The same when the membership has ended: they don't wait any longer, and are told so.
    private mutating func refuseResumes(of pair: MembershipPair) {
        for client in clientsAwaiting(pair) {
            guard let index = clients.index(of: client),
                let waiter = history.reads.remove(client, from: pair.project),
                waiter.answer.reference.isPresent
            else { continue }
            sendUncounted(
                .forbidden, "not a member of the project", waiter.answer.reference, to: index)
        }
    }

    private func clientsAwaiting(_ pair: MembershipPair) -> [Handle] {
        guard history.reads.waiterCount > 0, history.reads.concerns(pair.project) else { return [] }
        return history.reads.clients(in: pair.project).filter { client in
            clients.index(of: client).map { clients[$0].user == pair.user } ?? false
        }
    }

    // MARK: Verifications

    /// Asks about those whose membership is unverified, as far as there is room for questions.
    package mutating func continueVerifications() {
        if database.answersQueries { membership.noteAnswering() }
        membership.verifications.releaseHeld(clock.now)
        guard database.answersQueries, membership.verifications.isDue(clock.now),
            membership.askAboutUsers()
        else { return }
        while let project = membership.verifications.currentRoom ?? beginNextRoom() {
            guard membership.askAboutRest(of: project) else { return }
            membership.verifications.currentRoom = nil
            resumeIfVerified(project)
        }
    }

    /// Notes down the users of the next suspended project.
    private mutating func beginNextRoom() -> ProjectID? {
        guard let project = membership.verifications.dequeueRoom() else { return nil }
        var users: [UserID] = []
        if let room = hub.room(of: project) {
            let count = hub.memberCount(of: room)
            users.reserveCapacity(count)
            for position in 0..<count {
                users.append(clients[hub.client(at: position, in: room)].user)
            }
            users.sort()
        }
        membership.verifications.begin(project, users)
        return project
    }

    /// An answer about one of a suspended project's audience.
    mutating func verifiedMember(_ pair: MembershipPair, _ verdict: MembershipVerdict) {
        if verdict == .notMember { removeVerified(pair) }
        membership.verifications.noteAnswer(verdict, of: pair.project, clock.now)
        resumeIfVerified(pair.project)
    }

    /// When all have been asked about and nothing has happened meanwhile, the project's events are
    /// delivered again, behind a resync.
    private mutating func resumeIfVerified(_ project: ProjectID) {
        guard let reason = membership.verifications.endIfVerified(project, clock.now),
            let room = hub.room(of: project), hub.suspension(of: room) == .verifying
        else { return }
        hub.setSuspension(.none, of: room)
        resync(room, reason)
    }

    /// An answer about a user whose connections get nothing of the project.
    mutating func verifiedUser(_ pair: MembershipPair, _ verdict: MembershipVerdict) {
        switch verdict {
        case .member: readmit(pair)
        case .notMember: removeVerified(pair)
        case .unknown: membership.verifications.askAgain(pair, clock.now)
        }
    }

    // MARK: What becomes of the subscriptions

    private mutating func readmit(_ pair: MembershipPair) {
        membership.verifications.noteUnfounded(pair.project, clock.now)
        presence.readmit(pair.user, in: pair.project, clock.now)
        guard let room = hub.room(of: pair.project) else { return }
        for position in stride(from: hub.suspendedCount(of: room) - 1, through: 0, by: -1) {
            let index = hub.suspendedClient(at: position, in: room)
            guard clients[index].user == pair.user else { continue }
            hub.readmit(index, in: room)
            // With a suspended project comes a resync for all, later.
            guard hub.suspension(of: room) == .none else { continue }
            queueResync(of: pair.project, .membershipChecked, to: index)
        }
    }

    private mutating func removeVerified(_ pair: MembershipPair) {
        let isEnd = membership.verifications.isEnd(of: pair.project)
        remove(pair, isEnd ? .projectDeleted : .membershipRevoked)
    }

    /// An answer about a membership in use, which nobody had said to have ended.
    mutating func recheckedMember(_ pair: MembershipPair, _ verdict: MembershipVerdict) {
        if verdict == .notMember { removeVerified(pair) }
    }

    /// Ends the user's subscriptions to the project.
    private mutating func remove(_ pair: MembershipPair, _ code: ErrorCode) {
        refuseResumes(of: pair)
        // Looked up again after each, because a room goes with its last client.
        while let room = hub.room(of: pair.project), let index = connection(of: pair.user, in: room)
        {
            endSubscription(of: index, to: pair.project, code)
        }
    }

    private mutating func connection(of user: UserID, in room: RoomIndex) -> ClientIndex? {
        for position in 0..<hub.suspendedCount(of: room) {
            let index = hub.suspendedClient(at: position, in: room)
            if clients[index].user == user { return index }
        }
        let count = hub.memberCount(of: room)
        membership.scannedCount += count
        for position in 0..<count {
            let index = hub.client(at: position, in: room)
            if clients[index].user == user { return index }
        }
        return nil
    }

    private mutating func endSubscription(
        of index: ClientIndex, to project: ProjectID, _ code: ErrorCode
    ) {
        endPresence(of: index, in: project, graceNanoseconds: nil)
        hub.leave(index, project)
        metrics.revocations += 1
        log.subscriptionRevoked(
            connection: clients.number(of: index), project: project, reason: code, at: clock.now)
        sendUncounted(
            code,
            code == .projectDeleted
                ? "the project was deleted" : "the membership of the project has ended",
            .absent, project: project, to: index)
    }
}
