internal import Reactor

// HTTP: what can be asked about the gateway itself, and about who looks at a project: status, probes,
// metrics.
extension Core {
    mutating func answerStatus(
        of range: Range<Int>, _ head: RequestHead, in bytes: borrowing Span<UInt8>,
        as form: ResponseForm, to index: ClientIndex
    ) {
        do throws(HTTPError) {
            let query = try Query(of: head, in: bytes)
            guard let project = ProjectID(bytes.extracting(range)) else {
                throw .badRequest("projectId is not a UUID")
            }
            guard let claims = try verifyToken(head, query, nil, in: bytes) else {
                throw .missingToken
            }
            // An answer is large, and stays ours until it is read: as many as the user may have
            // connections, and none when memory is short.
            try admitUser(claims.user)
            if outbox.isCrowded { throw .outboxCrowded }
            let pair = MembershipPair(project: project, user: claims.user)
            if settings.checksMembership {
                guard ask(pair, .status(form), for: index) else { throw .membershipUncheckable }
            } else {
                sendStatus(of: pair, as: form, to: index)
            }
        } catch {
            refuse(index, error, as: form)
        }
    }

    /// The database has answered whether the user may see the project's status.
    mutating func finishStatus(
        _ index: ClientIndex, _ pair: MembershipPair, _ verdict: MembershipVerdict,
        _ form: ResponseForm
    ) {
        do throws(HTTPError) {
            try verdict.check()
            try admitUser(pair.user)
            if outbox.isCrowded { throw .outboxCrowded }
        } catch {
            refuse(index, error, as: form)
            return
        }
        sendStatus(of: pair, as: form, to: index)
    }

    private mutating func sendStatus(
        of pair: MembershipPair, as form: ResponseForm, to index: ClientIndex
    ) {
        clients[index].user = pair.user
        admission.countForUser(pair.user, &clients[index].allowance)
        switch awaitUsers(of: pair.project, form, index) {
        case .nothing: respondStatus(of: pair.project, as: form, to: index)
        case .waits: break
        case .full: respondStatus(of: pair.project, isPartial: true, as: form, to: index)
        }
    }

