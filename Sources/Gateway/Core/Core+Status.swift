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
        var message = outbox.message()
        writeStatus(of: pair.project, into: &message.text)
        respond(.ok, .json, message, as: form, to: index)
    }

    /// `{"total_clients":…,"project_clients":…,"user_ids":[…]}`, ids once each and in order. Users who
    /// are invisible aren't among them.
    private func writeStatus(of project: ProjectID, into text: inout ByteBuffer) {
        var users: [UserID] = []
        var memberCount = 0
        if let room = hub.room(of: project) {
            users.reserveCapacity(hub.memberCount(of: room))
            for position in 0..<hub.memberCount(of: room) {
                let user = clients[hub.client(at: position, in: room)].user
                if !presence.isHidden(user, in: project) { users.append(user) }
            }
            memberCount = users.count
            users.sort()
        }
        text.append(#"{"total_clients":"#)
        text.append(decimal: metrics.connections)
        text.append(#","project_clients":"#)
        text.append(decimal: UInt64(memberCount))
        text.append(#","user_ids":["#)
        var written = 0
        var isTruncated = false
        for position in users.indices where position == 0 || users[position] != users[position - 1]
        {
            guard written < Limits.statusUserIDsMax else {
                isTruncated = true
                break
            }
            text.append(written == 0 ? "\"" : ",\"")
            users[position].write(to: &text)
            text.append("\"")
            written += 1
        }
        text.append(isTruncated ? #"],"truncated":true}"# : "]}")
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
            text.append(text: fault)
        }
        text.append("\n")
        text.append(drain == nil ? "[+] not draining\n" : "[-] draining\n")
        text.append("[i] event log ")
        text.append(database.eventLog.text)
        text.append("\n[i] sends by ")
        text.append(metrics.sendMethod.name)
        text.append("\n")
        writeWatched(into: &text)
    }

    mutating func answerMetrics(as form: ResponseForm, to index: ClientIndex) {
        metrics.connectionsUnauthenticated = UInt64(admission.unauthenticatedCount)
        metrics.subscriptions = UInt64(hub.subscriptionCount)
        metrics.projects = UInt64(hub.projectCount)
        metrics.presentUsers = UInt64(presence.userCount)
        metrics.note(database)
        var message = outbox.message()
        MetricsWriter().write(
            metrics, log: log.figures, process: ProcessFigures.current(), into: &message.text)
        respond(.ok, .metrics, message, as: form, to: index)
    }
}

extension HTTPError {
    fileprivate static var outboxCrowded: HTTPError {
        .unavailable("too much waits to be read by others", retryAfterSeconds: 5)
    }
}
