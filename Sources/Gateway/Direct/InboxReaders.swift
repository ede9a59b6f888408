internal import Reactor

/// Connections that get direct messages: who they are of, and how far each has read its inbox.
///
/// What is announced goes to those that have read all. Whoever reads, or is too slow, gets it by reading: a
/// page is asked for behind everything that was announced before, so it has that, and what is announced later
/// is read behind the page. Only between the first page and the last one could something slip in before those
/// that were read; then the inbox is read again from where the first page's snapshot ended.
package struct InboxReaders: Sendable {
    private var readers: [ClientIndex: InboxReader] = [:]
    /// The first connection of each user.
    private var firstOfUser: [UserID: ClientIndex] = [:]
    /// Those for which a page is to be read, the first first, some of which may have gone since.
    private var wanted: [ClientIndex] = []
    private var asked: [UInt64: [Handle]] = [:]
    private var nextTag: UInt64 = 1
    private var behindCount = 0
    /// Whether a page is wanted since the turn has asked for what it was to ask for.
    var wantsAnotherTurn = false

    package var count: Int { readers.count }
    package var isEmpty: Bool { readers.isEmpty }
    /// Those that have gone since are counted until they are come to.
    package var wantedCount: Int { wanted.count }

    subscript(client: ClientIndex) -> InboxReader? { readers[client] }

    // MARK: Who

    /// A connection asks for its inbox. Returns the request that this one takes the place of.
    mutating func add(_ reader: InboxReader, at client: ClientIndex) -> Reference? {
        var reader = reader
        let earlier = readers[client]
        if let earlier {
            if earlier.phase == .behind { behindCount -= 1 }
            reader.next = earlier.next
            reader.isListed = earlier.isListed
            if case .asked = earlier.phase {
                reader.phase = earlier.phase
                reader.isRenewed = true
                readers[client] = reader
                return earlier.request
            }
        } else {
            reader.next = firstOfUser[reader.user]
            firstOfUser[reader.user] = client
        }
        readers[client] = reader
        want(client)
        return earlier?.request
    }

    mutating func remove(_ client: ClientIndex) {
        guard !readers.isEmpty, let reader = readers.removeValue(forKey: client) else { return }
        if reader.phase == .behind { behindCount -= 1 }
        if readers.isEmpty { wanted = [] }
        guard firstOfUser[reader.user] != client else {
            firstOfUser[reader.user] = reader.next
            return
        }
        var before = firstOfUser[reader.user]
        while let index = before, let next = readers[index]?.next, next != client { before = next }
        if let before { readers[before]?.next = reader.next }
    }

    /// Forgets those who wait for an answer, and returns them.
    mutating func removeAsking() -> [InboxReader] {
        let asking = readers.values.filter { $0.request != nil }
        for reader in asking { remove(reader.client.index) }
        return asking
    }

    func has(_ user: UserID) -> Bool { firstOfUser[user] != nil }

    func first(of user: UserID) -> ClientIndex? { firstOfUser[user] }

    func next(after client: ClientIndex) -> ClientIndex? { readers[client]?.next }

    // MARK: Reading

    private mutating func want(_ client: ClientIndex) {
        readers[client]?.phase = .wanted
        readers[client]?.isRenewed = false
        guard readers[client]?.isListed == false else { return }
        readers[client]?.isListed = true
        // Those who have gone while nothing could be read.
        if wanted.count > 2 * readers.count + 64 {
            var seen: Set<ClientIndex> = []
            let listed = readers
            wanted.removeAll { listed[$0]?.isListed != true || !seen.insert($0).inserted }
        }
        wanted.append(client)
    }

    /// Moves the first ones into a statement, and returns its tag; `nil` when none waits.
    mutating func begin() -> UInt64? {
        var handles: [Handle] = []
        var taken = 0
        while taken < wanted.count, handles.count < Limits.inboxesPerStatement {
            let client = wanted[taken]
            taken += 1
            guard let reader = readers[client] else { continue }
            readers[client]?.isListed = false
            guard reader.phase == .wanted else { continue }
            readers[client]?.phase = .asked(nextTag)
            handles.append(reader.client)
        }
        wanted.removeFirst(taken)
        guard !handles.isEmpty else { return nil }
        let tag = nextTag
        nextTag += 1
        asked[tag] = handles
        return tag
    }

    func asked(_ tag: UInt64) -> [Handle] { asked[tag] ?? [] }

    /// The statement is answered. Those who have asked once more meanwhile don't await its pages.
    mutating func finish(_ tag: UInt64) -> [Handle]? {
        guard let handles = asked.removeValue(forKey: tag) else { return nil }
        for handle in handles
        where awaitsPage(handle, of: tag) && readers[handle.index]?.isRenewed == true {
            want(handle.index)
        }
        return handles
    }

    /// Whether the page that the statement reads is still what the connection waits for.
    func awaitsPage(_ handle: Handle, of tag: UInt64) -> Bool {
        guard let reader = readers[handle.index] else { return false }
        return reader.client == handle && reader.phase == .asked(tag)
    }

    /// What follows a page that was given to the connection.
    package enum AfterPage: BitwiseCopyable {
        /// There is more, for when its socket has taken this one.
        case more
        /// The inbox is read. Who asked for it is to be answered, with the cursor.
        case read(Reference?, Cursor)
    }

    /// - Parameters:
    ///   - last: the last row of the page; `nil` for an empty one.
    ///   - end: what its snapshot doesn't show is at or above it.
    mutating func notePage(
        of client: ClientIndex, last: InboxPlace?, hasMore: Bool, end: Cursor
    ) -> AfterPage {
        guard var reader = readers[client] else {
            preconditionFailure("a page for a connection that reads nothing")
        }
        let began = reader.end ?? end
        let isFirst = reader.end == nil
        reader.end = began
        if let last { reader.place = last }
        guard !hasMore else {
            // What is announced from here on isn't behind all that is to be read.
            readers[client] = reader
            setBehind(client)
            return .more
        }
        reader.since = InboxPlace(transaction: began.transaction, sequence: 0)
        let request = reader.request.take()
        // What was announced while the only page was read is read behind it.
        let isOutdated = reader.isOutdated && !isFirst
        reader.restart()
        reader.phase = .live
        readers[client] = reader
        if isOutdated { want(client) }
        return .read(request, began)
    }

    /// The page had no room: the same one is read when the socket has taken what waits.
    mutating func setBehind(_ client: ClientIndex) {
        guard let phase = readers[client]?.phase, phase != .behind else { return }
        readers[client]?.phase = .behind
        behindCount += 1
    }

    // Hot path.
    /// Whether the connection is to be read for once its socket has taken all.
    package func isBehind(_ client: ClientIndex) -> Bool {
        behindCount > 0 && readers[client]?.phase == .behind
    }

    /// Its socket has taken all.
    mutating func endBehind(_ client: ClientIndex) {
        guard readers[client]?.phase == .behind else { return }
        behindCount -= 1
        want(client)
        wantsAnotherTurn = true
    }

    /// A message was announced and read. Whether the connection is to get it now; if not, it gets it by
    /// reading.
    mutating func takesNews(_ client: ClientIndex) -> Bool {
        guard let phase = readers[client]?.phase else { return false }
        if phase != .live { readers[client]?.isOutdated = true }
        return phase == .live
    }

    /// It couldn't be given what was announced: it reads anew when its socket has taken all.
    mutating func fallBehind(_ client: ClientIndex) {
        readers[client]?.restart()
        setBehind(client)
    }

    /// The inboxes of the user are read anew, because something that was announced wasn't read.
    mutating func reread(_ user: UserID) {
        var next = firstOfUser[user]
        while let client = next {
            next = readers[client]?.next
            reread(client)
        }
    }

    /// All are, because something may have been announced that wasn't heard.
    mutating func rereadAll() {
        asked = [:]
        for client in Array(readers.keys) { reread(client) }
    }

    private mutating func reread(_ client: ClientIndex) {
        readers[client]?.restart()
        // One that is behind is asked for when its socket is ready.
        if readers[client]?.phase != .behind { want(client) }
    }

    /// The statement wasn't answered.
    mutating func askAgain(_ tag: UInt64) {
        for handle in asked.removeValue(forKey: tag) ?? [] where awaitsPage(handle, of: tag) {
            want(handle.index)
        }
    }
}
