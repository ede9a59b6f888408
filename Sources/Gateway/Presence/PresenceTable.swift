internal import Reactor

/// The rooms of all projects, found by project.
struct PresenceTable: ~Copyable {
    private var slots = RoomSlots()
    private var store: RoomStore

    init(seed: UInt64) {
        store = RoomStore(seed: seed)
    }

    /// Projects in which somebody takes part, and those of them that rest.
    var count: Int { slots.count }
    var restingCount: Int { store.restingCount }

    /// Where the project is kept; `nil` when nobody takes part in it.
    func place(of project: ProjectID) -> RoomPlace? {
        slots.place(store.hash(of: project)) { store.project(at: $0) == project }
    }

    // MARK: Rooms that are awake

    /// Indices of rooms that are awake are below this one.
    var awakeEnd: Int { store.awake.end }

    func isAwake(_ raw: UInt32) -> Bool { store.awake.isUsed(raw) }

    // Hot path.
    /// Where the room stands, while it is awake.
    func address(of raw: UInt32) -> UnsafeMutablePointer<PresenceRoom> {
        unsafe store.awake.address(of: raw)
    }

    /// Adds a room for a project that has none.
    mutating func insert(_ project: ProjectID) -> UInt32 {
        let raw = store.make(project)
        slots.insert(.awake(raw), store.hash(of: project)) { store.hash(at: $0) }
        return raw
    }

    mutating func remove(_ raw: UInt32) {
        slots.remove(.awake(raw), store.hash(at: .awake(raw))) { store.hash(at: $0) }
        store.remove(raw)
    }

    // MARK: Rooms at rest

    /// Whether the user takes part in a room at rest, and isn't seen.
    func isHidden(_ user: UserID, at place: RoomPlace) -> Bool {
        (0..<place.users).contains {
            let packed = store.restingUser($0, at: place)
            return packed.user == user && packed.current == .absent
        }
    }

    /// Packs a room of which nothing is to be told.
    mutating func rest(_ raw: UInt32) {
        let hash = store.hash(at: .awake(raw))
        slots.replace(.awake(raw), by: store.rest(raw), hash)
    }

    /// Makes a room awake that rests there. Returns its index.
    mutating func wake(_ place: RoomPlace, listsUsers: Bool) -> UInt32 {
        let raw = store.wake(place, listsUsers: listsUsers)
        slots.replace(place, by: .awake(raw), store.hash(at: place))
        let last = store.last(like: place)
        if last != place { slots.replace(last, by: place, store.hash(at: last)) }
        store.removeResting(place)
        return raw
    }
}
