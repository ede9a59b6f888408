/// The slots of the table of rooms: open addressing, a slot behind the other from a hash's home on.
///
/// It grows and shrinks by two thirds, not by the double, since slots that nobody uses would be a sixth
/// of a lone user's bytes.
struct RoomSlots {
    private static var fewest: Int { 8 }

    private var slots: [RoomSlot] = []
    private(set) var count = 0

    /// The place for which `isIt` holds among those that may have the hash.
    func place(_ hash: UInt64, where isIt: (RoomPlace) -> Bool) -> RoomPlace? {
        guard !slots.isEmpty else { return nil }
        var position = home(of: hash)
        while !slots[position].isEmpty {
            if slots[position].mayBe(hash) {
                let place = slots[position].place
                if isIt(place) { return place }
            }
            position = self.position(after: position)
        }
        return nil
    }

    /// - Parameter hashOf: the hash of a place that is in the table.
    mutating func insert(_ place: RoomPlace, _ hash: UInt64, hashOf: (RoomPlace) -> UInt64) {
        count += 1
        if count * 4 > slots.count * 3 { rebuild(hashOf) }
        put(RoomSlot(place, hash: hash), hash)
    }

    /// The same project is kept elsewhere from now on.
    mutating func replace(_ place: RoomPlace, by other: RoomPlace, _ hash: UInt64) {
        slots[position(of: place, hash)] = RoomSlot(other, hash: hash)
    }

    mutating func remove(_ place: RoomPlace, _ hash: UInt64, hashOf: (RoomPlace) -> UInt64) {
        empty(position(of: place, hash), hashOf)
        count -= 1
        if slots.count > Self.fewest, count * 5 < slots.count * 2 { rebuild(hashOf) }
    }

    private func home(of hash: UInt64) -> Int { Int((hash >> 32) * UInt64(slots.count) >> 32) }

    private func position(after position: Int) -> Int {
        position + 1 == slots.count ? 0 : position + 1
    }

    /// How far on `other` is from `position`, going round at the end.
    private func distance(from position: Int, to other: Int) -> Int {
        other >= position ? other - position : other - position + slots.count
    }

    private func position(of place: RoomPlace, _ hash: UInt64) -> Int {
        let slot = RoomSlot(place, hash: hash)
        var position = home(of: hash)
        while slots[position] != slot { position = self.position(after: position) }
        return position
    }

    private mutating func put(_ slot: RoomSlot, _ hash: UInt64) {
        var position = home(of: hash)
        while !slots[position].isEmpty { position = self.position(after: position) }
        slots[position] = slot
    }

    /// Empties a slot, and lets those behind it that were pushed on move up.
    private mutating func empty(_ emptied: Int, _ hashOf: (RoomPlace) -> UInt64) {
        var gap = emptied
        var position = self.position(after: gap)
        while !slots[position].isEmpty {
            let home = home(of: hashOf(slots[position].place))
            if distance(from: home, to: position) >= distance(from: gap, to: position) {
                slots[gap] = slots[position]
                gap = position
            }
            position = self.position(after: position)
        }
        slots[gap] = .empty
    }

    private mutating func rebuild(_ hashOf: (RoomPlace) -> UInt64) {
        let old = slots
        slots = Array(repeating: .empty, count: max(Self.fewest, count * 5 / 3))
        for slot in old where !slot.isEmpty { put(slot, hashOf(slot.place)) }
    }
}
