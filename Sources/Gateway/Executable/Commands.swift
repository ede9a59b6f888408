internal import ArgumentParser
internal import Gateway

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway. This is what happens without a command.")

    @OptionGroup var options: SettingOptions

    func run() throws {
        try finish {
            () throws(ConfigurationError) in
            var configuration = try Configuration.load(options: options.given)
            _ = try configuration.settleConnectionsMax()
            return Connected.serve(configuration)
        }
    }
}

/// What `serve` starts its workers as; not for people.
struct WorkerProcess: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Serve as one of several processes.",
        shouldDisplay: false)

    @Option var number: Int
    @Option var parent: Int32
    @Option var node: UInt64?
    @Option var epoch: UInt64?

    func run() throws {
        try finish { () throws(ConfigurationError) in
            var configuration = try Configuration.load(options: [:])
            _ = try configuration.settleConnectionsMax()
            var bus: BusIdentity?
            if let node, let epoch { bus = BusIdentity(node: node, epoch: epoch) }
            guard
                let bootstrap = WorkerBootstrap(
                    number: number, parent: parent, bus: bus,
                    sharesSessions: configuration.databaseSessions == .host)
            else {
                throw ConfigurationError(
                    source: "worker", value: nil,
                    reason: "only serve --workers starts workers, and its process is not there")
            }
            return Connected.serve(configuration, bootstrap: bootstrap)
        }
    }
}

struct Migrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Apply the SQL files that the database doesn't have yet, and exit.")

    @Option(Setting[\.migrationsDirectory]) var migrations: String?
    @Option(help: "Whether to install the event log, from which clients resume: on or off.")
    var eventLog = "on"
    @Flag(help: "Apply the files that are recorded as applied too: brings back what was dropped.")
    var again = false
    @Flag(help: "Change nothing, and print what would be applied.") var dryRun = false
    @Option(help: "How long to try for locks, to which writers have the first right: 1m, 30s.")
    var wait = "60s"

    func run() throws {
        try finish { () throws(ConfigurationError) in
            guard eventLog == "on" || eventLog == "off" else {
                throw ConfigurationError(
                    source: "--event-log", value: eventLog, reason: "on or off")
            }
            guard let patience = Duration(text: wait), patience >= .seconds(1) else {
                throw ConfigurationError(
                    source: "--wait", value: wait,
                    reason: "a duration of a second or more, such as 60s")
            }
            var wish = Migrator.Wish()
            wish.leavesOut = eventLog == "on" ? nil : Migrator.eventLogFile
            wish.again = again
            wish.isDry = dryRun
            wish.patienceSeconds = UInt64(patience.components.seconds)
            var given: [String: String] = [:]
            given[Setting[\.migrationsDirectory].name] = migrations
            return Connected.migrate(
                try Configuration.load(options: given, needed: [.databaseURL]), wish)
        }
    }
}

struct Token: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a token for a user, signed with JWT_SECRET; for trying things out.")

    @Option(help: "The user's id, the token's sub.") var user: String
    @Option(help: "How long the token is valid: a duration such as 30s, 1h or 720h.")
    var expiresIn = "1h"

    func run() throws {
        try finish { () throws(ConfigurationError) in
            guard let user = UserID(text: user) else {
                throw ConfigurationError(
                    source: "--user", value: user,
                    reason: "a UUID such as 123e4567-e89b-12d3-a456-426614174000")
            }
            guard let lifetime = Duration(text: expiresIn), lifetime >= .seconds(1) else {
                throw ConfigurationError(
                    source: "--expires-in", value: expiresIn,
                    reason: "a duration such as 30s, 1h or 720h, from 1s to a year")
            }
            // Not as one that is needed: that would name options for public keys too.
            let configuration = try Configuration.load(options: [:], needed: [])
            guard !configuration.jwtSecret.isEmpty else {
                throw ConfigurationError(
                    source: SecretSetting.jwtSecret.variableName, value: nil,
                    reason: """
                        not set; it or \(SecretSetting.jwtSecret.fileVariableName) is needed: public \
                        keys verify tokens, and sign none
                        """)
            }
            return Connected.token(configuration, user: user, lifetime: lifetime)
        }
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration and print what would be used, secrets masked.")

    @OptionGroup var options: SettingOptions

    func run() throws {
        try finish { () throws(ConfigurationError) in
            let configuration = try Configuration.load(options: options.given)
            var settled = configuration
            let connectionsMax = try settled.settleConnectionsMax()
            let keys = try TokenKeys(configuration).load()
            let certificate = try Connected.examineCertificate(configuration)
            print(configuration.report(connectionsMax: connectionsMax), terminator: "")
            for warning in configuration.warnings + keys.warnings + certificate {
                Console.complain("warning: \(warning)")
            }
            return .success
        }
    }
}

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check this host and the database against what the gateway needs.",
        discussion: """
            One line for each check: ok, warn or FAIL, and what to do about it. Run it as the user, \
            and with the settings and limits, that the gateway has. Exit code 69 if anything FAILs.
            """)

    @OptionGroup var options: SettingOptions

    func run() throws {
        try finish { () throws(ConfigurationError) in
            Connected.examine(
                try Configuration.load(options: options.given, needed: [.databaseURL]))
        }
    }
}

/// What docs/configuration.md is written with; not for operators.
struct DescribeOptions: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe-options", abstract: "Print the page about all options, in Markdown.",
        shouldDisplay: false)

    func run() {
        print(ConfigurationPage.text, terminator: "")
    }
}

/// Runs a command's work. A configuration error becomes its one line and exit code 64.
private func finish(_ work: () throws(ConfigurationError) -> ProgramExit) throws {
    let exit: ProgramExit
    do throws(ConfigurationError) {
        exit = try work()
    } catch {
        Console.complain(error.description)
        exit = .usage
    }
    guard exit == .success else { throw ExitCode(exit.rawValue) }
}
