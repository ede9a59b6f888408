internal import Reactor

/// Who is present where: users in projects, with the connections by which they take part.
///
/// A value without IO. What changes is told in rounds (`Presence+Rounds`), of which it keeps the pace
/// and the numbers; who writes them down and sends them is the core. Nothing of it exists for a client
/// that never asks for presence, and nothing at all before the first that does.
package struct Presence: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    /// Whether anybody is told who is present; else only how many are.
    let listsUsers: Bool
    /// Whether there may be users elsewhere who aren't known.
    package var isPartial = false
    /// Whether `news` are noted.
    private let tellsOthers: Bool
    private let slots: Int

    var rooms: PresenceTable
    var tabs = TabPool()
    /// What is kept of each client; `nil` before the first takes part.
    private var shares: ClientShares?
    /// When rooms have to be looked at; `nil` before there is one.
    var timers: TimerWheel?
    /// Rooms whose round is due or under way.
    var queued = IndexQueue()
    /// Connections that wait for their first state, which they get in this turn.
    var asks: [PresenceAsk] = []
    var nextAsk = 0
    /// Users who take part in projects here.
    package internal(set) var userCount = 0
    /// Users of other processes for whom there was no room in a project.
    package internal(set) var refusedElsewhere: UInt64 = 0
    /// Own users who may be seen otherwise than before, for other processes.
    private var news: Set<MembershipPair> = []

    /// - Parameter slots: clients that there can be.
    /// - Parameter tellsOthers: whether other processes have to know who is present here.
    package init(listsUsers: Bool, tellsOthers: Bool = false, slots: Int, seed: UInt64) {
        self.tellsOthers = tellsOthers
        self.listsUsers = listsUsers
        self.slots = slots
        rooms = PresenceTable(seed: seed)
    }

    /// What became of a wish.
    package enum Outcome: Equatable, Sendable {
        case done
        /// There is no room for more users, projects or connections.
        case full
    }

    // MARK: News for other processes

    package var hasNews: Bool { !news.isEmpty }

    mutating func noteNews(of user: UserID, in project: ProjectID) {
        if tellsOthers { news.insert(MembershipPair(project: project, user: user)) }
    }

    /// How these users are seen here now, whatever others say; further ones are left for the next time.
    package mutating func dequeueNews(atMost countMax: Int) -> [PresenceChange] {
        var changes: [PresenceChange] = []
        changes.reserveCapacity(min(countMax, news.count))
        while changes.count < countMax, let pair = news.popFirst() {
            changes.append(PresenceChange(pair, ownVisibility(of: pair)))
        }
        return changes
    }

    // MARK: Clients

    /// Whether the client takes part in the presence of any project.
    package func takesPart(_ client: ClientIndex) -> Bool {
        guard shares != nil else { return false }
        return share(of: client).count > 0
    }

    // Hot path.
    /// Whether the client waits for a state until its socket takes bytes.
    package func isBehind(_ client: ClientIndex) -> Bool {
        guard shares != nil else { return false }
        return share(of: client).isBehind
    }

    package mutating func setBehind(_ client: ClientIndex, _ isBehind: Bool) {
        changeShare(of: client) { $0.isBehind = isBehind }
    }

    func share(of client: ClientIndex) -> ClientShare {
        shares?.share(of: client) ?? ClientShare()
    }

    mutating func changeShare(of client: ClientIndex, _ change: (inout ClientShare) -> Void) {
        if shares == nil { shares = ClientShares(slots: slots) }
        var share = share(of: client)
        change(&share)
        shares?.set(share, of: client)
    }

    /// Gives the memory kept for clients from `first` on back; they take part in nothing.
    package mutating func returnMemory(from first: Int) {
        shares?.returnMemory(from: first)
    }
}

/// What is kept of each client.
private struct ClientShares: ~Copyable {
    private var table: ReservedTable<ClientShare>

    init(slots: Int) {
        table = ReservedTable(capacity: slots, of: ClientShare.self, zeroIsValid: true)
    }

    func share(of client: ClientIndex) -> ClientShare { table[client] }
    mutating func set(_ share: ClientShare, of client: ClientIndex) { table[client] = share }
    mutating func returnMemory(from first: Int) { table.returnMemory(from: first) }
}

/// What is kept of a client: a byte.
struct ClientShare: BitwiseCopyable {
    private var raw: UInt8 = 0

    /// The projects in which it takes part: at most a hundred.
    var count: UInt8 {
        get { raw & 0x7F }
        set { raw = raw & 0x80 | newValue }
    }

    var isBehind: Bool {
        get { raw & 0x80 != 0 }
        set { raw = newValue ? raw | 0x80 : raw & 0x7F }
    }
}

/// A connection that waits for a state of a project.
package struct PresenceAsk: BitwiseCopyable, Sendable {
    package let client: ClientIndex
    package let user: UserID
    package let project: ProjectID
}
