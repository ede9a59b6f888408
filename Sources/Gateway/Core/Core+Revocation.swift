internal import Reactor

// Removals, in the order in which they were committed: whoever may be concerned gets nothing from
// here on, whatever comes behind.
extension Core {
    // MARK: What the database announces

    /// What an announced change means for subscriptions, before it is delivered.
    mutating func revoke(_ facts: NotificationFacts) {
        switch facts.effect {
        case .none: break
        case .memberRemoved(let user): withhold(MembershipPair(project: facts.project, user: user))
        case .someMembersRemoved: verifyAll(of: facts.project, .membershipChecked)
        case .projectDeleted:
            reads.doubt { $1 == facts.project }
            desk.outdate(allOf: facts.project)
            // Some of a suspended audience may have lost their membership before the project ended:
            // they aren't told more than that.
            if let room = hub.room(of: facts.project), hub.suspension(of: room) == .verifying {
                close(facts.project, .membershipRevoked)
            }
        }
    }

    /// Whether a removal of a member of the project is of interest although nobody is subscribed.
    package func awaitsAnswer(about project: ProjectID) -> Bool {
        desk.awaitsAnswer(about: project)
    }

    /// This user's membership was removed. Looks at the whole audience: there are many times more
    /// events than removals, so no index of users is kept for them.
    private mutating func withhold(_ pair: MembershipPair) {
        if settings.plantedFault != .trustsOldAnswers { desk.outdate(pair) }
        doubtResumes(of: pair)
        guard let room = hub.room(of: pair.project) else { return }
        let count = hub.memberCount(of: room)
        membersScanned += count
        var isConcerned = false
        // Backwards: those who move into a gap were looked at already.
        for position in stride(from: count - 1, through: 0, by: -1) {
            let index = hub.client(at: position, in: room)
            guard clients[index].user == pair.user else { continue }
            if hub.withhold(index, in: room) { isConcerned = true }
        }
        if isConcerned { verifications.users.append(pair) }
    }

    /// Any of the project's members may have been removed.
    mutating func verifyAll(of project: ProjectID, _ reason: ResyncReason) {
        desk.outdate(allOf: project)
        reads.doubt { $1 == project }
        guard let room = hub.room(of: project), hub.suspension(of: room) != .closing else { return }
        hub.setSuspension(.verifying, of: room)
        if verifications.rooms[project] != nil {
            verifications.rooms[project]?.isSpoilt = true
            if reason == .listenerReconnected { verifications.rooms[project]?.reason = reason }
        } else {
            verifications.rooms[project] = RoomVerification(reason: reason)
            verifications.waitingRooms.append(project)
        }
    }

    /// The listener listens again: removals may have been missed, anyone's.
    mutating func verifyEverything() {
        desk.outdateEverything()
        reads.doubt { _, _ in true }
        for raw in 0..<hub.roomIndexEnd {
            guard let room = hub.liveRoom(raw) else { continue }
            verifyAll(of: hub.project(of: room), .listenerReconnected)
        }
    }

    /// Connections of the user that wait for what they missed: see `ReadWaiter.isDoubtful`.
    private mutating func doubtResumes(of pair: MembershipPair) {
        guard reads.waiterCount > 0, reads.concerns(pair.project) else { return }
        var connections: Set<Handle> = []
        for waiter in reads.waiters(in: pair.project) {
            guard let index = clients.index(of: waiter.client), clients[index].user == pair.user
            else { continue }
            connections.insert(waiter.client)
        }
        guard !connections.isEmpty else { return }
        reads.doubt { $1 == pair.project && connections.contains($0.client) }
    }

    /// Subscribes a client whose membership is in doubt: it gets nothing before the answer, and then
    /// a resync, or to hear that its membership has ended. Returns whether it is subscribed.
    mutating func subscribeWithheld(_ index: ClientIndex, to project: ProjectID) -> Bool {
        guard join(index, project) != .limitReached, let room = hub.room(of: project) else {
            return false
        }
        if hub.withhold(index, in: room) {
            verifications.users.append(
                MembershipPair(project: project, user: clients[index].user))
        }
        return true
    }

    // MARK: Verifications

    /// Asks about those who are in doubt, as far as there is room for questions.
    package mutating func continueVerifications() {
        guard canAsk, !verifications.isEmpty, verifications.notBefore <= now else { return }
        while let pair = verifications.users.last {
            guard desk.ask(pair, .verifyUser) != .full else { return }
            verifications.users.removeLast()
        }
        while let project = verifications.currentRoom ?? beginNextRoom() {
            guard askAboutRest(of: project) else { return }
            verifications.currentRoom = nil
            endIfVerified(project)
        }
    }

    /// Notes down the users of the next suspended project.
    private mutating func beginNextRoom() -> ProjectID? {
        guard !verifications.waitingRooms.isEmpty else { return nil }
        let project = verifications.waitingRooms.removeLast()  // Their order is of no matter.
        var users: [UserID] = []
        if let room = hub.room(of: project) {
            let count = hub.memberCount(of: room)
            users.reserveCapacity(count)
            for position in 0..<count {
                users.append(clients[hub.client(at: position, in: room)].user)
            }
            users.sort()
        }
        verifications.rooms[project]?.users = users
        verifications.rooms[project]?.hasBegun = true
        verifications.rooms[project]?.next = 0
        verifications.currentRoom = project
        return project
    }

