/// What was committed, who was a member when, and what the gateway was told: held against what
/// clients hear. It knows nothing of the gateway.
struct Ledger {
    /// A notification on its way.
    enum Notification {
        case event(Int)
        /// Not one of ours.
        case malformed([UInt8])
        /// Everything before this commit has been announced.
        case canary(nextCommit: Int)
    }

    /// A change that clients are told of.
    struct Event {
        let project: Int
        /// Whether it puts the membership of the whole audience in doubt.
        let isDoubtful: Bool
        /// When it was committed.
        let commit: Int
        /// Whether it never was: somebody made it up.
        var isForged = false
        /// The table and the row that changed.
        let resource: String
        let id: String
        let isInsertion: Bool
        /// Whether the event log lacks it.
        var isUnlogged = false
        /// Its place among its project's events, once it was announced or is lost.
        var place: Int?
        let payload: [UInt8]
        /// The same as the event log has it, and the message for that: what clients get when it is
        /// announced has a cursor besides, if there is an event log.
        let logged: [UInt8]
        let loggedMessage: [UInt8]
    }

    private let userCount: Int
    private let hasEventLog: Bool
    /// The event log has forgotten the commits up to this one.
    private var horizon = 0
    private(set) var commits = 0
    private(set) var events: [Event] = []
    /// By project: how many of its events were announced or lost.
    private(set) var placesTaken: [Int]
    /// By project: which of these places nobody was told of.
    private var isLost: [[Bool]]
    /// Memberships that have ended, of which nobody was told.
    private var isUnheard: Set<Int> = []
    /// By project: the place at which its whole audience was last in doubt.
    private var doubtedAt: [Int]
    /// Committed, and not yet announced.
    private(set) var pending: [Notification] = []
    private var isMember: [Bool]
    /// By user and project: the commit of the last removal.
    private var removedAt: [Int]

    init(_ facts: WorldFacts) {
        userCount = facts.users
        hasEventLog = facts.hasEventLog
        placesTaken = Array(repeating: 0, count: facts.projects)
        isLost = Array(repeating: [], count: facts.projects)
        doubtedAt = Array(repeating: -1, count: facts.projects)
        isMember = Array(repeating: false, count: facts.users * facts.projects)
        removedAt = Array(repeating: 0, count: facts.users * facts.projects)
    }

    private func slot(_ user: Int, _ project: Int) -> Int { project * userCount + user }

    // MARK: Asking

    func isMember(_ user: Int, of project: Int) -> Bool { isMember[slot(user, project)] }

    /// Whether the user was a member at that commit, or has been one since.
    func wasMember(_ user: Int, of project: Int, since commit: Int) -> Bool {
        isMember(user, of: project) || removedAt[slot(user, project)] > commit
            || isUnheard.contains(slot(user, project))
    }

    /// From here on everybody knows of every removal.
    mutating func endUnheard() { isUnheard = [] }

    /// Whether these events of the project may have passed somebody by, for a while: all were committed
    /// while nobody listened, so a resync is on its way; or the whole audience is in doubt, and whoever
    /// was too slow before is about to get a resync with all others, or word that it isn't in the
    /// project any more.
    func mayBeMissing(_ places: Range<Int>, of project: Int) -> Bool {
        doubtedAt[project] >= places.lowerBound || places.allSatisfy { isLost[project][$0] }
    }

    /// The last commit of which the gateway must know, if it was one that is announced.
    var heardCommit: Int {
        for notification in pending {
            if case .event(let number) = notification { return events[number].commit - 1 }
        }
        return commits
    }

    /// The place that the project's first event from that commit on has, or will have.
    func firstPlace(of project: Int, since commit: Int) -> Int {
        events.count { $0.project == project && $0.commit < commit }
    }

    /// The places of the event and of all before it that changed the same row: whoever hears of it from
    /// the event log hears of the others by it.
    func places(coveredBy number: Int) -> [Int] {
        let event = events[number]
        return events[...number].compactMap {
            !$0.isForged && $0.project == event.project && $0.resource == event.resource
                && $0.id == event.id
                ? $0.place : nil
        }
    }

