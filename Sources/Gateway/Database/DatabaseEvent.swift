package import Reactor

/// What a database session asks its caller to do after a call.
package enum DatabaseEvent: Equatable, Sendable {
    case none
    /// The listener: whatever was committed from here on will be announced, so resync every
    /// project. The query session: it answers.
    case live
    /// Log and count; the session tries again by itself.
    case lost(DatabaseLoss)
    /// The query session has read its list of resources again; `changed` also when something else in
    /// the catalogue is different, such as which of the tables are silent.
    case resources(changed: Bool)
    /// A statement of the query session failed, the connection stays: log and count.
    case refused(PostgresError)
}

/// Why a session lost its connection, or didn't get one.
package enum DatabaseLoss: Error, Equatable, Sendable {
    /// No host name could be resolved.
    case unresolved(String)
    /// Looking the host names up took too long.
    case resolvingTimeout
    /// libpq or the server refused: wrong password, no such database, nobody listens.
    case refused(String)
    case connectingTimeout
    /// The connection broke, or the server ended it.
    case closed(PostgresError)
    /// The server refused LISTEN or the first statement.
    case preparingFailed(PostgresError)
    /// The server didn't answer a statement in time.
    case answerTimeout
    case outOfMemory
    /// The server sends more than any answer has.
    case flooded(bytesMax: Int)
    /// The listener didn't hear the canaries.
    case silent
    /// The leader of this host has lost the session.
    case lostByLeader
    /// The leader didn't show in time that it runs.
    case leaderIsSilent
    /// The link to the leader has ended.
    case leaderIsGone
    /// Another worker leads, or this one now does.
    case handedOver
}

extension DatabaseLoss: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unresolved(let reason): "host name not resolved: \(reason)"
        case .resolvingTimeout: "host name not resolved in time"
        case .refused(let reason): "not connected: \(reason)"
        case .connectingTimeout: "not connected in time"
        case .closed(let error): "connection lost: \(error)"
        case .preparingFailed(let error): "statement refused: \(error)"
        case .answerTimeout: "no answer to a statement in time"
        case .outOfMemory: "out of memory"
        case .flooded(let bytesMax):
            "more than \(bytesMax >> 20) MiB sent without an answer or a notification"
        case .silent: "no canary came back"
        case .lostByLeader: "lost by the worker that leads"
        case .leaderIsSilent: "the worker that leads doesn't show that it runs"
        case .leaderIsGone: "the link to the worker that leads has ended"
        case .handedOver: "another worker leads from now on"
        }
    }

    /// What an operator can do about it; `nil` where that is unknown.
    package var advice: String? {
        switch self {
        case .closed(let error), .preparingFailed(let error): error.advice
        case .flooded:
            "check that DATABASE_URL leads to PostgreSQL, and to the database with the gateway's tables"
        case .silent:
            "if a pooler in transaction mode is between, connect to PostgreSQL itself"
        case .unresolved, .resolvingTimeout:
            "correct the host in DATABASE_URL, or the resolver of this host"
        case .refused:
            "check that PostgreSQL runs, and that DATABASE_URL has its host, port, database, user and"
                + " password; devhive-gateway doctor tries them"
        case .connectingTimeout:
            "check the host and port in DATABASE_URL, and the firewalls on the way"
        case .answerTimeout, .outOfMemory, .lostByLeader, .leaderIsSilent, .leaderIsGone,
            .handedOver:
            nil
        }
    }
}

/// What epoll has to watch for a session.
///
/// Whenever it differs from what was applied last: add the descriptor to epoll; where the kernel
/// says EEXIST, change it instead. Never remove one: libpq closes its sockets, and the kernel
/// removes closed ones by itself; by then the number may already belong to somebody else.
package struct DatabaseRegistration: Equatable, Sendable {
    package var descriptor: Int32
    package var wantsRead: Bool
    package var wantsWrite: Bool
    /// Differs when libpq may have opened another socket under the same number.
    package var epoch: UInt64
}
