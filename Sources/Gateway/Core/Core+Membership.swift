package import Reactor

// Who may look at what: clients wait for the database's answer, and nothing of them is read meanwhile.
//
// Why nothing is missed: the client is subscribed in the moment in which the answer is acted on, and
// hears of it (101, `ready`, `ok`) in the flush behind that. What was committed before is in what it
// fetches then; what is committed after is announced to its room.
//
// Why nothing is betrayed: a membership that ended before the answer was found makes the answer a no;
// one that ends later is announced later, and before anything that is committed after it. Of
// announcements that overtake the answer `MembershipChecks` takes care.
extension Core {
    // MARK: Asking

    /// Asks for the client, which waits from here on. False when it can't be asked now.
    mutating func ask(
        _ pair: MembershipPair, _ purpose: MembershipPurpose, for index: ClientIndex
    ) -> Bool {
        metrics.membershipChecks += 1
        guard mayWaitForDatabase else {
            metrics.membershipOutcomes[.unavailable] += 1
            return false
        }
        switch membership.checks.ask(pair, purpose, for: clients.handle(of: index)) {
        case .asked: break
        case .shared: metrics.membershipChecksShared += 1
        case .full:
            metrics.membershipOutcomes[.unavailable] += 1
            return false
        }
        pause(index)
        return true
    }

    /// Nothing is read of the client until `endWait`.
    mutating func pause(_ index: ClientIndex) {
        clients[index].flags.insert(.awaitsMembership)
        if clients[index].phase == .request {
            clients[index].deadlineTick = clock.tick(
                afterNanoseconds: Limits.membershipSecondsMax * 1_000_000_000)
        }
        clients.scheduleVisit(of: index, clock)
        clients.noteInterest(of: index)
    }

    /// The client waits no more; what it has sent meanwhile is read.
    mutating func endWait(of index: ClientIndex) {
        guard clients[index].flags.contains(.awaitsMembership) else { return }
        noteHeard(index)
        clients.endPause(of: index, .awaitsMembership, clock)
    }

    /// Whether the database answers, or hasn't been away for long: most times it is back at once.
    private var mayWaitForDatabase: Bool {
        database.answersQueries || membership.mayWait(clock.now)
    }

    // MARK: Batches

    package var isMembershipBatchDue: Bool {
        guard database.answersQueries, let due = membership.checks.batchDue else { return false }
        return due <= clock.now
    }

    /// When questions have to be sent, or verifications tried again; `nil` when none wait.
    package var membershipDeadline: Instant? {
        database.answersQueries ? membership.deadline : membership.patienceDeadline
    }

    /// Writes the parameters of the next query (`MembersQuery`). Returns the number under which the
    /// answer has to be reported.
    package mutating func beginMembershipBatch(into parameters: inout QueryParameters) -> Int {
        metrics.membershipQueries += 1
        return membership.checks.beginBatch(into: &parameters, clock.now)
    }

    package mutating func noteMember(_ position: Int64, inMembershipBatch number: Int) -> Bool {
        membership.checks.noteMember(position, inBatch: number)
    }

    package mutating func finishMembershipBatch(_ number: Int) {
        membership.checks.finishBatch(number)
    }

    package mutating func failMembershipBatch(_ number: Int) {
        membership.checks.failBatch(number)
    }

    /// The connection was lost before the answer came: it is asked once more on the next one.
    package mutating func loseMembershipBatch(_ number: Int) {
        membership.checks.loseBatch(number)
    }

    /// There is nobody to ask: those who wait for an answer are notified of that, if there has been
    /// nobody for a while. Call it in each turn.
    package mutating func failMembershipQuestions() {
        membership.noteAbsence(clock.now)
        if !membership.mayWait(clock.now) { membership.checks.failWaiting() }
    }

    /// Whether notifications may still be acted on in this turn: a removal looks at a whole audience, and an
    /// event goes into the queue of each client that looks at several projects.
    package var mayHearMore: Bool { membership.mayScan && outbox.ordered.mayGrow }

    // MARK: Looking again