    /// What the event says of memberships that have ended.
    func ending(of number: Int) -> World.Ending? {
        let event = events[number]
        if event.resource == "projects" {
            return World.Ending(user: nil, project: event.project, commit: event.commit)
        }
        guard event.resource == "project_members", !event.isInsertion else { return nil }
        let user = event.id == "*" ? nil : Names.number(event.id)
        return World.Ending(user: user, project: event.project, commit: event.commit)
    }

    /// Whether word of such an end is on its way.
    func awaitsEnding(of project: Int) -> Bool {
        pending.contains { notification in
            guard case .event(let number) = notification else { return false }
            return ending(of: number)?.project == project
        }
    }

    // MARK: The event log

    /// What the event log says of one project.
    enum Record {
        case events([Int])
        case expired
        case tooMany

        /// Rows of the answer.
        var rowCount: Int {
            if case .events(let numbers) = self { max(numbers.count, 1) } else { 1 }
        }
    }

    /// The last change of each row since that commit.
    func record(of project: Int, since commit: Int) -> Record {
        guard commit > horizon, commit <= commits + 1 else { return .expired }
        var rows: Set<String> = []
        var numbers: [Int] = []
        for number in events.indices.reversed() {
            let event = events[number]
            guard event.commit >= commit else { break }
            guard event.project == project, !event.isForged, !event.isUnlogged,
                rows.insert("\(event.resource) \(event.id)").inserted
            else { continue }
            numbers.append(number)
        }
        guard numbers.count <= Self.recordedRowsMax else { return .tooMany }
        numbers.reverse()
        return .events((0...3).flatMap { rank in numbers.filter { self.rank(of: $0) == rank } })
    }

    /// The place of the event's kind in the event log's answer: what may end memberships comes first.
    private func rank(of number: Int) -> Int {
        let event = events[number]
        if event.resource == "projects" { return 0 }
        guard event.resource == "project_members", !event.isInsertion else { return 3 }
        return event.id == "*" ? 1 : 2
    }

    private static var recordedRowsMax: Int { 1_000 }

    mutating func prune(keeping kept: Int) { horizon = max(horizon, commits - kept) }

    // MARK: Committing

    mutating func commit(_ change: Change) {
        commits += 1
        switch change {
        case .event(let project):
            record("tasks", "UPDATE", id: "\(events.count)", project)
        case .addMember(let user, let project):
            guard !isMember(user, of: project) else { return }
            isMember[slot(user, project)] = true
            record("project_members", "INSERT", id: Self.memberID(user, project), project)
        case .removeMember(let user, let project):
            guard isMember(user, of: project) else { return }
            remove(user, project)
            record("project_members", "DELETE", id: Self.memberID(user, project), project)
        case .replaceMember(let user, let project):
            guard isMember(user, of: project) else { return }
            record("project_members", "DELETE", id: Self.memberID(user, project), project)
            record("project_members", "INSERT", id: Self.memberID(user, project), project)
        case .removeSomeMembers(let project):
            for user in stride(from: 0, to: userCount, by: 2) { remove(user, project) }
            record("project_members", "DELETE", id: "*", project)
        case .deleteProject(let project):
            record("projects", "DELETE", id: "\(Names.project(project))", project)
            commits += 1
            for user in 0..<userCount { remove(user, project) }
        }
    }

    /// Somebody says what isn't so.
    mutating func forge(_ forgery: Forgery) {
        switch forgery {
        case .event(let project, let ahead):
            record("tasks", "UPDATE", id: "\(events.count)", project, forgedCursor: commits + ahead)
        case .removal(let user, let project):
            record(
                "project_members", "DELETE", id: Self.memberID(user, project), project,
                forgedCursor: commits)
        case .removals(let project):
            record("project_members", "DELETE", id: "*", project, forgedCursor: commits)
        case .end(let project):
            record(
                "projects", "DELETE", id: "\(Names.project(project))", project,
                forgedCursor: commits)
        }
    }

    /// A change that isn't announced, and that the event log lacks: all cursors are too old for it, as
    /// the log says if a trigger was there to see it.
    mutating func loseChange(of project: Int, seenByTrigger isSeen: Bool) {
        commit(.event(project: project))
        guard case .event(let number)? = pending.popLast() else { return }
        events[number].isUnlogged = true
        place(number, isLost: true)
        doubtedAt[project] = placesTaken[project]
        if isSeen { horizon = commits }
    }