    /// - Parameters:
    ///   - others: users of other processes, in order and each once.
    ///   - isPartial: whether some of them are missing.
    mutating func respondStatus(
        of project: ProjectID, others: [UserID] = [], isPartial: Bool = false,
        as form: ResponseForm, to index: ClientIndex
    ) {
        let mayDiffer = bus?.isPartial(clock.now) ?? false
        let isPartial = isPartial || mayDiffer
        if isPartial { bus?.countPartialStatus() }
        var message = outbox.message()
        let elsewhere = bus?.clients(of: project) ?? (all: 0, project: 0)
        writeStatus(of: project, others, elsewhere, into: &message.text)
        message.text.append(#","nodes":"#)
        message.text.append(decimal: UInt64(bus?.nodeCount ?? 1))
        message.text.append(isPartial ? #","partial":true}"# : #","partial":false}"#)
        respond(.ok, .json, message, as: form, to: index)
    }

    /// `{"total_clients":…,"project_clients":…,"user_ids":[…]`, ids once each and in order.
    private func writeStatus(
        of project: ProjectID, _ others: [UserID], _ elsewhere: (all: UInt64, project: UInt64),
        into text: inout ByteBuffer
    ) {
        var users = users(of: project)
        if !others.isEmpty { users = StatusQuestions.union(users, others) }
        let memberCount = visibleCount(of: project)
        text.append(#"{"total_clients":"#)
        text.append(decimal: metrics.connections + elsewhere.all)
        text.append(#","project_clients":"#)
        text.append(decimal: UInt64(memberCount) + elsewhere.project)
        text.append(#","user_ids":["#)
        for (position, user) in users.prefix(Limits.statusUserIDsMax).enumerated() {
            text.append(position == 0 ? "\"" : ",\"")
            user.write(to: &text)
            text.append("\"")
        }
        text.append(users.count > Limits.statusUserIDsMax ? #"],"truncated":true"# : "]")
    }

    /// The connections that look at the project here, without those of invisible users.
    func visibleCount(of project: ProjectID) -> Int {
        guard let room = hub.room(of: project) else { return 0 }
        guard presence.mayHideSomebody(in: project) else { return hub.memberCount(of: room) }
        return (0..<hub.memberCount(of: room)).count { position in
            let user = clients[hub.client(at: position, in: room)].user
            return !presence.isHidden(user, in: project)
        }
    }

    /// Who looks at the project here and isn't invisible, each once and in order: as many as a status
    /// tells, and one more if there are more.
    func users(of project: ProjectID) -> [UserID] {
        guard let room = hub.room(of: project) else { return [] }
        let memberCount = hub.memberCount(of: room)
        var users: [UserID] = []
        users.reserveCapacity(memberCount)
        for position in 0..<memberCount {
            let user = clients[hub.client(at: position, in: room)].user
            if !presence.isHidden(user, in: project) { users.append(user) }
        }
        users.sort()
        var count = 0
        for position in users.indices where position == 0 || users[position] != users[count - 1] {
            users[count] = users[position]
            count += 1
            if count > Limits.statusUserIDsMax { break }
        }
        users.removeLast(users.count - count)
        return users
    }

    mutating func answerLiveness(as form: ResponseForm, to index: ClientIndex) {
        var message = outbox.message()
        message.text.append("ok\n")
        respond(.ok, .plainText, message, as: form, to: index)
    }

    mutating func answerReadiness(
        _ head: RequestHead, in bytes: borrowing Span<UInt8>, as form: ResponseForm,
        to index: ClientIndex
    ) {
        var isVerbose = false
        do throws(HTTPError) {
            isVerbose = try Query(of: head, in: bytes).verbose.isPresent
        } catch {
            refuse(index, error, as: form)
            return
        }
        var message = outbox.message()
        if isVerbose { writeChecks(into: &message.text) }
        message.text.append(isReady ? "ready\n" : "not ready\n")
        respond(isReady ? .ok : .serviceUnavailable, .plainText, message, as: form, to: index)
    }

    private var checksMemberships: Bool {
        !settings.checksMembership || database.answersQueries && database.membersFault == nil
    }

    private var isReady: Bool {
        database.isListening && database.isCanaryInTime && checksMemberships && drain == nil
    }

    private func writeChecks(into text: inout ByteBuffer) {
        text.append(
            database.isListening ? "[+] listener is live\n" : "[-] listener is not live\n")
        text.append(
            database.isCanaryInTime
                ? "[+] the last canary came back in time\n"
                : "[-] no canary came back in time\n")
        text.append(
            checksMemberships
                ? "[+] memberships can be checked" : "[-] memberships can't be checked")
        if settings.checksMembership, database.answersQueries, let fault = database.membersFault {
            text.append(": project_members ")
            text.append(visible: fault)
        }
        text.append("\n")
        text.append(drain == nil ? "[+] not draining\n" : "[-] draining\n")
        text.append("[i] event log ")
        text.append(database.eventLog.text)
        text.append("\n[i] direct messages ")
        text.append(database.direct.text)
        text.append("\n[i] sends by ")
        text.append(metrics.sendMethod.name)
        text.append("\n")
        writeSessions(into: &text)
        writeNodes(into: &text)
        writeWatched(into: &text)
    }

    private func writeSessions(into text: inout ByteBuffer) {
        guard database.sharesSessions else { return }
        switch database.role {
        case .own: text.append("[!] database sessions of its own, as nobody leads\n")
        case .waiting: text.append("[!] database sessions: waiting to hear who leads\n")
        case .follower: text.append("[i] database sessions of the leader\n")
        case .leader:
            text.append("[i] database sessions of its own, for other workers: ")
            text.append(decimal: UInt64(database.followers))
            text.append("\n")
        }
    }

    mutating func answerMetrics(as form: ResponseForm, to index: ClientIndex) {
        metrics.connectionsUnauthenticated = UInt64(admission.unauthenticatedCount)
        metrics.subscriptions = UInt64(hub.subscriptionCount)
        metrics.projects = UInt64(hub.projectCount)
        metrics.presentUsers = UInt64(presence.userCount)
        metrics.presenceRefusedElsewhere = presence.refusedElsewhere
        metrics.directReaders = UInt64(direct.readers.count)
        metrics.note(database)
        metrics.bus = bus?.figures(clock.now)
        var message = outbox.message()
        MetricsWriter().write(
            metrics, log: log.figures, process: ProcessFigures.current(), into: &message.text)
        respond(.ok, .metrics, message, as: form, to: index)
    }
}

extension HTTPError {
    static var outboxCrowded: HTTPError {
        .unavailable("too much waits to be read by others", retryAfterSeconds: 5)
    }
}
