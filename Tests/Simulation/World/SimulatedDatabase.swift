internal import Gateway
internal import GatewayHarness
internal import Reactor

/// The two connections to the database: what they bring the gateway, and when.
struct SimulatedDatabase {
    struct Query {
        let number: Int
        let pairs: [MembershipPair]
        /// Who of them were members, once the database has looked.
        var found: [Bool]?
    }

    /// A question to the event log.
    struct Read {
        let tag: UInt64
        let projects: [Int]
        let commits: [Int]
        /// What was found of each project, and the commit before which all of it was seen.
        var found: (records: [Ledger.Record], nextCommit: Int)?
    }

    var ledger: Ledger
    var isListening = true
    /// Whether notifications stay on their way.
    var holdsNotifications = false
    var answersQueries = true
    /// Whether answers wait until somebody asks for them.
    var holdsAnswers = false
    /// Questions without an answer.
    var queries: [Query] = []
    private(set) var queryCount = 0
    /// Questions to the event log without an answer, the oldest first.
    var reads: [Read] = []
    /// What was announced while older events were being read, as the server keeps it.
    var backlog: [Ledger.Notification] = []

    /// The table of direct messages, and what goes to it.
    var direct = ScriptedDirect()
    /// Whether its answers wait until somebody asks for them.
    var holdsDirect = false

    /// How often a trigger lost a change, and how often triggers were switched off and on.
    var losses: UInt64 = 0
    var switchings = 0

    var tables: AnnouncedTables {
        var tables = AnnouncedTables()
        for name in ["project_members", "projects", "sprints", "tasks"] {
            tables.add(name, mark: "\(switchings)")
        }
        return tables
    }

    init(_ ledger: Ledger) {
        self.ledger = ledger
    }

    mutating func take(_ number: Int, _ parameters: borrowing QueryParameters) {
        queryCount += 1
        let projects = parameters.uuids(0)
        let users = parameters.uuids(1)
        let pairs = zip(projects, users).map { MembershipPair(project: $0, user: $1) }
        queries.append(Query(number: number, pairs: pairs))
    }

    /// What was kept goes with the listener, and has to be read again.
    mutating func loseBacklog() {
        for case .event(let number) in backlog { ledger.lose(number) }
        backlog.removeAll()
    }

    /// Takes a question in, in the form of its statement's parameters: `{…,…}` each.
    mutating func read(_ tag: UInt64, projects: [UInt8], cursors: [UInt8]) {
        let items = { (text: [UInt8]) in
            String(decoding: text.dropFirst().dropLast(), as: UTF8.self).split(separator: ",")
        }
        reads.append(
            Read(
                tag: tag, projects: items(projects).compactMap { Names.number(String($0)) },
                commits: items(cursors).compactMap { Int($0) }))
    }

    /// Finds the answers that haven't been found, as things stand now.
    mutating func look() {
        for position in reads.indices where reads[position].found == nil {
            let records = zip(reads[position].projects, reads[position].commits).map {
                ledger.record(of: $0, since: $1)
            }
            reads[position].found = (records, ledger.commits + 1)
        }
        for position in queries.indices where queries[position].found == nil {
            queries[position].found = queries[position].pairs.map {
                ledger.isMember(Int($0.user.low), of: Int($0.project.low))
            }
        }
    }
}
