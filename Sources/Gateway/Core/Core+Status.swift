internal import Reactor

// HTTP: what is told of the gateway itself, and of who looks at a project: status, probes, metrics.
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
            let none = try SubprotocolOffer(of: RequestHead(), in: bytes)
            guard try readToken(head, query, none, in: bytes) else { throw .missingToken }
            let claims = try verifyToken(refusing: index)
            if settings.checksMembership {
                let pair = MembershipPair(project: project, user: claims.user)
                guard ask(pair, .status(form), for: index) else { throw .membershipUncheckable }
            } else {
                sendStatus(of: project, as: form, to: index)
            }
        } catch {
            refuse(index, error, as: form)
        }
    }

    mutating func sendStatus(
        of project: ProjectID, as form: ResponseForm, to index: ClientIndex
    ) {
        writeStatus(of: project)
        respond(.ok, .json, as: form, to: index)
    }

    /// `{"total_clients":…,"project_clients":…,"user_ids":[…]}`, ids once each and in order.
    private mutating func writeStatus(of project: ProjectID) {
        var users: [UserID] = []
        var memberCount = 0
        if let room = hub.room(of: project) {
            memberCount = hub.memberCount(of: room)
            users.reserveCapacity(memberCount)
            for position in 0..<memberCount {
                users.append(clients[hub.client(at: position, in: room)].user)
            }
            users.sort()
        }
        text.removeAll()
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

    mutating func answerReadiness(
        _ head: RequestHead, in bytes: borrowing Span<UInt8>, as form: ResponseForm,
        to index: ClientIndex
    ) {
        let answers = canAsk || !settings.checksMembership
        let isReady = isListening && isCanaryInTime && answers && drain == nil
        var isVerbose = false
        do throws(HTTPError) {
            isVerbose = try Query(of: head, in: bytes).verbose.isPresent
        } catch {
            refuse(index, error, as: form)
            return
        }
        text.removeAll()
        if isVerbose {
            text.append(isListening ? "[+] listener is live\n" : "[-] listener is not live\n")
            text.append(
                isCanaryInTime
                    ? "[+] the last canary came back in time\n"
                    : "[-] no canary came back in time\n")
            text.append(
                answers ? "[+] memberships can be checked\n" : "[-] memberships can't be checked\n")
            text.append(drain == nil ? "[+] not draining\n" : "[-] draining\n")
            text.append("[i] event log ")
            text.append(eventLog.text)
            text.append("\n[i] sends by ")
            text.append(sendMethod.name)
            text.append("\n")
        }
        text.append(isReady ? "ready\n" : "not ready\n")
        respond(isReady ? .ok : .serviceUnavailable, .plainText, as: form, to: index)
    }

    mutating func answerMetrics(as form: ResponseForm, to index: ClientIndex) {
        metrics.connectionsUnauthenticated = UInt64(admission.unauthenticatedCount)
        metrics.subscriptions = UInt64(hub.subscriptionCount)
        metrics.projects = UInt64(hub.projectCount)
        metrics.listenerIsUp = isListening
        metrics.eventLogIsUsable = eventLog == .usable
        metrics.ringIsUsed = sendMethod == .ring
        text.removeAll()
        MetricsWriter().write(
            metrics, log: log.figures, process: ProcessFigures.current(), into: &text)
        respond(.ok, .metrics, as: form, to: index)
    }
}
