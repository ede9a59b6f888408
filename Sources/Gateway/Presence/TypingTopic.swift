internal import Reactor

/// Somebody who types in a topic.
struct Typist: BitwiseCopyable {
    let user: UserID
    /// In the place of a connection, of one who types at another process.
    static var elsewhere: ClientIndex { .max }

    /// The connection of the last sign that counted.
    var client: ClientIndex
    var signedAt: Instant
    /// Whether the last message named or counted the user, and the one before.
    var isTold = false
    var wasTold = false
    /// Whether it is over, which has yet to be told.
    var hasEnded = false
}

/// Who types in what: a task's comments, say.
struct TypingTopic {
    let project: ProjectID
    private let text: InlineArray<64, UInt8>
    private let textCount: Int
    /// Whether it is in use at all.
    private(set) var isInUse = true

    /// In the order in which they began.
    var typists: [Typist] = []
    /// How many the last message named or counted, and the one before.
    private(set) var toldCount = 0
    private(set) var toldBefore = 0
    /// When the last message began to be told.
    private(set) var toldAt: Instant?
    /// Whether there is something to tell.
    var isDue = false
    /// Whether it stands in the list of those that are told.
    var isQueued = false
    /// Users of the project below this one are still to be told; `nil` when nobody is being told.
    var cursor: Int?
    var frame = SegmentIndex.none

    init(_ project: ProjectID, _ topic: borrowing ByteBuffer) {
        self.project = project
        var text = InlineArray<64, UInt8>(repeating: 0)
        textCount = min(topic.count, 64)
        for place in 0..<textCount { text[place] = topic.bytes[place] }
        self.text = text
    }

    static var free: TypingTopic {
        var topic = TypingTopic(ProjectID(high: 0, low: 0), ByteBuffer(capacity: 1))
        topic.isInUse = false
        return topic
    }

    func bears(_ topic: borrowing ByteBuffer) -> Bool {
        topic.isEqual(to: text.span.extracting(0..<textCount))
    }

    var bytes: [UInt8] { (0..<textCount).map { text[$0] } }

    var count: Int { typists.count { !$0.hasEnded } }

    func typist(of user: UserID) -> Int? { typists.firstIndex { $0.user == user } }

    /// When it has to be looked at: to be told, when the first one's time is up, or when what is left of
    /// it can be forgotten.
    var deadline: Instant? {
        var earliest = typists.lazy.filter { !$0.hasEnded }.map(\.signedAt).min()?
            .advanced(byNanoseconds: Limits.typingNanoseconds)
        if isDue || typists.isEmpty {
            let next = toldAt?.advanced(byNanoseconds: Limits.typingPaceNanoseconds)
            if let next { earliest = min(earliest ?? next, next) }
        }
        return earliest
    }

    /// Whether it may be told now.
    func mayBeTold(_ now: Instant) -> Bool {
        guard let toldAt else { return true }
        return toldAt.advanced(byNanoseconds: Limits.typingPaceNanoseconds) <= now
    }

    /// What is so now is being told.
    mutating func beginTelling(users: Int, _ now: Instant) {
        isDue = false
        toldAt = now
        cursor = users
        toldBefore = toldCount
        toldCount = count
        for position in typists.indices {
            typists[position].wasTold = typists[position].isTold
            typists[position].isTold = !typists[position].hasEnded
        }
    }

    /// It was told: who isn't among them any more is forgotten.
    mutating func endTelling() {
        cursor = nil
        typists.removeAll { $0.hasEnded && !$0.isTold }
    }

    func write(without user: UserID?, into text: inout ByteBuffer) {
        ServerMessage.beginTyping(
            project: project, topic: self.text.span.extracting(0..<textCount), into: &text)
        var named = 0
        var hasMore = false
        for typist in typists where !typist.hasEnded && typist.user != user {
            guard named < Limits.typingNamesMax else {
                hasMore = true
                break
            }
            ServerMessage.addUser(typist.user, isFirst: named == 0, to: &text)
            named += 1
        }
        ServerMessage.endTyping(more: hasMore, into: &text)
    }
}
