internal import Gateway

// Answers to what the client asked, and what follows from them.
extension Hearing {
    mutating func hearOutcome(
        _ type: String, _ object: FlatObject, _ ledger: Ledger
    ) throws(Violation) {
        let reference = object["ref"].flatMap { Int($0) }
        let code = object["code"]
        if let code, ["membership_revoked", "project_deleted"].contains(code),
            let project = Names.number(object["project_id"])
        {
            guard subscriptions.removeValue(forKey: project) != nil || isLawless else {
                throw Violation(.subscription, "\(code) of project \(project)")
            }
            forgetPresence()
            if let user, !isLawless, !ledger.wasRemoved(user, from: project) {
                throw Violation(.membership, "\(code) of project \(project), and it isn't so")
            }
            return
        }
        if let reference, let direct = directs.removeValue(forKey: reference) {
            hearDirectOutcome(direct, isDone: type == "ok")
            return
        }
        if reference == nil, code == "not_authenticated", dropUnreadDirect() { return }
        if let position = resumes.firstIndex(where: { $0.reference == reference }) {
            let resume = resumes.remove(at: position)
            if type == "ok" { try take(resume, ledger) }
            return
        }
        switch expectations.first {
        case .error(code)? where reference == nil:
            expectations.removeFirst()
        case .pongText(let expected)? where expected == reference && code == "not_authenticated":
            expectations.removeFirst()
        case .outcome(let expected, let effect)? where expected == reference:
            expectations.removeFirst()
            if type == "ok" { try take(effect, ledger) } else { noteFailure(effect, code) }
        default:
            // What was said before the law was broken is answered all the same.
            if isLawless { return }
            throw Violation(.answer, "\(object.members) where \(next) was due")
        }
    }

    private mutating func take(
        _ effect: Expectation.Effect, _ ledger: Ledger
    ) throws(Violation) {
        switch effect {
        case .none: break
        case .join(let project, let keep, let commit):
            if !keep {
                for other in 0..<facts.projects where other != project {
                    subscriptions[other] = nil
                }
                forgetPresence()
            }
            try join(project, sinceCommit: commit, ledger)
        case .leave(let project?):
            guard subscriptions.removeValue(forKey: project) != nil else {
                throw Violation(.subscription, "left project \(project) without being in it")
            }
            forgetPresence()
        case .leave(nil):
            subscriptions = [:]
            forgetPresence()
        case .presence(let project, let wish): try takePart(in: project, wish)
        case .initialize(let claimed, let project, let expiresAt, let commit):
            let named = project ?? (user == nil ? greeting.project : nil)
            try authenticate(claimed, expiresAt)
            if let named { try join(named, sinceCommit: min(commit, firstCommit), ledger) }
        }
    }

    /// What the client had missed has come, or a resync instead, or it is on its way.
    private mutating func take(_ resume: Resume, _ ledger: Ledger) throws(Violation) {
        if subscriptions[resume.project] == nil {
            try join(resume.project, sinceCommit: resume.sinceCommit, ledger)
            subscriptions[resume.project] = resume.subscription
            // What never was doesn't stand in the log either.
            subscriptions[resume.project]?.hearLogged(ledger.forgedPlaces(of: resume.project))
        }
        // What was announced while the log was read may come again.
        subscriptions[resume.project]?.allowRepeats(below: ledger.placesTaken[resume.project])
    }

    private mutating func authenticate(
        _ claimed: Int?, _ expiresAt: Int64
    ) throws(Violation) {
        guard let claimed else {
            if user == nil { throw Violation(.admission, "init without a token was accepted") }
            return
        }
        guard user == nil || user == claimed else {
            throw Violation(.admission, "init with another user's token was accepted")
        }
        user = claimed
        self.expiresAt = expiresAt
    }

    /// A failed `init` may all the same have said who the client is.
    private mutating func noteFailure(_ effect: Expectation.Effect, _ code: String?) {
        guard case .initialize(let claimed?, _, let expiresAt, _) = effect else { return }
        if code == "bad_token", user == nil { refusedExpiry = expiresAt }
        guard code == "forbidden" || code == "unavailable" else { return }
        user = claimed
        self.expiresAt = expiresAt
    }
}
