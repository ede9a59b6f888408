package import Reactor

/// What the outbox keeps about one client, in the client's record.
package struct ClientQueue: BitwiseCopyable {
    /// What waits to be sent.
    package var pieces = SendQueue()
    /// When the socket last took a byte while something waited for it, in wheel ticks.
    package var progressTick: UInt32 = 0
    // Last, so that the record's next fields fill the word.
    package var marks = QueueMarks()

    package init() {}

    package var isEmpty: Bool { pieces.isEmpty }

    /// Whether something is to be written that the turns' budgets haven't allowed yet.
    package var awaitsTurn: Bool {
        !pieces.isEmpty && marks.contains(.dirty) && !marks.contains(.blocked)
    }

    /// Hot path. Whether a broadcast can go to the socket at once, since nothing is before it.
    package var takesBroadcastDirectly: Bool {
        pieces.isEmpty && !marks.contains(.collapsed)
    }

    /// Hot path. The same of a frame about presence, which isn't withheld for a resync: it is told anew instead.
    package var takesStateDirectly: Bool {
        pieces.isEmpty && marks.isDisjoint(with: [.blocked, .overflown, .collapsed, .sealed])
    }

    /// Hot path. Whether a broadcast can be encrypted and sent at once. A client that has anything of
    /// its own to send, or the rest of a record, gets it later: records have an order.
    package var takesBroadcastSealed: Bool {
        pieces.isEmpty && marks.isDisjoint(with: [.collapsed, .blocked, .dirty])
    }
}

/// The facts about a queue that need one bit.
package struct QueueMarks: OptionSet, BitwiseCopyable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// It stands in the list of queues that have something of their own to send.
    package static let dirty = QueueMarks(rawValue: 1 << 0)
    /// The socket took less than it was offered; epoll reports when it takes more.
    package static let blocked = QueueMarks(rawValue: 1 << 1)
    /// Broadcasts were dropped or withheld, and the client is owed a resync of the projects concerned.
    package static let collapsed = QueueMarks(rawValue: 1 << 2)
    /// It is over its bounds, and stands in the list of those that are.
    package static let overflown = QueueMarks(rawValue: 1 << 3)
    /// A frame of the client's own had no room: nothing less than a Close can follow.
    package static let lostFrame = QueueMarks(rawValue: 1 << 4)
    /// The last word is said: nothing more is taken.
    package static let sealed = QueueMarks(rawValue: 1 << 5)

    /// The connection is over: nothing is ever to be sent again.
    package static let ended = QueueMarks(rawValue: 1 << 6)

    /// Whether a resync is owed, and the socket takes bytes.
    var isCollapsedAndFree: Bool { contains(.collapsed) && !contains(.blocked) }
}
