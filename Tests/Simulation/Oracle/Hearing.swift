internal import Gateway

/// One connection as its client sees it: what it has been told, what it may be told, and what it
/// must be told. Judges every byte.
struct Hearing {
    private let greeting: Greeting
    private let facts: WorldFacts
    /// The last commit that the gateway had heard of when the handshake was sent.
    private let firstCommit: Int
    private var reader = StreamReader()
    private var expectations: [Expectation] = []
    private(set) var subscriptions: [Int: Subscription] = [:]
    /// What the client has asked to resume and was neither granted nor refused.
    private var resumes: [Resume] = []

    private struct Resume {
        let reference: Int
        let project: Int
        let sinceCommit: Int
        var subscription: Subscription
    }

    /// Answers to requests.
    private(set) var statuses: [Int] = []
    /// Whether the gateway knows who the client is, which may be one that says so later.
    private(set) var user: Int?
    /// When the token expires, in seconds since 1970.
    private(set) var expiresAt: Int64
    private(set) var closeCode: UInt16?
    private(set) var isClosed = false
    /// The client has sent what no client sends: from here on answers can't be foretold.
    private(set) var isLawless = false
    private(set) var eventCount = 0

    init(_ greeting: Greeting, _ facts: WorldFacts, heardCommit: Int, expiresAt: Int64) {
        self.greeting = greeting
        self.facts = facts
        firstCommit = heardCommit
        self.expiresAt = expiresAt
    }

    var isOpen: Bool { reader.isOpen && !isClosed }
    var isWhole: Bool { reader.isWhole }
    var isWaiting: Bool { !expectations.isEmpty || !resumes.isEmpty }

    /// When the token may have expired at the earliest: one that was sent may be in use already.
    var earliestExpiry: Int64 {
        expectations.reduce(expiresAt) { earliest, expectation in
            guard case .outcome(_, .initialize(_?, _, let expiresAt, _)) = expectation else {
                return earliest
            }
            return min(earliest, expiresAt)
        }
    }

    mutating func expect(_ expectation: Expectation, _ ledger: Ledger) {
        guard case .resume(let reference, let project, let since, let commit) = expectation else {
            if !isLawless { expectations.append(expectation) }
            return
        }
        guard !isLawless else { return }
        let next = ledger.firstPlace(of: project, since: since)
        resumes.append(
            Resume(
                reference: reference, project: project, sinceCommit: commit,
                subscription: Subscription(next: next)))
    }

    mutating func breakTheLaw() { isLawless = true }

    // MARK: Hearing

    mutating func hear(_ bytes: [UInt8], _ ledger: Ledger) throws(Violation) {
        reader.append(bytes)
        while let piece = try reader.next() {
            switch piece {
            case .answer(let status): try hearAnswer(status, ledger)
            case .text(let text): try hearText(text, ledger)
            case .ping: break
            case .pong(let payload): try hearPong(payload)
            case .close(let code):
                isClosed = true
                closeCode = code
            }
        }
    }

    private mutating func hearAnswer(_ status: Int, _ ledger: Ledger) throws(Violation) {
        statuses.append(status)
        let isKnown = [101, 400, 401, 403, 408, 429, 431, 503].contains(status)
        guard isKnown, isLawless || statuses.count == 1 else {
            throw Violation(.stream, "answers \(statuses)")
        }
        guard status == 101 else {
            breakTheLaw()  // What it sends from here on, it sends to nobody.
            return
        }
        switch greeting.token {
        case .expired, .forged: throw Violation(.admission, "opened with a bad token")
        case .none: return
        case .valid: user = greeting.user
        }
        guard let project = greeting.project else { return }
        try join(project, sinceCommit: firstCommit, ledger)
    }

    private mutating func join(
        _ project: Int, sinceCommit commit: Int, _ ledger: Ledger
    ) throws(Violation) {
        guard let user else { throw Violation(.admission, "nobody is in a project") }
        // Who is in a project already isn't checked again: a removal throws it out.
        guard subscriptions[project] == nil else { return }
        guard !facts.checksMembership || ledger.wasMember(user, of: project, since: commit) else {
            throw Violation(.membership, "user \(user) was let into project \(project)")
        }
        subscriptions[project] = Subscription(next: ledger.placesTaken[project])
    }

    private mutating func hearPong(_ payload: [UInt8]) throws(Violation) {
        guard !isLawless else { return }
        guard case .pongFrame(payload)? = expectations.first else {
            throw Violation(.answer, "a pong frame where \(next) was due")
        }
        expectations.removeFirst()
    }

    private var next: String { expectations.first.map { "\($0)" } ?? "nothing" }

    // MARK: Messages

