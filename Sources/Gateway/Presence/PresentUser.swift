/// What is known of a connection that takes part in a project's presence.
package struct WatchMarks: OptionSet, BitwiseCopyable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// It is told who is present; else how many.
    package static let wantsList = WatchMarks(rawValue: 1 << 0)
    static let isActive = WatchMarks(rawValue: 1 << 1)
    static let isInvisible = WatchMarks(rawValue: 1 << 2)
    /// It was sent a state, and everything since: changes are enough for it.
    package static let hasState = WatchMarks(rawValue: 1 << 3)
    /// The last bit of the number of the last message that it was sent.
    static let isOdd = WatchMarks(rawValue: 1 << 4)

    init(_ wish: PresenceWish) {
        self = []
        if wish.mode == .users { insert(.wantsList) }
        if !wish.isAway { insert(.isActive) }
        if wish.isInvisible { insert(.isInvisible) }
    }

    /// Whether the last message that it was sent has a number as odd, or as even, as this one.
    func isAt(_ sequence: UInt64) -> Bool { contains(.isOdd) == (sequence & 1 == 1) }

    mutating func noteSent(_ sequence: UInt64) {
        insert(.hasState)
        if sequence & 1 == 1 { insert(.isOdd) } else { remove(.isOdd) }
    }
}

/// What is known of a user in a project besides the connections.
struct UserMarks: OptionSet, BitwiseCopyable, Sendable {
    let rawValue: UInt8

    /// The membership is being verified: nobody sees the user.
    static let isSuspended = UserMarks(rawValue: 1 << 0)
    /// The last connection ended without a goodbye, and may come back.
    static let lingers = UserMarks(rawValue: 1 << 1)
    /// So did the last one that was invisible: nobody shall see the user meanwhile, nor when it is back and
    /// hasn't said yet how it takes part.
    static let staysHidden = UserMarks(rawValue: 1 << 2)
    /// Of one who lingers: the last connection was at the keyboard.
    static let lingersActive = UserMarks(rawValue: 1 << 3)
    /// The user takes part here, or did until a moment ago; else others alone say so.
    static let isOwn = UserMarks(rawValue: 1 << 4)
    /// The user is seen elsewhere, and in which way.
    static let isElsewhere = UserMarks(rawValue: 1 << 5)
    static let isActiveElsewhere = UserMarks(rawValue: 1 << 6)
}

/// A user who takes part in a project's presence, with the first connection in place, since most have
/// one alone: 32 bytes.
struct PresentUser: BitwiseCopyable {
    let user: UserID
    /// The first connection; `none` when there is none any more.
    var client: ClientIndex
    /// The first of the other connections (`TabPool`); 0 without any.
    var more: UInt32 = 0
    /// When a user who lingers is given up, in wheel ticks.
    var deadlineTick: UInt32 = 0
    /// What is known of the first connection.
    var watch: WatchMarks
    var marks: UserMarks = []
    /// How the user is seen, and how those who follow the changes were told.
    var current = Visibility.absent
    var published = Visibility.absent

    static var none: ClientIndex { .max }

    init(_ user: UserID, _ client: ClientIndex, _ watch: WatchMarks) {
        self.user = user
        self.client = client
        self.watch = watch
    }

    var hasConnections: Bool { client != Self.none || more != 0 }
    var isChanged: Bool { current != published }

    /// How other processes see the user.
    var elsewhere: Visibility {
        get {
            guard marks.contains(.isElsewhere) else { return .absent }
            return marks.contains(.isActiveElsewhere) ? .active : .away
        }
        set {
            marks.subtract([.isElsewhere, .isActiveElsewhere])
            if newValue != .absent { marks.insert(.isElsewhere) }
            if newValue == .active { marks.insert(.isActiveElsewhere) }
        }
    }
}
