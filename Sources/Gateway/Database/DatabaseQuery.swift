package import Reactor

/// What a query session can be asked. A new kind is one case here, the text of its statement
/// (`ResourceCatalogue.statement(of:)`) and what goes ahead of it (`tableGuard(of:)`), and its answer's reader, which
/// is whoever asked (`Server.handle`).
package enum DatabaseQuery: UInt8, CaseIterable, Sendable {
    /// Pins the search_path, first of all: asked and read by the session itself; see `SearchPath`.
    case path
    /// Which tables announce their changes: asked and read by the session itself.
    case resources
    /// Which of some pairs of project and user are members; see `MembersTable`.
    case members
    /// A canary's way out, and what else is watched; see `CanaryQuery`.
    case canary
    /// What was missed; see `EventsQuery`.
    case events
    /// Deletes old events; see `PruneQuery`.
    case prune
    /// Raises the log's horizon; see `ExpiryQuery`.
    case expire
    /// Direct messages that are sent, several or one, and acknowledged, read as announced and by inboxes, and deleted;
    /// see `DirectQueries`.
    case directSend, directSendOne, directAck, directRead, directInbox, directPrune

    /// Statements of this kind that may wait for their answers at once.
    package var pendingMax: Int {
        switch self {
        case .path: 1
        case .resources: 2
        case .members: 4
        case .canary: 2
        case .events: 2
        case .prune, .expire, .directPrune: 1
        case .directSend, .directSendOne, .directAck, .directRead, .directInbox: 2
        }
    }

    /// Nanoseconds within which the answer must come. Answers come in the order of the questions, so
    /// one that is late holds up the others: the connection is given up.
    package var answerNanoseconds: UInt64 {
        switch self {
        case .path, .resources, .members, .canary, .events, .prune, .expire, .directSend,
            .directSendOne, .directAck, .directRead, .directInbox, .directPrune:
            DatabaseLimits.statementNanoseconds
        }
    }

    /// Whether the session asks by itself, so that nobody waits for the answer.
    var isOwn: Bool {
        switch self {
        case .path, .resources: true
        case .members, .canary, .events, .prune, .expire, .directSend, .directSendOne,
            .directAck, .directRead, .directInbox, .directPrune:
            false
        }
    }

    /// Whether a follower asks it of the leader. What goes on whether anybody is there or not the leader does
    /// alone: canaries, pruning, and looking at the catalogue.
    package var isRelayed: Bool {
        switch self {
        case .members, .events, .expire, .directSend, .directSendOne, .directAck, .directRead,
            .directInbox:
            true
        case .path, .resources, .canary, .prune, .directPrune: false
        }
    }

    /// Whether it is run by one plan again and again: it calls a function, and nothing else. Of the others each plan is for
    /// the tables as they are then, however fast they grow.
    var keepsPlan: Bool {
        switch self {
        case .directSend, .directSendOne: true
        case .path, .resources, .members, .canary, .events, .prune, .expire, .directAck,
            .directRead, .directInbox, .directPrune:
            false
        }
    }

    /// Whether the answer is what is committed: it is given when the statement's sync has come, since a
    /// transaction can fail at its end.
    var isAnsweredAtCommit: Bool {
        switch self {
        case .directSend, .directSendOne, .directAck: true
        case .path, .resources, .members, .canary, .events, .prune, .expire, .directRead,
            .directInbox, .directPrune:
            false
        }
    }
}

/// What became of a wish to ask.
package enum AskOutcome: Equatable, Sendable {
    /// It is on its way; an answer will come, if only `QueryFailure.lost`.
    case asked
    /// As many as may wait already do: ask later.
    case full
    /// There is no connection now. Nothing was asked.
    case notLive
}

/// The answer to a statement; there is exactly one to each that was asked.
package struct QueryAnswer: ~Copyable {
    package let query: DatabaseQuery
    /// What the asker gave.
    package let tag: UInt64
    /// The follower that asked; `nil` for this process itself.
    package let follower: Handle?
    package let outcome: QueryOutcome

    package init(
        query: DatabaseQuery, tag: UInt64, for follower: Handle? = nil,
        outcome: consuming QueryOutcome
    ) {
        self.query = query
        self.tag = tag
        self.follower = follower
        self.outcome = outcome
    }
}

package enum QueryOutcome: ~Copyable {
    /// The rows, maybe none. Their shape is the server's word: check it.
    case rows(PostgresRows)
    /// A statement that returns no rows has run.
    case succeeded
    case failed(QueryFailure)
}

package enum QueryFailure: Error, Equatable, Sendable {
    /// The server refused this statement; the connection stays.
    case refused(PostgresError)
    /// The connection was lost, or given up because an answer was late. Whether the statement ran
    /// isn't known.
    case lost
}
