internal import Reactor

/// Where the presence of a project is kept.
struct RoomPlace: BitwiseCopyable, Equatable {
    /// The users of a room at rest; 0 for one that is awake.
    let users: Int
    /// Which one of those rooms it is.
    let index: Int

    var isAwake: Bool { users == 0 }

    static func awake(_ raw: UInt32) -> RoomPlace { RoomPlace(users: 0, index: Int(raw)) }
}

/// Rooms that are awake, and those at rest, each at its place.
struct RoomStore: ~Copyable {
    private let seed: UInt64
    private(set) var awake = RoomSlab()
    /// By the number of users, less one; empty before any room rests.
    private var resting: [RestingRows] = []

    init(seed: UInt64) {
        self.seed = seed
    }

    func hash(of project: ProjectID) -> UInt64 { project.mixed(with: seed) }
    func hash(at place: RoomPlace) -> UInt64 { hash(of: project(at: place)) }

    func project(at place: RoomPlace) -> ProjectID {
        place.isAwake
            ? awake[UInt32(place.index)].project
            : resting[place.users - 1].project(of: place.index)
    }

    /// A new room of the project. Returns its index.
    mutating func make(_ project: ProjectID) -> UInt32 {
        awake.insert(PresenceRoom(project: project, seed: seed))
    }

    mutating func remove(_ raw: UInt32) { awake.remove(raw) }

    // MARK: Rooms at rest

    var restingCount: Int { resting.reduce(0) { $0 + $1.count } }

    /// The last one of the rooms at rest with as many users.
    func last(like place: RoomPlace) -> RoomPlace {
        RoomPlace(users: place.users, index: resting[place.users - 1].count - 1)
    }

    func restingUser(_ position: Int, at place: RoomPlace) -> PackedUser {
        resting[place.users - 1].user(position, of: place.index)
    }

    /// Packs a room, which isn't awake any more.
    mutating func rest(_ raw: UInt32) -> RoomPlace {
        if resting.isEmpty {
            resting = (1...Limits.presenceRestingUsersMax).map { RestingRows(users: $0) }
        }
        let users = awake[raw].users.count
        let place = RoomPlace(users: users, index: resting[users - 1].append(awake[raw]))
        awake.remove(raw)
        return place
    }

    /// Unpacks a room, which is still to be taken out of those at rest. Returns its index.
    mutating func wake(_ place: RoomPlace, listsUsers: Bool) -> UInt32 {
        var room = PresenceRoom(project: project(at: place), seed: seed)
        let rows = resting[place.users - 1]
        room.resume(at: rows.sequence(of: place.index), isTruncated: !listsUsers)
        for position in 0..<place.users { room.resume(rows.user(position, of: place.index)) }
        return awake.insert(room)
    }

    /// Takes out a room at rest; the last one like it takes its place.
    mutating func removeResting(_ place: RoomPlace) {
        resting[place.users - 1].remove(place.index)
    }
}
