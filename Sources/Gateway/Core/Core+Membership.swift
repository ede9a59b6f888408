package import Reactor

// Who may look at what: clients wait for the database's answer, and nothing of them is read meanwhile.
//
// Why nothing is missed: the client is subscribed in the moment in which the answer is acted on, and
// hears of it (101, `ready`, `ok`) in the flush behind that. What was committed before is in what it
// fetches then; what is committed after is announced to its room.
//
// Why nothing is betrayed: a membership that ended before the answer was found makes the answer a no;
// one that ends later is announced later, and before anything that is committed after it. Of
// announcements that overtake the answer the desk takes care.
extension Core {
    // MARK: Asking

    /// Asks for the client, which waits from here on. False when it can't be asked now.
    mutating func ask(
        _ pair: MembershipPair, _ purpose: MembershipPurpose, for index: ClientIndex
    ) -> Bool {
        metrics.membershipChecks += 1
        guard canAsk else {
            metrics.membershipOutcomes[.unavailable] += 1
            return false
        }
        switch desk.ask(pair, purpose, for: clients.handle(of: index, kind: 0)) {
        case .asked: break
        case .shared: metrics.membershipChecksShared += 1
        case .full:
            metrics.membershipOutcomes[.unavailable] += 1
            return false
        }
        clients[index].flags.insert(.awaitsMembership)
        if clients[index].phase == .request {
            clients[index].deadlineTick = TimerWheel.tick(
                Limits.membershipSecondsMax * 1_000_000_000, after: now)
        }
        scheduleVisit(of: index)
        noteInterest(of: index)
        return true
    }

    /// Lets a handshake wait. `frame` holds the answer to it.
    mutating func awaitMembership(
        of claims: TokenClaims, in project: ProjectID, since: Since?, _ form: ResponseForm,
        _ index: ClientIndex
    ) throws(HTTPError) {
        let pair = MembershipPair(project: project, user: claims.user)
        guard ask(pair, .handshake(claims, form, since: since), for: index) else {
            throw .membershipUncheckable
        }
        clients[index].message = segments.make(of: frame, frames: 0)
    }

    // MARK: Batches

    package var isMembershipBatchDue: Bool {
        guard canAsk, let due = desk.batchDue else { return false }
        return due <= now
    }

    /// When questions have to be sent, or verifications tried again; `nil` when none wait.
    package var membershipDeadline: Instant? {
        guard canAsk else { return nil }
        // With no room for their questions they wait for an answer, which is an event.
        switch (desk.batchDue, desk.canVerify ? verifications.due : nil) {
        case (nil, let other), (let other, nil): return other
        case (let first?, let second?): return min(first, second)
        }
    }

    /// Writes the parameters of the next query (`MembersQuery`). Returns the number under which the
    /// answer has to be reported.
    package mutating func beginMembershipBatch(into parameters: inout QueryParameters) -> Int {
        metrics.membershipQueries += 1
        return desk.beginBatch(into: &parameters, scratch: &frame, now)
    }

    package mutating func noteMember(_ position: Int64, inMembershipBatch number: Int) -> Bool {
        desk.noteMember(position, inBatch: number)
    }

    package mutating func finishMembershipBatch(_ number: Int) {
        desk.finishBatch(number)
    }

    package mutating func failMembershipBatch(_ number: Int) {
        desk.failBatch(number)
    }

    /// There is nobody to ask: those who wait to be asked about are told so.
    package mutating func failMembershipQuestions() {
        desk.failWaiting()
    }

    /// Whether the database answers questions.
    package mutating func setCanAsk(_ canAsk: Bool) {
        self.canAsk = canAsk
    }

    // MARK: Answers

    /// Acts on answers, within the turn's budget.
    package mutating func takeMembershipAnswers() {
        defer { membersScanned = 0 }  // What is left of it belongs to the notifications.
        for _ in 0..<Limits.membershipAnswersPerTurn {
            guard membersScanned < Limits.membersScannedPerTurn, let answer = desk.nextAnswer()
            else { return }
            switch answer.purpose {
            case .verifyUser: verifiedUser(answer.pair, answer.verdict)
            case .verifyRoom: verifiedMember(answer.pair, answer.verdict)
            case .handshake, .status, .initialize, .join: tellClient(answer)
            }
        }
    }

