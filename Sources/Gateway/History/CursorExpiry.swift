/// Which cursors say nothing any more, because something was committed that nobody was told of and that
/// the event log may lack.
package struct CursorExpiry: BitwiseCopyable, Sendable {
    private enum Reach: BitwiseCopyable {
        case nothing
        /// What was unheard has been found out, and it isn't known yet which numbers it has.
        case everything
        /// Cursors up to this one. One that is equal may be as old as what was unheard.
        case through(Cursor)
    }

    private var reach = Reach.nothing
    /// What the event log's horizon is to be raised to, so that the other gateways know, and this one
    /// after a restart; `nil` when there is nothing to write.
    private var unwritten: Cursor?

    package init() {}

    package func isExpired(_ cursor: Cursor) -> Bool {
        switch reach {
        case .nothing: false
        case .everything: true
        case .through(let last): cursor <= last
        }
    }

    /// Cursors up to `last` say nothing. It isn't written for other gateways: each finds it out by its own look.
    package mutating func expire(through last: Cursor) {
        switch reach {
        case .nothing: reach = .through(last)
        case .everything: break
        case .through(let earlier): reach = .through(max(earlier, last))
        }
    }

    /// Something wasn't announced, until now.
    package mutating func expireEverything() { reach = .everything }

    /// The database was looked at after that: all that is committed has a number below `end`.
    package mutating func noteEnd(_ end: Cursor) {
        guard case .everything = reach else { return }
        reach = .through(end)
        unwritten = end
    }

    /// It is being written, or can't be.
    package mutating func takeUnwritten() -> Cursor? { unwritten.take() }

    /// Writing it has failed with the connection.
    package mutating func writeAgain(_ cursor: Cursor) {
        unwritten = unwritten.map { max($0, cursor) } ?? cursor
    }
}