    private mutating func hearText(
        _ text: ArraySlice<UInt8>, _ ledger: Ledger
    ) throws(Violation) {
        if text.starts(with: #"{"type":"cache_invalidate""#.utf8), text.suffix(3) == Self.eventEnd {
            try hearEvent(text, time: text.suffix(10).prefix(6), ledger)
            return
        }
        guard let object = FlatObject(text), let type = object["type"] else {
            throw Violation(.message, "\(String(decoding: text, as: UTF8.self)) isn't a message")
        }
        switch type {
        case "cache_invalidate":
            if object["cursor"] == nil {
                try hearResync(object, ledger)
            } else {
                let data = ArraySlice((object["data"] ?? "").utf8)
                try hearEvent(text, time: data.suffix(9).prefix(6), ledger)
            }
        case "ping", "ready": break
        case "pong":
            guard !isLawless else { return }
            guard case .pongText? = expectations.first else {
                throw Violation(.answer, "a pong where \(next) was due")
            }
            expectations.removeFirst()
        case "ok", "error": try hearOutcome(type, object, ledger)
        default: throw Violation(.message, "a message of type \(type)")
        }
    }

    private static let eventEnd = ArraySlice(#""}}"#.utf8)

    /// - Parameter time: the last digits of the event's time, which say which one it is.
    private mutating func hearEvent(
        _ text: ArraySlice<UInt8>, time: ArraySlice<UInt8>, _ ledger: Ledger
    ) throws(Violation) {
        guard let number = Int(String(decoding: time, as: UTF8.self)),
            number < ledger.events.count
        else { throw Violation(.message, "an event of which the database knows nothing") }
        let event = ledger.events[number]
        let isLogged = facts.hasEventLog && text.elementsEqual(event.loggedMessage)
        guard isLogged || text.elementsEqual(event.message) && event.place != nil else {
            throw Violation(.message, "an event that isn't what was announced")
        }
        let isResuming = isLogged && resumes.contains { $0.project == event.project }
        guard subscriptions[event.project] != nil || isResuming || isLawless else {
            throw Violation(.subscription, "event \(number) of project \(event.project)")
        }
        // The event log has the last end of a project only, and that is told to all who were in it.
        let isEndOfProject = isLogged && event.resource == "projects"
        if facts.checksMembership, user != nil || !isLawless, !isEndOfProject {
            guard let user, ledger.wasMember(user, of: event.project, since: event.commit) else {
                throw Violation(.membership, "event \(number) of project \(event.project)")
            }
        }
        if isLogged {
            hearLogged(number, ledger)
            return
        }
        guard let place = event.place else { return }
        eventCount += 1
        try subscriptions[event.project]?.hear(
            place, mayBeMissing: { ledger.mayBeMissing($0, of: event.project) })
    }

    private mutating func hearLogged(_ number: Int, _ ledger: Ledger) {
        let project = ledger.events[number].project
        let places = ledger.places(coveredBy: number)
        subscriptions[project]?.hearLogged(places)
        for position in resumes.indices where resumes[position].project == project {
            resumes[position].subscription.hearLogged(places)
        }
    }

    private mutating func hearResync(
        _ object: FlatObject, _ ledger: Ledger
    ) throws(Violation) {
        guard object["action"] == "RESYNC", let resource = object["resource"],
            let project = Names.number(object["project_id"])
        else { throw Violation(.message, "\(object.members)") }
        let isResuming = resumes.contains { $0.project == project }
        guard subscriptions[project] != nil || isResuming || isLawless else {
            throw Violation(.subscription, "a resync of project \(project)")
        }
        let placesTaken = ledger.placesTaken[project]
        try subscriptions[project]?.hearResync(of: resource, placesTaken: placesTaken)
        for position in resumes.indices where resumes[position].project == project {
            // Another resync may be half through.
            guard resumes[position].subscription.isInResync || resource == "project_members"
            else { continue }
            try resumes[position].subscription.hearResync(of: resource, placesTaken: placesTaken)
        }
    }

    // MARK: Outcomes

    private mutating func hearOutcome(
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
            return
        }
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
            }
            try join(project, sinceCommit: commit, ledger)
        case .leave(let project?):
            guard subscriptions.removeValue(forKey: project) != nil else {
                throw Violation(.subscription, "left project \(project) without being in it")
            }
        case .leave(nil): subscriptions = [:]
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
        guard case .initialize(let claimed?, _, let expiresAt, _) = effect,
            code == "forbidden" || code == "unavailable"
        else { return }
        user = claimed
        self.expiresAt = expiresAt
    }

    // MARK: The end

    /// Nothing is on its way any more, and the socket took everything.
    func checkRest(_ ledger: Ledger) throws(Violation) {
        guard isOpen, !isLawless else { return }
        guard isWhole else { throw Violation(.stream, "half of a frame, and nothing more") }
        guard expectations.isEmpty else { throw Violation(.answer, "\(next) never came") }
        if let resume = resumes.first {
            throw Violation(.answer, "the answer to \(resume.reference) never came")
        }
        for project in 0..<facts.projects {
            guard let subscription = subscriptions[project] else { continue }
            try subscription.checkNothingMissing(placesTaken: ledger.placesTaken[project])
            if facts.checksMembership, let user, !ledger.isMember(user, of: project) {
                throw Violation(.membership, "user \(user) is still in project \(project)")
            }
        }
    }
}