    /// False when there is no room for all questions.
    private mutating func askAboutRest(of project: ProjectID) -> Bool {
        guard var verification = verifications.rooms[project] else { return true }
        defer { verifications.rooms[project] = verification }
        while verification.next < verification.users.count {
            let user = verification.users[verification.next]
            let isRepeated =
                verification.next > 0 && verification.users[verification.next - 1] == user
            if !isRepeated {
                let pair = MembershipPair(project: project, user: user)
                guard desk.ask(pair, .verifyRoom) != .full else { return false }
                verification.outstanding += 1
            }
            verification.next += 1
        }
        return true
    }

    /// An answer about one of a suspended project's audience.
    mutating func verifiedMember(_ pair: MembershipPair, _ verdict: MembershipVerdict) {
        switch verdict {
        case .member: break
        case .notMember: throwOut(pair, .membershipRevoked)
        case .unknown: postpone(pair.project)
        }
        verifications.rooms[pair.project]?.outstanding -= 1
        endIfVerified(pair.project)
    }

    private mutating func postpone(_ project: ProjectID) {
        verifications.rooms[project]?.isSpoilt = true
        verifications.notBefore = now.advanced(byNanoseconds: Limits.verificationPauseNanoseconds)
    }

    /// When all have been asked about and nothing has happened meanwhile, the project's events are
    /// delivered again, behind a resync.
    private mutating func endIfVerified(_ project: ProjectID) {
        guard let verification = verifications.rooms[project], verification.hasBegun,
            verification.outstanding == 0, verification.next == verification.users.count,
            verifications.currentRoom != project
        else { return }
        if verification.isSpoilt {
            verifications.rooms[project] = RoomVerification(reason: verification.reason)
            verifications.waitingRooms.append(project)
            return
        }
        verifications.rooms[project] = nil
        guard let room = hub.room(of: project), hub.suspension(of: room) == .verifying else {
            return
        }
        hub.setSuspension(.none, of: room)
        resync(room, verification.reason)
    }

    /// An answer about a user whose connections get nothing of the project.
    mutating func verifiedUser(_ pair: MembershipPair, _ verdict: MembershipVerdict) {
        switch verdict {
        case .member:
            readmit(pair)
        case .notMember:
            throwOut(pair, .membershipRevoked)
        case .unknown:
            verifications.users.append(pair)
            verifications.notBefore = now.advanced(
                byNanoseconds: Limits.verificationPauseNanoseconds)
        }
    }

    // MARK: What becomes of the subscriptions

    private mutating func readmit(_ pair: MembershipPair) {
        guard let room = hub.room(of: pair.project) else { return }
        for position in stride(from: hub.withheldCount(of: room) - 1, through: 0, by: -1) {
            let index = hub.withheldClient(at: position, in: room)
            guard clients[index].user == pair.user else { continue }
            hub.readmit(index, in: room)
            // With a suspended project comes a resync for all, later.
            guard hub.suspension(of: room) == .none else { continue }
            queueResync(of: pair.project, .membershipChecked, to: index)
        }
    }

    /// Ends the user's subscriptions to the project.
    private mutating func throwOut(_ pair: MembershipPair, _ code: ErrorCode) {
        // Looked up again after each, because a room goes with its last client.
        while let room = hub.room(of: pair.project), let index = connection(of: pair.user, in: room)
        {
            endSubscription(of: index, to: pair.project, code)
        }
    }

    private mutating func connection(of user: UserID, in room: RoomIndex) -> ClientIndex? {
        for position in 0..<hub.withheldCount(of: room) {
            let index = hub.withheldClient(at: position, in: room)
            if clients[index].user == user { return index }
        }
        let count = hub.memberCount(of: room)
        membersScanned += count
        for position in 0..<count {
            let index = hub.client(at: position, in: room)
            if clients[index].user == user { return index }
        }
        return nil
    }

    private mutating func endSubscription(
        of index: ClientIndex, to project: ProjectID, _ code: ErrorCode
    ) {
        hub.leave(index, project)
        metrics.revocations += 1
        metrics.clientErrors[code] += 1
        log.subscriptionRevoked(
            connection: connectionNumber(of: index), project: project, reason: code, at: now)
        text.removeAll()
        ServerMessage.writeError(
            code,
            message: code == .projectDeleted
                ? "the project was deleted" : "the membership of the project has ended",
            project: project, into: &text)
        sendText(to: index)
    }

    // MARK: Deleted projects

    /// Ends the subscriptions to the project when what is on its way to its audience has arrived.
    mutating func close(_ project: ProjectID, _ code: ErrorCode) {
        guard let room = hub.room(of: project) else { return }
        hub.setSuspension(.closing, of: room)
        closings.append(ProjectClosing(project: project, code: code))
    }

    /// Goes on with telling the audiences of deleted projects, within the turn's budget.
    package mutating func continueClosings() {
        guard !closings.isEmpty else { return }
        var budget = Limits.membersDismissedPerTurn
        var rest: [ProjectClosing] = []
        for closing in closings where !dismissAudience(of: closing, &budget) {
            rest.append(closing)
        }
        closings = rest
    }

    /// Returns whether the whole audience was told.
    private mutating func dismissAudience(
        of closing: ProjectClosing, _ budget: inout Int
    ) -> Bool {
        while let room = hub.room(of: closing.project), hub.memberCount(of: room) > 0 {
            guard budget > 0, !hub.isActive(room) else { return false }
            budget -= 1
            let last = hub.memberCount(of: room) - 1
            endSubscription(
                of: hub.client(at: last, in: room), to: closing.project, closing.code)
        }
        // Those whose membership is being looked up stay, in the hands of that.
        if let room = hub.room(of: closing.project) { hub.setSuspension(.none, of: room) }
        return true
    }
}
