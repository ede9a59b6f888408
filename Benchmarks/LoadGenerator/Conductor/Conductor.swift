internal import Reactor

/// Runs a scenario: starts the receivers, publishes, waits for them, and adds up what they say.
struct Conductor: ~Copyable {
    let plan: Plan
    let origin: Instant
    let server: ServerProcess?
    var team: Team
    var publisher: Publisher
    var result: RunResult
    /// Messages that somebody hasn't reported yet.
    var underWay: [UInt64: UnderWay] = [:]
    /// From sending to the last receiver.
    var lastReceiver = LatencyHistogram()
    var completed = 0
    var opened: [Int]
    var refused: [Int]
    var progress: Progress
    var measurement: Measurement?
    /// The most that a message of the open loop left too late, nanoseconds.
    var publisherLag: UInt64 = 0

    /// The place of the probe in the team: after the crowd. `nil` without one.
    let probe: Int?
    let bareListener: Int?

    struct UnderWay {
        var sentNanoseconds: UInt64
        var awaited: Int
        var lastNanoseconds: UInt64 = 0
    }

    /// How long nothing may arrive while something is under way, in nanoseconds.
    static let stallNanoseconds: UInt64 = 8_000_000_000

    init(_ plan: Plan, database: ConnectionString, databaseURL: String, server: ServerProcess?)
        throws
    {
        // What can fail comes first: a noncopyable value can't be left half made.
        let origin = Clock.monotonic()
        let publisher = try Publisher(
            database: database, origin: origin, projects: plan.projectsInAll)
        var team = try Team()
        let hasProbe = [.single, .fairness, .handshake].contains(plan.scenario)
        for member in 0..<plan.crowdSize {
            let capacity =
                plan.block(of: member).count + plan.clients / 10 + Self.warmUpClients + 64
            _ = try team.start(
                Self.receiverArguments(
                    plan, origin, member: member, firstProject: 0, projects: plan.projects,
                    capacity: capacity) + (hasProbe ? ["--patient"] : []))
        }
        var probe: Int?
        if hasProbe {
            probe = try team.start(
                Self.receiverArguments(
                    plan, origin, member: plan.crowdSize, firstProject: plan.probeProject,
                    projects: 1, capacity: 16) + ["--urgent"])
        }
        var bareListener: Int?
        if plan.scenario == .single {
            bareListener = try team.start([
                "listen", "--origin", String(origin.nanoseconds), "--database", databaseURL,
            ])
        }
        opened = Array(repeating: 0, count: team.count)
        refused = opened
        self.plan = plan
        self.server = server
        self.origin = origin
        self.publisher = publisher
        self.team = team
        self.probe = probe
        self.bareListener = bareListener
        result = RunResult(scenario: plan.scenario.rawValue)
        progress = Progress(isShown: plan.showsProgress)
    }

    private static func receiverArguments(
        _ plan: Plan, _ origin: Instant, member: Int, firstProject: Int, projects: Int,
        capacity: Int
    ) -> [String] {
        // Sources from 127.0.1.1 on: one for each process, each good for 28,000 connections.
        let token = plan.token.map { ["--token", $0] } ?? []
        return [
            "receive", "--url", plan.url, "--origin", String(origin.nanoseconds),
            "--source", "127.0.\(1 + member / 250).\(1 + member % 250)",
            "--projects", String(plan.projectsInAll), "--first-project", String(firstProject),
            "--project-count", String(projects), "--capacity", String(capacity),
            "--reports-every", String(firstProject == 0 ? plan.burst : 1),
            "--window", String(max(1, plan.window / max(1, plan.crowdSize))),
        ] + token
    }

    func now() -> UInt64 {
        Clock.monotonic().nanoseconds(since: origin)
    }

    // MARK: Connections

    /// Opens the crowd's clients, and the probe.
    mutating func connectEveryone() throws {
        if let probe { try connect(probe, 1, from: 0) }
        try connectCrowd()
    }

    mutating func connectCrowd() throws {
        for member in 0..<plan.crowdSize {
            let block = plan.block(of: member)
            guard !block.isEmpty else { continue }
            begin(
                member,
                Record(.connect, UInt64(block.count), UInt64(block.lowerBound % plan.projects)))
        }
        try awaitConnections()
    }

    /// Opens `count` connections of one process.
    mutating func connect(_ member: Int, _ count: Int, from project: Int) throws {
        begin(member, Record(.connect, UInt64(count), UInt64(project)))
        try awaitConnections()
    }

    mutating func begin(_ member: Int, _ record: Record) {
        team.send(record, to: member)
        pendingConnects.insert(member)
    }

    var pendingConnects: Set<Int> = []

    mutating func awaitConnections() throws {
        while !pendingConnects.isEmpty {
            progress.show("connected \(opened.reduce(0, +)) of \(plan.clients)")
            guard let message = try team.next(within: Self.stallNanoseconds) else {
                throw Failure("connecting has stopped at \(opened.reduce(0, +))")
            }
            take(message)
            if message.record.kind == .connected { pendingConnects.remove(message.member) }
        }
        let failed = refused.reduce(0, +)
        if failed > 0 { throw Failure("\(failed) connections could not be opened") }
    }

    // MARK: Messages

    /// The processes that have clients of `project`.
    private func awaited(for project: UInt32) -> Int {
        if Int(project) >= plan.probeProject { return 1 }
        return (0..<plan.crowdSize).count {
            plan.holders(of: Int(project), in: plan.block(of: $0)) > 0
        }
    }

    mutating func publish(
        project: Int, count: Int = 1, channel: String = Publisher.channel
    ) throws {
        let sending = try publisher.publish(
            project: UInt32(project), count: count, channel: channel)
        underWay[Self.key(sending.project, sending.sequence)] = UnderWay(
            sentNanoseconds: sending.nanoseconds, awaited: awaited(for: sending.project))
    }

    /// Takes in what a process says. Returns the project of a message that all clients have now.
    @discardableResult
    mutating func take(_ message: Team.Message) -> Int? {
        let record = message.record
        switch record.kind {
        case .progress, .connected:
            opened[message.member] = Int(record.a)
            refused[message.member] = Int(record.b)
        case .done:
            let key = Self.key(UInt32(record.a), UInt32(record.b))
            guard var state = underWay[key] else { return nil }
            state.awaited -= 1
            state.lastNanoseconds = max(state.lastNanoseconds, record.c)
            guard state.awaited == 0 else {
                underWay[key] = state
                return nil
            }
            underWay[key] = nil
            if Int(record.a) < plan.probeProject {
                completed += 1
                lastReceiver.record(
                    state.lastNanoseconds - min(state.lastNanoseconds, state.sentNanoseconds))
            }
            return Int(record.a)
        default: break
        }
        return nil
    }

    /// Waits until every client has everything. Returns whether that has come to be.
    mutating func settle() throws -> Bool {
        while !underWay.isEmpty {
            guard let message = try team.next(within: Self.stallNanoseconds) else { return false }
            take(message)
        }
        return true
    }

    /// Takes in whatever is said until `deadline`, nanoseconds of the run.
    mutating func wait(until deadline: UInt64) throws {
        while true {
            let time = now()
            guard time < deadline else { return }
            if let message = try team.next(within: deadline - time) { take(message) }
        }
    }

    private static func key(_ project: UInt32, _ sequence: UInt32) -> UInt64 {
        UInt64(project) << 32 | UInt64(sequence)
    }
}
