internal import Reactor

/// How this process shares the sessions with the database: as the leader, whose sessions all workers use, or as a
/// follower. In a process on its own, and with `--database-sessions process`, nothing of it is in use.
struct SessionSharing: ~Copyable {
    /// Of the leader, as a follower has it.
    struct Leader: ~Copyable {
        var link: SessionLink
        /// When the last byte of it came.
        var heardAt: Instant
        var status = SessionStatus()
        let since: Instant
    }

    /// Of a follower, as the leader has it.
    struct Follower: ~Copyable {
        var link: SessionLink
        var questions = WaitingQuestions()

        mutating func keep(
            _ place: SessionFrame.Place, checkedIn parameters: inout QueryParameters
        ) -> Bool {
            link.move(place, to: &questions, checkedIn: &parameters)
        }
    }

    /// To the parent, which says who leads; `nil` where nothing is shared.
    var control: OwnedDescriptor?
    /// Which naming of a leader holds.
    var generation: UInt32 = 0
    var leader: Leader?
    /// What the leader has heard and wasn't acted on.
    var heard = HeardNotifications()

    var followers = OwnedTable<Follower>(capacity: DatabaseLimits.followersMax)
    /// When the followers are to hear again that this process runs; `nil` without any.
    var beatAt: Instant?
    /// Whose turn it is to be asked for, of the followers; and whether they come before this process, which takes
    /// turns with them: with questions about memberships, and with the others.
    var nextFollower = 0
    var followersAskFirst = false
    var followersReadFirst = false
    var parameters = QueryParameters()

    /// When sessions of our own are opened after all; `nil` unless there is nobody who leads.
    var waitsUntil: Instant?
    /// When the parent is told that the link has ended.
    var reportAt: Instant?
    /// Whether it has ended by the leader's silence.
    var isLeaderSilent = false
    var backoff = Backoff()

    var deadline: Instant? {
        let ofLink = Self.earlier(beatAt, silenceDeadline)
        return Self.earlier(ofLink, Self.earlier(waitsUntil, reportAt))
    }

    private static func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }

    /// When the leader counts as hanging.
    var silenceDeadline: Instant? {
        switch leader {
        case .some(let leader):
            leader.heardAt.advanced(byNanoseconds: DatabaseLimits.beatSilenceNanoseconds)
        case .none: nil
        }
    }

    /// Whether something was left for the next turn.
    var hasUnread: Bool {
        guard heard.isEmpty else { return true }
        switch leader {
        case .some(let leader): return leader.link.hasUnread
        case .none: return false
        }
    }
}