    // Memberships in use are asked about again at a slow pace. Nobody's events wait for it: only a no
    // changes anything.

    /// When some memberships are due to be looked at.
    package var recheckDeadline: Instant? { membership.rechecks.deadline }

    /// Asks about the clients of this step, as far as there is room for questions.
    package mutating func recheckMemberships() {
        membership.rechecks.begin(places: clients.highWaterMark, clock.now)
        guard database.answersQueries else { return }
        while let place = membership.rechecks.current {
            let index = ClientIndex(place)
            guard place >= clients.highWaterMark || !clients.isOccupied(index) || recheck(index)
            else { return }
            membership.rechecks.advance()
        }
    }

    /// Members may have gone unheard, with a partition: all memberships in use are asked about again, as soon as there is
    /// room for the questions. Those who were let in by an answer from before are asked about once more.
    mutating func recheckEverybody() {
        guard settings.checksMembership else { return }
        membership.checks.outdateEverything()
        history.reads.unverifyAll()
        membership.rechecks.hurry(places: clients.highWaterMark)
    }

    /// False when there is no room for the client's questions: it comes again.
    private mutating func recheck(_ index: ClientIndex) -> Bool {
        let count = hub.projectCount(of: index)
        guard count > 0 else { return true }
        guard membership.checks.canRecheck(count) else { return false }
        for project in hub.projects(of: index) where !hub.isUnverified(index, of: project) {
            let pair = MembershipPair(project: project, user: clients[index].user)
            if membership.checks.ask(pair, .recheck) != .full { metrics.membershipRechecks &+= 1 }
        }
        return true
    }

    // MARK: Answers

    /// Acts on answers, within the turn's budget.
    package mutating func handleMembershipAnswers() {
        defer { membership.scannedCount = 0 }  // What is left of it belongs to the notifications.
        for _ in 0..<Limits.membershipAnswersPerTurn {
            guard membership.mayScan, let answer = membership.checks.dequeueAnswer() else {
                return
            }
            switch answer.purpose {
            case .verifyUser: verifiedUser(answer.pair, answer.verdict)
            case .verifyRoom: verifiedMember(answer.pair, answer.verdict)
            case .recheck: recheckedMember(answer.pair, answer.verdict)
            case .handshake, .status, .initialize, .join: handleAnswer(answer)
            }
        }
    }

    private mutating func handleAnswer(_ answer: MembershipAnswer) {
        metrics.membershipOutcomes[MembershipLabel(answer.verdict)] += 1
        // It may have been closed meanwhile. A client waits for one answer at a time.
        guard let index = clients.index(of: answer.client),
            clients[index].flags.contains(.awaitsMembership)
        else { return }
        endWait(of: index)
        let project = answer.pair.project
        switch answer.purpose {
        case .handshake(let claims, let form, let since):
            finishHandshake(index, claims, project, since: since, answer.verdict, form)
        case .status(let form):
            finishStatus(index, answer.pair, answer.verdict, form)
        case .initialize(let reference, let since):
            guard admits(answer.verdict, reference, index) else { return }
            finishInit(index, project, reference, since: since)
        case .join(let keepsOthers, let reference, let since):
            guard admits(answer.verdict, reference, index) else { return }
            finishJoin(index, project, keepsOthers: keepsOthers, reference, since: since)
        case .verifyUser, .verifyRoom, .recheck:
            preconditionFailure("no client asked this")
        }
    }

    /// Whether the client may look at the project; if not, it is notified.
    private mutating func admits(
        _ verdict: MembershipVerdict, _ reference: Reference, _ index: ClientIndex
    ) -> Bool {
        switch verdict {
        case .member:
            return true
        case .notMember:
            sendError(.forbidden, "not a member of the project", reference, to: index)
        case .unknown:
            sendUncheckable(reference, to: index)
        }
        return false
    }
}

extension MembershipVerdict {
    /// The refusal of an HTTP request that isn't a yes.
    func check() throws(HTTPError) {
        switch self {
        case .member: return
        case .notMember: throw .notAMember
        case .unknown: throw .membershipUncheckable
        }
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
