package import Reactor

/// Direct messages: what clients send and acknowledge until that is committed, who gets messages, and what
/// is to be read for them. Messages themselves are in the database alone.
///
/// A value that knows neither clients nor the database: statements are begun here, and their ends reported.
package struct Direct: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    package private(set) var sends = WaitingWishes<DirectSend>()
    package private(set) var acks = WaitingWishes<DirectAck>()
    package private(set) var hints = WaitingHints()
    package private(set) var own = OwnMessages()
    package private(set) var readers = InboxReaders()
    private var rate: TokenBuckets<UserID>
    private var longRate: TokenBuckets<UserID>
    private var inboxRate: TokenBuckets<UserID>
    /// What users have sent here since others were told; `nil` without others.
    private var sent: [UserID: UInt32]?

    /// - Parameter tellsOthers: whether there are other processes.
    package init(seed: UInt64, tellsOthers: Bool = false) {
        sent = tellsOthers ? [:] : nil
        rate = TokenBuckets(
            perSecond: Limits.directPerSecond, burst: Limits.directPerSecond, seed: seed)
        longRate = TokenBuckets(
            intervalNanoseconds: Limits.directIntervalNanoseconds, burst: Limits.directAtOnce,
            seed: seed &+ 1)
        inboxRate = TokenBuckets(
            perSecond: Limits.inboxesPerSecond, burst: Limits.inboxesAtOnce, seed: seed &+ 2)
    }

    /// Whether nobody has to do with it.
    package var isEmpty: Bool {
        sends.isEmpty && acks.isEmpty && readers.isEmpty && hints.isEmpty
    }

    /// Whether something waits for a statement.
    package var hasWaiting: Bool {
        sends.hasWaiting || acks.hasWaiting || hints.hasWaiting || readers.wantedCount > 0
    }

    /// Whether something came up in the flush that is to be asked in a turn that no event brings about.
    package var wantsAnotherTurn: Bool { readers.wantsAnotherTurn }

    package mutating func beginTurn() { readers.wantsAnotherTurn = false }

    // MARK: Sending and acknowledging

    /// Whether the user may send one more now.
    package mutating func maySend(_ user: UserID, _ now: Instant) -> Bool {
        guard rate.take(user, at: now) == 0, longRate.take(user, at: now) == 0 else { return false }
        noteSent(user)
        return true
    }

    private mutating func noteSent(_ user: UserID) {
        guard sent != nil else { return }
        // A sender whom nobody is told of has its rate at each process.
        guard sent?[user] != nil || sent?.count ?? 0 < Limits.busSendersMax else { return }
        sent?[user, default: 0] &+= 1
    }

    /// Whether others have to be told of what users have sent.
    package var hasNews: Bool { sent?.isEmpty == false }

    package mutating func dequeueNews() -> [UserCount] {
        let news = sent?.map { UserCount($0.key, $0.value) } ?? []
        sent?.removeAll(keepingCapacity: true)
        return news
    }

    /// A user has sent so many messages at another process: they count here as well.
    package mutating func noteElsewhere(_ count: UserCount, _ now: Instant) {
        rate.charge(count.user, Int(count.count), at: now)
        longRate.charge(count.user, Int(count.count), at: now)
    }

    /// False when too much waits.
    package mutating func send(_ message: DirectSend) -> Bool { sends.add(message) }

    package mutating func acknowledge(_ ack: DirectAck) -> Bool { acks.add(ack) }

    /// The tag of the next statement; `nil` when nothing waits for one.
    package mutating func beginSends() -> UInt64? { sends.begin() }
    package mutating func beginAcks() -> UInt64? { acks.begin() }

    /// The statement is asked now: its messages are remembered, if they concern somebody here.
    package mutating func remember(sends tag: UInt64, _ now: Instant) {
        for (position, send) in sends.asked(tag).enumerated() {
            if readers.has(send.recipient) || readers.has(send.sender) {
                own.add(send, at: position, of: tag, now)
            } else {
                own.forget(sender: send.sender, id: send.id)
            }
        }
    }

    package func asked(sends tag: UInt64) -> [DirectSend] { sends.asked(tag) }
    package func asked(acks tag: UInt64) -> [DirectAck] { acks.asked(tag) }

    /// The statement is committed, or lost: what was in it.
    ///
    /// - Parameters:
    ///   - outcomes: what became of it, as far as is known.
    ///   - timestamp: when it was sent, as clients are told.
    package mutating func finish(
        sends tag: UInt64, _ outcomes: [DirectOutcome] = [], timestamp: [UInt8] = []
    ) -> [DirectSend] {
        let finished = sends.finish(tag)
        for (position, send) in finished.enumerated() {
            let isSent =
                position < outcomes.count && outcomes[position] == .sent && !timestamp.isEmpty
            own.answered(send, at: position, of: tag, timestamp: isSent ? timestamp : nil)
        }
        return finished
    }

    package mutating func finish(acks tag: UInt64) -> [DirectAck] { acks.finish(tag) }

    /// The statement was refused: the one that it was refused for, when that is known. Else each is asked
    /// about alone.
    package mutating func refuse(sends tag: UInt64) -> DirectSend? {
        for (position, send) in sends.asked(tag).enumerated() {
            own.answered(send, at: position, of: tag, timestamp: nil)
        }
        return sends.refuse(tag)
    }

    package mutating func refuse(acks tag: UInt64) -> DirectAck? { acks.refuse(tag) }

    package mutating func removeWaitingSends() -> [DirectSend] { sends.removeWaiting() }
    package mutating func removeWaitingAcks() -> [DirectAck] { acks.removeWaiting() }

    // MARK: Announcements

    /// Something was announced; false when it concerns nobody here.
    ///
    /// Call `removeAnnounced` behind it.
    package mutating func note(_ hint: DirectHint, _ payload: borrowing Span<UInt8>) -> Bool {
        let hasAudience = readers.has(hint.recipient) || readers.has(hint.sender)
        var hint = hint
        while let sequence = hint.nextSequence(in: payload) {
            let id = hint.id(in: payload)
            guard hasAudience else {
                if let id { own.forget(sender: hint.sender, id: id) }
                break
            }
            let row = WaitingHints.Row(
                sequence: sequence, isAcknowledgment: hint.isAcknowledgment,
                recipient: hint.recipient, sender: hint.sender)
            if let id, own.wait(row, for: id) { continue }
            guard read(row) else { break }
        }
        return hasAudience
    }

    /// False when as many rows wait as may: then the inbox is read.
    private mutating func read(_ row: WaitingHints.Row) -> Bool {
        if hints.add(row) { return true }
        readers.reread(row.recipient)
        return false
    }

    /// The next message that was announced and is known here, when it is its turn. Those that are to be read after all wait
    /// for that. Call it until there is none when something was announced, and when a statement that sends was answered.
    ///
    /// What is announced behind a message that is being read, and concerns the same users, is read behind it. A page that
    /// is being read has the message: it was asked for behind the statement that sends, or had come before the
    /// answer to that.
    ///
    /// - Parameter mayRead: whether messages may be read now. If not, all are read later.
    package mutating func removeAnnounced(
        mayRead: Bool, _ now: Instant
    ) -> OwnMessages.Announced? {
        while let (first, row) = own.removeFirst(now) {
            if let first, mayRead, !hints.hasMessage(of: row.recipient),
                !hints.hasMessage(of: row.sender)
            {
                return first
            }
            _ = read(row)
        }
        return nil
    }

    package mutating func beginRows() -> UInt64? { hints.begin() }
    package func asked(rows tag: UInt64) -> [WaitingHints.Row] { hints.asked(tag) }
    package mutating func finish(rows tag: UInt64) -> [WaitingHints.Row]? { hints.finish(tag) }

    /// Announcements were missed, or what they spoke of couldn't be read: all inboxes are read again.
    package mutating func readAllAgain() {
        hints.removeAll()
        own.removeAll()
        readers.rereadAll()
    }

    // MARK: Inboxes

    /// Whether the user may ask for an inbox once more now.
    package mutating func mayAskForInbox(_ user: UserID, _ now: Instant) -> Bool {
        inboxRate.take(user, at: now) == 0
    }

    /// A connection asks for its inbox. Returns the reference of an earlier request that this one takes the place of.
    package mutating func readInbox(
        of client: Handle, _ user: UserID, since: InboxPlace, _ reference: Reference
    ) -> Reference? {
        readers.add(
            InboxReader(client: client, user: user, since: since, request: reference),
            at: client.index)
    }

    /// The connection is over.
    package mutating func remove(_ client: ClientIndex) { readers.remove(client) }

    /// There are no messages for now. Returns those who waited for theirs, which they will have to ask for again;
    /// all others get them again when there are.
    package mutating func removeAskingReaders() -> [(client: Handle, request: Reference?)] {
        hints.removeAll()
        own.removeAll()
        return readers.removeAsking().map { ($0.client, $0.request) }
    }

    package mutating func beginPages() -> UInt64? { readers.begin() }
    package func asked(pages tag: UInt64) -> [Handle] { readers.asked(tag) }
    package mutating func finish(pages tag: UInt64) -> [Handle]? { readers.finish(tag) }
    package mutating func askAgain(pages tag: UInt64) { readers.askAgain(tag) }

    package func user(of client: ClientIndex) -> UserID? { readers[client]?.user }
    /// What is to be answered when the connection's inbox is read.
    package func request(of client: ClientIndex) -> Reference? { readers[client]?.request }
    /// From where the connection's next page begins.
    package func place(of client: ClientIndex) -> InboxPlace { readers[client]?.place ?? .start }

    package func awaitsPage(_ client: Handle, of tag: UInt64) -> Bool {
        readers.awaitsPage(client, of: tag)
    }

    package mutating func notePage(
        of client: ClientIndex, last: InboxPlace?, hasMore: Bool, end: Cursor
    ) -> InboxReaders.AfterPage {
        readers.notePage(of: client, last: last, hasMore: hasMore, end: end)
    }

    /// The page had no room.
    package mutating func setBehind(_ client: ClientIndex) { readers.setBehind(client) }
    package mutating func endBehind(_ client: ClientIndex) { readers.endBehind(client) }

    // Hot path.
    package func isBehind(_ client: ClientIndex) -> Bool { readers.isBehind(client) }

    // MARK: News

    package func hasReader(_ user: UserID) -> Bool { readers.has(user) }
    package func firstReader(of user: UserID) -> ClientIndex? { readers.first(of: user) }
    package func nextReader(after client: ClientIndex) -> ClientIndex? {
        readers.next(after: client)
    }

    /// Whether the connection gets a message that was announced now; if not, it gets it by reading.
    package mutating func takesNews(_ client: ClientIndex) -> Bool { readers.takesNews(client) }

    /// It couldn't be given one.
    package mutating func fallBehind(_ client: ClientIndex) { readers.fallBehind(client) }
}