    /// A member is removed, and that isn't announced.
    mutating func removeUnheard(_ user: Int, _ project: Int) {
        commits += 1
        if isMember(user, of: project) { isUnheard.insert(slot(user, project)) }
        remove(user, project)
    }

    /// The places of the project's events that never were.
    func forgedPlaces(of project: Int) -> [Int] {
        events.compactMap { $0.isForged && $0.project == project ? $0.place : nil }
    }

    /// Those of them that were lost on their way, which nothing makes good.
    func lostForgedPlaces(of project: Int) -> [Int] {
        forgedPlaces(of: project).filter { isLost[project][$0] }
    }

    /// Whether the user ever lost the membership.
    func wasRemoved(_ user: Int, from project: Int) -> Bool { removedAt[slot(user, project)] > 0 }

    /// Whether the user isn't a member, and hasn't been one since that commit.
    func isRemoved(_ user: Int, from project: Int, since commit: Int) -> Bool {
        !isMember(user, of: project) && removedAt[slot(user, project)] <= commit
    }

    mutating func addMalformed(_ bytes: [UInt8]) { pending.append(.malformed(bytes)) }

    mutating func addCanary() { pending.append(.canary(nextCommit: commits + 1)) }

    private mutating func remove(_ user: Int, _ project: Int) {
        guard isMember(user, of: project) else { return }
        isMember[slot(user, project)] = false
        removedAt[slot(user, project)] = commits
    }

    private mutating func record(
        _ resource: String, _ action: String, id: String, _ project: Int,
        forgedCursor cursor: Int? = nil
    ) {
        // Each event has a time of its own, which says in the message which one it is.
        let number = "\(1_000_000 + events.count)".dropFirst()
        let time = "2026-01-02T03:04:05.\(number)Z"
        let name = Names.project(project)
        let payload =
            #"{"resource":"\#(resource)","id":"\#(id)","action":"\#(action)","#
            + #""project_id":"\#(name)","timestamp":"\#(time)""#
        let message =
            #"{"type":"cache_invalidate","resource":"\#(resource)","action":"\#(action)","#
            + #""project_id":"\#(name)","data":{"id":"\#(id)","timestamp":"\#(time)"}"#
        let end = hasEventLog ? #","cursor":"\#(cursor ?? commits)"}"# : "}"
        pending.append(.event(events.count))
        events.append(
            Event(
                project: project, isDoubtful: resource == "projects" || id == "*", commit: commits,
                isForged: cursor != nil,
                resource: resource, id: id, isInsertion: action == "INSERT", place: nil,
                payload: Array((payload + end).utf8), logged: Array((payload + "}").utf8),
                loggedMessage: Array((message + "}").utf8)))
    }

    private static func memberID(_ user: Int, _ project: Int) -> String {
        "\(Names.project(project)):\(Names.user(user))"
    }

    // MARK: Announcing

    /// The next notification is with the gateway.
    mutating func announceNext() -> Notification? {
        guard !pending.isEmpty else { return nil }
        let next = pending.removeFirst()
        if case .event(let number) = next { place(number, isLost: false) }
        return next
    }

    /// What was committed while nobody listened isn't announced any more; that it was missed has to
    /// be told from here on.
    mutating func losePending() {
        for notification in pending {
            // What never was isn't missed.
            if case .event(let number) = notification, !events[number].isForged {
                place(number, isLost: true)
            }
        }
        pending.removeAll()
        doubtedAt = placesTaken
    }

    /// An event that was announced is lost after all.
    mutating func lose(_ number: Int) {
        guard let place = events[number].place else { return }
        isLost[events[number].project][place] = true
    }

    private mutating func place(_ number: Int, isLost: Bool) {
        let project = events[number].project
        self.isLost[project].append(isLost)
        if events[number].isDoubtful { doubtedAt[project] = placesTaken[project] }
        events[number].place = placesTaken[project]
        placesTaken[project] += 1
    }
}
