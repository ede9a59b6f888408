internal import Reactor

/// A statement that was sent and not yet answered to its end.
struct PendingStatement {
    let query: DatabaseQuery
    let tag: UInt64
    let deadline: Instant
    /// The answer to its guard is still to come, or hasn't ended.
    var isGuarded: Bool
    var isGuardAnswered = false
    /// It isn't run, since its guard has failed, and the server is still to say so.
    var isSkipped = false
    /// Its rows, its success or its error have come, or its guard's.
    var isAnswered = false
    /// Its end has come; the sync behind it hasn't.
    var isEnded = false
    /// Its rows have come, and then its commit failed.
    var hasFailedAtCommit = false

    init(query: DatabaseQuery, tag: UInt64, deadline: Instant, isGuarded: Bool) {
        self.isGuarded = isGuarded
        self.query = query
        self.tag = tag
        self.deadline = deadline
    }

    func answer(_ outcome: consuming QueryOutcome) -> QueryAnswer {
        QueryAnswer(query: query, tag: tag, outcome: outcome)
    }
}
