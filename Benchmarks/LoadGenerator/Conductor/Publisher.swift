internal import Reactor

/// Sends notifications through PostgreSQL and numbers them.
struct Publisher: ~Copyable {
    static let channel = "cache_invalidate"

    private var connection: BlockingPostgresConnection
    private let origin: Instant
    /// Messages sent to each project.
    private(set) var sent: [UInt32]

    /// What was sent last.
    struct Sending {
        var project: UInt32
        /// The number of the last message.
        var sequence: UInt32
        var nanoseconds: UInt64
    }

    init(database: ConnectionString, origin: Instant, projects: Int) throws(PostgresError) {
        connection = try BlockingPostgresConnection(database)
        self.origin = origin
        sent = Array(repeating: 0, count: projects)
    }

    /// Commits `count` messages in one transaction and returns when that is done.
    ///
    /// Several statements in one simple query are one transaction (PostgreSQL's manual, "Multiple
    /// Statements in a Simple Query").
    mutating func publish(
        project: UInt32, count: Int = 1, channel: String = Publisher.channel
    ) throws(PostgresError) -> Sending {
        let first = sent[Int(project)] + 1
        let now = Clock.monotonic().nanoseconds(since: origin)
        var statements = ""
        for sequence in first..<first + UInt32(count) {
            let marker = Marker(project: project, sequence: sequence, sentNanoseconds: now)
            statements += "NOTIFY \(channel), '\(marker.payload())';"
        }
        try connection.execute(statements)
        sent[Int(project)] += UInt32(count)
        return Sending(project: project, sequence: sent[Int(project)], nanoseconds: now)
    }
}
