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

    /// Finds the answers that haven't been found, as things stand now.
    mutating func look() {
        for position in queries.indices where queries[position].found == nil {
            queries[position].found = queries[position].pairs.map {
                ledger.isMember(Int($0.user.low), of: Int($0.project.low))
            }
        }
    }
}
