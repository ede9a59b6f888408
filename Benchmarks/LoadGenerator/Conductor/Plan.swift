internal import ArgumentParser
internal import Reactor

/// What is measured.
enum Scenario: String, CaseIterable, ExpressibleByArgument {
    /// One project; the next message when the last client has the one before, or `--rate`.
    case fanout
    /// As `fanout`, with `--burst` notifications in each transaction.
    case burst
    /// Many projects, round robin.
    case projects
    /// From the commit to one client, beside a bare libpq listener.
    case single
    /// An event for one client during a continuous fan-out to many others.
    case fairness
    /// Upgrades as fast as the server makes them.
    case handshake
    /// Memory per idle connection.
    case idle
    /// CPU with idle connections.
    case idlecpu
    /// Some clients stop reading for a while.
    case slow
    /// Some clients are reset and come back, again and again.
    case churn
}

/// The run that was asked for.
struct Plan {
    var scenario: Scenario
    var clients: Int
    var projects: Int
    var burst: Int
    /// Deliveries a second; zero means that each message waits for the one before.
    var deliveriesPerSecond: Int
    /// Messages under way at the same time in a closed loop.
    var depth: Int
    var seconds: Double
    var warmUpSeconds: Double
    /// Of a thousand clients, so many stop reading.
    var slowShare: Int
    var resetsPerSecond: Int
    var processes: Int
    var window: Int
    var url: String
    var token: String?
    /// Names the figures; for the progress line.
    var showsProgress: Bool

    /// How many clients one process has, below RLIMIT_NOFILE's usual hard limit.
    static let clientsPerProcess = 15_000

    /// Processes of the crowd.
    var crowdSize: Int {
        if scenario == .single { return 0 }
        return processes > 0
            ? min(processes, max(1, clients))
            : max(1, (clients + Self.clientsPerProcess - 1) / Self.clientsPerProcess)
    }

    /// The project of the probe, a single client in a process of its own.
    var probeProject: Int { projects }
    /// What the bare listener hears of is no client's project.
    var bareProject: Int { projects + 1 }
    var projectsInAll: Int { projects + 2 }

    /// The clients of the crowd's process `member`, as numbers of the whole run.
    func block(of member: Int) -> Range<Int> {
        let first = clients * member / crowdSize
        return first..<clients * (member + 1) / crowdSize
    }

    /// Of `range`, the clients that look at `project`: those whose number is it modulo `projects`.
    func holders(of project: Int, in range: Range<Int>) -> Int {
        func below(_ end: Int) -> Int {
            end / projects + (end % projects > project ? 1 : 0)
        }
        return below(range.upperBound) - below(range.lowerBound)
    }
}
