internal import ArgumentParser
internal import CEpollShim
internal import Reactor

/// The command line's root.
@main
struct LoadGenerator: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load-generator",
        abstract: "Puts a WebSocket server that fans out PostgreSQL notifications under load.",
        discussion: """
            Needs DATABASE_URL, and JWT_SECRET unless --token is given. Every delivery is checked: \
            a run in which one is lost, doubled, late or misdirected fails and has no figures.
            """,
        subcommands: [Run.self, Receive.self, Listen.self],
        defaultSubcommand: Run.self)
}

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run one scenario.")

    @Option(help: "\(Scenario.allCases.map(\.rawValue).joined(separator: ", ")).")
    var scenario = Scenario.fanout
    @Option(help: "The server; {token} and {project} are replaced for each client.")
    var url = "ws://127.0.0.1:8080/api/v1/messages/ws?token={token}&projectId={project}"
    @Option(help: "A token for all clients, instead of one for each.") var token: String?
    @Option(help: "Clients in all.") var clients = 1_000
    @Option(help: "Projects over which they are spread.") var projects = 1
    @Option(help: "Notifications in one transaction.") var burst = 1
    @Option(help: "Deliveries a second; 0: each message waits for the one before.") var rate = 0
    @Option(help: "Messages under way at the same time, without --rate.") var depth = 1
    @Option(help: "How long is measured.") var seconds = 5.0
    @Option(help: "How long is sent before that.") var warmUp = 1.0
    @Option(help: "slow: of a thousand clients, so many stop reading.") var slowShare = 100
    @Option(help: "churn: connections reset and reopened a second.") var resets = 500
    @Option(help: "Processes that receive; 0: as many as the number of clients needs.")
    var processes = 0
    @Option(help: "Connections being opened at the same time.") var window = 128
    @Option(help: "The server's process; its descendants are counted too.") var serverPid: Int?
    @Option(help: "Append the result to this file, as one line of JSON.") var json: String?
    @Option(help: "Give up after so many seconds.") var deadline = 120
    @Flag(help: "Show no progress line.") var quiet = false

    func validate() throws {
        guard clients > 0, clients <= 1_000_000, projects > 0, projects < Marker.projectsMax,
            projects <= clients, burst > 0, burst <= Inbox.windowMax / 2, rate >= 0, depth > 0,
            depth * burst <= Inbox.windowMax, seconds > 0, warmUp >= 0, window > 0, processes >= 0,
            (0...1_000).contains(slowShare), resets > 0, deadline > 0
        else { throw ValidationError("a number is out of range") }
    }

    func run() throws {
        _ = try DescriptorLimit.raiseToHard()
        // Ends the process, by which the others know that it is over.
        alarm(UInt32(deadline))
        let environment = Environment.snapshot()
        guard let url = environment["DATABASE_URL"] else {
            throw ValidationError("DATABASE_URL isn't set")
        }
        let databaseURL = String(decoding: url, as: UTF8.self)
        var conductor = try Conductor(
            plan, database: try ConnectionString(databaseURL), databaseURL: databaseURL,
            server: serverPid.map { ServerProcess(root: $0) })
        conductor.perform()
        conductor.team.dismiss()
        print(conductor.result.table)
        if let json { try OutputFile.append(conductor.result.json + "\n", to: json) }
        guard conductor.result.failures.isEmpty else { throw ExitCode(1) }
    }

    private var plan: Plan {
        Plan(
            scenario: scenario, clients: clients, projects: projects, burst: burst,
            deliveriesPerSecond: rate, depth: depth, seconds: seconds, warmUpSeconds: warmUp,
            slowShare: slowShare, resetsPerSecond: resets, processes: processes, window: window,
            url: self.url, token: token, showsProgress: !quiet)
    }
}

/// A process that receives. The conductor starts it.
struct Receive: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Option var url: String
    @Option var token: String?
    @Option var origin: UInt64
    @Option var source: String
    @Option var projects: Int
    @Option var firstProject: Int
    @Option var projectCount: Int
    @Option var capacity: Int
    @Option var reportsEvery: Int
    @Option var window: Int
    /// Goes before the others on the processor: what it measures must not wait for them.
    @Flag var urgent = false
    /// Lets the others go first: the database and the publisher share the processor with the crowd,
    /// and their delays would be taken for the server's.
    @Flag var patient = false

    func run() throws {
        _ = try DescriptorLimit.raiseToHard()
        // Needs a privilege; without it the probe's times hold some of the crowd's.
        if urgent { _ = nice(-15) }
        if patient { _ = nice(10) }
        let secret = Environment.snapshot()["JWT_SECRET"] ?? []
        guard let target = Target(url: url, secret: secret, fixedToken: token) else {
            throw ValidationError("--url must be ws://ADDRESS:PORT/… or wss://…")
        }
        guard let source = SocketAddress(host: source, port: 0) else {
            throw ValidationError("--source must be an address")
        }
        var receiver = try Receiver(
            ReceiverSettings(
                origin: Instant(nanoseconds: origin), target: target, source: source,
                projects: projects, firstProject: firstProject, projectCount: projectCount,
                capacity: capacity, reportsEvery: reportsEvery, window: window))
        try receiver.run()
    }
}
