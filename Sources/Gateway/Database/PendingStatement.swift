internal import Reactor

/// A statement that was sent and not yet answered to its end.
struct PendingStatement {
    let query: DatabaseQuery
    let tag: UInt64
    /// The follower that asked; `nil` for this process itself.
    let follower: Handle?
    let deadline: Instant
    /// Which of the names it used.
    let generation: UInt64
    /// What was sent ahead of it in its transaction and hasn't been answered to its end.
    var ahead: PreparedStatements.Steps
    /// The first of these is answered; its end is still to come.
    var isStepAnswered = false
    /// It isn't run, since something ahead of it has failed, and the server is still to say so.
    var isSkipped = false
    /// Its rows, its success or its error have come, or those of something ahead of it.
    var isAnswered = false
    /// Its end has come; the sync behind it hasn't.
    var isEnded = false
    /// Its rows have come, and then its commit failed.
    var hasFailedAtCommit = false

    init(
        query: DatabaseQuery, tag: UInt64, for follower: Handle?, deadline: Instant,
        form: PreparedStatements.Form
    ) {
        self.query = query
        self.tag = tag
        self.follower = follower
        self.deadline = deadline
        generation = form.generation
        ahead = form.ahead
    }

    func answer(_ outcome: consuming QueryOutcome) -> QueryAnswer {
        QueryAnswer(query: query, tag: tag, for: follower, outcome: outcome)
    }
}
