package import Reactor

/// A connection that gets direct messages, because it has asked for its inbox.
package struct InboxReader: Sendable {
    enum Phase: Equatable, Sendable {
        /// It has got all, and gets what is announced.
        case live
        /// A page of its inbox is to be read.
        case wanted
        /// The page is being read, by the statement with this tag.
        case asked(UInt64)
        /// It is read on when its socket has taken all that waits for it.
        case behind
    }

    package let client: Handle
    package let user: UserID
    var phase = Phase.wanted
    /// The connection of the same user behind this one.
    var next: ClientIndex?
    /// From where the inbox is read anew: what was sent before was sent to this connection.
    var since: InboxPlace
    /// Up to where this reading has come.
    var place: InboxPlace
    /// Everything below it was there when this reading began; `nil` before its first page.
    var end: Cursor?
    /// Something was announced while pages were read: what it was may lie before them.
    var isOutdated = false
    /// The request that is to be answered when all is read; `nil` when it was, or when nobody asked.
    var request: Reference?
    /// It has asked once more while a page was being read: that one isn't what it waits for, and the first page is read
    /// when the answer has come. So there is one page in statements, however often a connection asks.
    var isRenewed = false
    /// Whether it stands in the list of those that are to be read for.
    var isListed = false

    init(client: Handle, user: UserID, since: InboxPlace, request: Reference) {
        self.client = client
        self.user = user
        self.since = since
        place = since
        self.request = request
    }

    /// All is read anew from `since` on.
    mutating func restart() {
        place = since
        end = nil
        isOutdated = false
    }
}
