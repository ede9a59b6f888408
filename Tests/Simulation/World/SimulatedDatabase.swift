internal import Gateway
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
        let projects = Self.uuids(parameters.value(0))
        let users = Self.uuids(parameters.value(1))
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

    /// The elements of an array of UUIDs in PostgreSQL's binary format.
    private static func uuids(_ bytes: borrowing Span<UInt8>) -> [UUID] {
        var uuids: [UUID] = []
        var position = 20
        while position + 20 <= bytes.count {
            var words: [UInt64] = [0, 0]
            for offset in 0..<16 {
                words[offset / 8] = words[offset / 8] << 8 | UInt64(bytes[position + 4 + offset])
            }
            uuids.append(UUID(high: words[0], low: words[1]))
            position += 20
        }
        return uuids
    }
}