    private mutating func tellClient(_ answer: MembershipAnswer) {
        metrics.membershipOutcomes[MembershipLabel(answer.verdict)] += 1
        // It may have gone, or been closed, meanwhile. A client waits for one answer at a time.
        guard let index = clients.index(of: answer.client),
            clients[index].flags.contains(.awaitsMembership)
        else { return }
        endWaiting(index)
        let project = answer.pair.project
        switch answer.purpose {
        case .handshake(let claims, let form, let since):
            finishHandshake(index, claims, project, since: since, answer.verdict, form)
        case .status(let form):
            switch answer.verdict {
            case .member: sendStatus(of: project, as: form, to: index)
            case .notMember: refuse(index, .notAMember, as: form)
            case .unknown: refuse(index, .membershipUncheckable, as: form)
            }
        case .initialize(let reference, let since):
            guard admits(answer.verdict, reference, index) else { return }
            initialize(index, project, reference, since: since)
        case .join(let keepsOthers, let reference, let since):
            guard admits(answer.verdict, reference, index) else { return }
            join(index, project, keepsOthers: keepsOthers, reference, since: since)
        case .verifyUser, .verifyRoom:
            preconditionFailure("no client asked this")
        }
    }

    private mutating func finishHandshake(
        _ index: ClientIndex, _ claims: TokenClaims, _ project: ProjectID, since: Since?,
        _ verdict: MembershipVerdict, _ form: ResponseForm
    ) {
        frame.removeAll()
        frame.append(clients[index].message, of: segments)
        segments.release(clients[index].message)
        clients[index].message = .none
        do throws(HTTPError) {
            switch verdict {
            case .member: break
            case .notMember: throw .notAMember
            case .unknown: throw .membershipUncheckable
            }
            // Others have come meanwhile.
            try admitWebSocket()
            try admitUser(claims.user)
            guard queueResponse(to: index) else { return }
            open(index, claims: claims, project: project, since: since)
        } catch {
            refuse(index, error, as: form)
        }
    }

    /// Whether the client may look at the project; if not, it is told.
    private mutating func admits(
        _ verdict: MembershipVerdict, _ reference: Reference, _ index: ClientIndex
    ) -> Bool {
        switch verdict {
        case .member:
            return true
        case .notMember:
            send(.forbidden, "not a member of the project", reference, to: index)
        case .unknown:
            sendUncheckable(reference, to: index)
        }
        return false
    }

    // MARK: Waiting

    /// The client waits no more; what it has sent meanwhile is taken in.
    mutating func endWaiting(_ index: ClientIndex) {
        clients[index].flags.remove(.awaitsMembership)
        if clients[index].leftover != .none {
            heldBytes -= segments.count(of: clients[index].leftover)
        }
        refillAllowance(of: index)
        clients[index].heardTick = nowTick
        resumed.append(index)
        noteInterest(of: index)
        scheduleVisit(of: index)
    }

    /// The next client whose held bytes can be taken in: `restoreLeftover`, then `receive` with
    /// nothing new. It may be somebody else's place by now, which does no harm, except before a PROXY
    /// header: its bytes are no request's.
    package mutating func nextResumed() -> ClientIndex? {
        while let index = resumed.removeLast() {
            guard clients.isOccupied(index), clients[index].phase != .gone,
                clients[index].phase != .proxyHeader, clients[index].leftover != .none,
                !clients[index].flags.contains(.awaitsMembership)
            else { continue }
            return index
        }
        return nil
    }

    /// Bytes that are kept for a client that waits.
    func heldCount(of index: ClientIndex) -> Int {
        let client = clients[index]
        guard client.flags.contains(.awaitsMembership), client.leftover != .none else { return 0 }
        return segments.count(of: client.leftover)
    }

    /// What a client has sent while it waits is more than can be kept.
    mutating func cannotHold(_ index: ClientIndex) {
        forgetLeftover(of: index)
        if clients[index].phase == .request {
            finish(index)
        } else {
            fail(index, .tooSlow, "too much sent while an answer is awaited")
        }
    }

    /// Whether nothing is read of the client, because it waits for an answer.
    package func isWaiting(_ index: ClientIndex) -> Bool {
        clients[index].flags.contains(.awaitsMembership)
    }
}

extension MembershipLabel {
    init(_ verdict: MembershipVerdict) {
        switch verdict {
        case .member: self = .member
        case .notMember: self = .notMember
        case .unknown: self = .unavailable
        }
    }
}
