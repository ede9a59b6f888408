internal import Gateway
internal import GatewayHarness

/// One connection as its client sees it: what it has been told, what it may be told, and what it
/// must be told. Judges every byte.
struct Hearing {
    let greeting: Greeting
    let facts: WorldFacts
    /// The last commit that the gateway had heard of when the handshake was sent.
    let firstCommit: Int
    private var reader = StreamReader()
    var expectations: [Expectation] = []
    var subscriptions: [Int: Subscription] = [:]
    /// What the client has asked to resume and was neither granted nor refused.
    var resumes: [Resume] = []

    struct Resume {
        let reference: Int
        let project: Int
        let sinceCommit: Int
        var subscription: Subscription
    }

    /// What waits for direct messages to be written or read, by reference.
    var directs: [Int: Expectation.DirectWish] = [:]
    /// Whether the client has asked for its inbox, and whether it was told that it has all of it.
    var asksForDirect = false
    var getsDirect = false
    /// Direct messages that the client has got, and those that it was told to be committed.
    var gotten: Set<Int> = []
    /// The same with who they are from, and what they say.
    var heard: Set<[String]> = []
    var committed: [Int] = []

    /// Answers to requests.
    private(set) var statuses: [Int] = []
    /// Whether the gateway knows who the client is, which may be one that says so later.
    var user: Int?
    /// When the token expires, in seconds since 1970.
    var expiresAt: Int64
    /// The same of a first one that was refused.
    var refusedExpiry: Int64?
    private(set) var closeCode: UInt16?
    private(set) var isClosed = false
    /// The client has sent what no client sends: from here on answers can't be foretold.
    private(set) var isLawless = false
    var eventCount = 0
    /// How the client takes part in the presence of its projects, as far as it was confirmed, and what
    /// it was told of it.
    var wishes: [Int: PresenceWish] = [:]
    var present: [Int: PresenceView] = [:]
    /// Of several gateways: whether the lists that came in this turn say that they aren't whole.
    var partials: [Bool] = []

    init(_ greeting: Greeting, _ facts: WorldFacts, heardCommit: Int, expiresAt: Int64) {
        self.greeting = greeting
        self.facts = facts
        firstCommit = heardCommit
        self.expiresAt = expiresAt
    }

    var isOpen: Bool { reader.isOpen && !isClosed }
    var isWhole: Bool { reader.isWhole }
    var statusBody: [UInt8] { reader.body }
    var isWaiting: Bool { !expectations.isEmpty || !resumes.isEmpty || !directs.isEmpty }

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
        if case .direct(let reference, let wish) = expectation {
            if wish.isInbox { asksForDirect = true }
            if !isLawless { directs[reference] = wish }
            return
        }
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
        let isKnown =
            [101, 400, 401, 403, 408, 429, 431, 503].contains(status)
            || status == 200 && greeting.statusRequests > 0
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

    mutating func join(
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

    var next: String { expectations.first.map { "\($0)" } ?? "nothing" }

    // MARK: The end

    /// Nothing is on its way any more, and the socket took everything.
    func checkRest(_ ledger: Ledger) throws(Violation) {
        guard isOpen, !isLawless else { return }
        guard isWhole else { throw Violation(.stream, "half of a frame, and nothing more") }
        guard expectations.isEmpty else { throw Violation(.answer, "\(next) never came") }
        if let (reference, _) = directs.first {
            throw Violation(.answer, "the answer to \(reference) never came")
        }
        if let resume = resumes.first {
            throw Violation(.answer, "the answer to \(resume.reference) never came")
        }
        for project in 0..<facts.projects {
            guard var subscription = subscriptions[project] else { continue }
            subscription.hearLogged(ledger.lostForgedPlaces(of: project))
            try subscription.checkNothingMissing(placesTaken: ledger.placesTaken[project])
            if facts.checksMembership, let user, !ledger.isMember(user, of: project) {
                throw Violation(.membership, "user \(user) is still in project \(project)")
            }
        }
    }
}
