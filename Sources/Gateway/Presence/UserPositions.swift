/// Where each user stands in a list of users: a table of positions with open addressing, four bytes
/// a slot. Lists of a few are searched without it.
struct UserPositions {
    /// Users up to which there is no table.
    static let searchedMax = 16

    /// One more than a position; zero is an empty slot.
    private var slots: [UInt32] = []
    private let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed
    }

    /// The user's position; `nil` when it isn't in the list.
    func position(of user: UserID, in users: UserList) -> Int? {
        guard !slots.isEmpty else { return users.firstIndex(of: user) }
        var slot = home(of: user)
        while slots[slot] != 0 {
            let position = Int(slots[slot] - 1)
            if users[position].user == user { return position }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// The last of the users was appended.
    mutating func noteAppended(_ users: UserList) {
        if slots.isEmpty {
            if users.count > Self.searchedMax { rebuild(users) }
        } else if users.count * 4 > slots.count * 3 {
            rebuild(users)
        } else {
            insert(users[users.count - 1].user, at: users.count - 1)
        }
    }

    /// The user at `position` is about to be removed, and the last one to take that position.
    mutating func noteSwapRemoval(at position: Int, of users: UserList) {
        guard !slots.isEmpty else { return }
        empty(slotOf(position, users[position].user), users)
        let last = users.count - 1
        if position != last { slots[slotOf(last, users[last].user)] = UInt32(position + 1) }
    }

    /// The user has been removed: a table that has become far too large is given up.
    mutating func noteRemoved(_ users: UserList) {
        guard !slots.isEmpty else { return }
        if users.count <= Self.searchedMax / 2 {
            slots = []
        } else if users.count * 8 < slots.count {
            rebuild(users)
        }
    }

    private func home(of user: UserID) -> Int {
        Int(truncatingIfNeeded: user.mixed(with: seed)) & (slots.count - 1)
    }

    private func slotOf(_ position: Int, _ user: UserID) -> Int {
        var slot = home(of: user)
        while slots[slot] != UInt32(position + 1) { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }

    private mutating func insert(_ user: UserID, at position: Int) {
        var slot = home(of: user)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = UInt32(position + 1)
    }

    /// Empties a slot, and lets those behind it that were pushed on move up.
    private mutating func empty(_ emptied: Int, _ users: UserList) {
        let mask = slots.count - 1
        var gap = emptied
        var slot = (gap + 1) & mask
        while slots[slot] != 0 {
            let home = home(of: users[Int(slots[slot] - 1)].user)
            if (slot - home) & mask >= (slot - gap) & mask {
                slots[gap] = slots[slot]
                gap = slot
            }
            slot = (slot + 1) & mask
        }
        slots[gap] = 0
    }

    private mutating func rebuild(_ users: UserList) {
        var count = 32
        while users.count * 3 > count * 2 { count *= 2 }
        slots = Array(repeating: 0, count: count)
        for position in users.indices { insert(users[position].user, at: position) }
    }
}
