import Gateway
import Reactor

/// `Presence` with clients that take what they are told, and a clock that a test moves on: it goes the
/// way of the core, without one.
struct PresenceDriver: ~Copyable {
    static let project = ProjectID(high: 1, low: 1)

    var presence: Presence
    private(set) var now = Instant(nanoseconds: 1_000_000_000_000)
    /// Clients whose sockets take nothing.
    var blocked: Set<ClientIndex> = []
    /// What each client was told, in order.
    private(set) var heard: [ClientIndex: [String]] = [:]
    /// And when, in milliseconds.
    private(set) var heardAt: [ClientIndex: [UInt64]] = [:]

    init(listsUsers: Bool = true) {
        presence = Presence(listsUsers: listsUsers, slots: 20_000, seed: 7)
    }

    static func user(_ number: Int) -> UserID { UserID(high: 2, low: UInt64(number)) }

    static func wish(
        _ mode: PresenceWish.Mode = .users, away: Bool = false, invisible: Bool = false
    ) -> PresenceWish {
        var wish = PresenceWish()
        wish.mode = mode
        wish.isAway = away
        wish.isInvisible = invisible
        return wish
    }

    // What tests look at; the value itself can't be copied to be looked at.
    var userCount: Int { presence.userCount }
    var projectCount: Int { presence.projectCount }
    var restingCount: Int { presence.restingCount }
    func userCount(in project: ProjectID) -> Int { presence.userEnd(of: project) }
    var hasWorkLeft: Bool { presence.hasWorkLeft }
    func takesPart(_ client: ClientIndex) -> Bool { presence.takesPart(client) }
    func isHidden(_ user: Int, in project: ProjectID = Self.project) -> Bool {
        presence.isHidden(Self.user(user), in: project)
    }

    // MARK: What happens

    @discardableResult
    mutating func set(
        _ client: ClientIndex, user: Int, _ mode: PresenceWish.Mode = .users, away: Bool = false,
        invisible: Bool = false, in project: ProjectID = Self.project
    ) -> Presence.Outcome {
        presence.set(
            Self.wish(mode, away: away, invisible: invisible), of: client, Self.user(user),
            in: project, isSuspended: false, now)
    }

    /// - Parameter seconds: how long the client may take to come back; `nil` for a goodbye.
    mutating func leave(
        _ client: ClientIndex, user: Int, within seconds: UInt64? = nil,
        _ project: ProjectID = Self.project
    ) {
        presence.leave(
            client, Self.user(user), project,
            graceNanoseconds: seconds.map { $0 * 1_000_000_000 }, now)
    }

    mutating func unblock(
        _ client: ClientIndex, user: Int, _ project: ProjectID = Self.project
    ) {
        blocked.remove(client)
        guard presence.isBehind(client) else { return }
        presence.setBehind(client, false)
        tellState(client, Self.user(user), project)
    }

    /// Lets time pass, in turns of ten milliseconds.
    mutating func pass(milliseconds: Int) {
        for _ in 0..<max(1, milliseconds / 10) { turn() }
    }

    /// Lets so much time pass that small rooms rest in which nothing happens, in longer turns.
    mutating func rest() {
        for _ in 0..<24 { turn(milliseconds: 500) }
    }

    mutating func turn(milliseconds: UInt64 = 10) {
        tell()
        now = now.advanced(byMilliseconds: milliseconds)
        _ = presence.runTimers(TurnClock(now: now, wall: Timestamp(unixSeconds: 0)))
        tell()
    }

    mutating func forgetHeard() {
        heard = [:]
        heardAt = [:]
    }

    /// The connection is over: what comes under its number is another's.
    mutating func forget(_ client: ClientIndex) {
        heard[client] = nil
        heardAt[client] = nil
    }

    // MARK: What is told

    mutating func tell() {
        while let ask = presence.dequeueAsk() { tellState(ask.client, ask.user, ask.project) }
        for _ in 0..<presence.queuedCount {
            guard let room = presence.dequeueRoom() else { break }
            tellRound(room)
        }
    }

    private mutating func tellRound(_ room: UInt32) {
        var changes = ByteBuffer()
        _ = presence.beginRound(of: room, into: &changes, now)
        while let position = presence.nextUser(in: room) {
            var next = presence.firstConnection(of: position, in: room)
            while let watch = next {
                next = presence.nextConnection(after: watch, of: position, in: room)
                guard let news = presence.news(for: watch, of: position, in: room) else {
                    continue
                }
                let place = Presence.Place(room: room, position: position, watch: watch)
                tell(news, place, String(decoding: changes), isEarly: false)
            }
        }
        _ = presence.endRound(of: room, now)
    }

    private mutating func tellState(
        _ client: ClientIndex, _ user: UserID, _ project: ProjectID
    ) {
        guard let found = presence.missingPlace(of: client, user, in: project) else { return }
        let isEarly = presence.isNextStateEarly(in: found.room)
        guard let place = presence.missingPlace(of: client, user, in: project) else { return }
        let news = presence.stateNews(
            place.watch, of: place.position, in: place.room, isEarly: isEarly)
        tell(news, place, "", isEarly: isEarly)
    }

    private mutating func tell(
        _ news: PresenceNews, _ place: Presence.Place, _ changes: String, isEarly: Bool
    ) {
        let client = presence.watchedClient(place.watch, of: place.position, in: place.room)
        guard !blocked.contains(client) else {
            presence.noteMissed(
                place.watch, of: place.position, in: place.room, isBlocked: true, now)
            return
        }
        var text = changes
        if news != .changes {
            var state = ByteBuffer()
            presence.writeState(
                of: place.room, withList: news == .list, isEarly: isEarly, into: &state)
            text = String(decoding: state)
        }
        heard[client, default: []].append(text)
        heardAt[client, default: []].append(now.nanoseconds / 1_000_000)
        presence.noteSent(place.watch, of: place.position, in: place.room, isEarly: isEarly)
    }
}
