internal import Reactor

/// What a read has found, for those who wait for it.
package struct ReadAnswer {
    /// Why there is nothing to give but a resync; `nil` when there is.
    var resync: ResyncReason?
    /// The frames of what was missed; `none` without any.
    var missed = SegmentIndex.none
    /// The frames of what came since it was asked, when somebody was given them last, and how many
    /// they were then; `none` without any.
    var kept = SegmentIndex.none
    var keptFrameCount = 0
    /// From where to resume once what was missed has been got; `nil` with a resync.
    var cursor: Cursor?
    /// A cursor beyond this one is of the future.
    var last: Cursor?
    /// Whose membership it makes one to verify.
    var unverified = UnverifiedUsers()

    package init(resync: ResyncReason?) {
        self.resync = resync
    }

    /// What has to be released once nobody is given it any more.
    var segments: [SegmentIndex] { [missed, kept].filter { $0 != .none } }
}

/// Whose membership a read makes one to verify.
///
/// A read may show a removal before the listener has heard of it, and with it what was committed
/// behind. Whoever was a member when the read was wanted, and isn't any more, has a removal in it:
/// it was committed after the cursor.
struct UnverifiedUsers {
    private var users: Set<UserID> = []
    private var isEverybody = false

    mutating func note(_ effect: NotificationFacts.Effect) {
        switch effect {
        case .none: break
        case .memberRemoved(let user): users.insert(user)
        case .someMembersRemoved, .projectDeleted: isEverybody = true
        }
    }

    func contains(_ user: UserID) -> Bool {
        isEverybody || users.contains(user)
    }
}
