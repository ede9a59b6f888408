/// Indices of a table's records, found by hashes of what those are: open addressing, four bytes a slot.
struct HashedIndices {
    private static var fewest: Int { 16 }

    /// One more than an index; zero is an empty slot.
    private var slots: [UInt32] = []
    private var count = 0

    /// The first index for which `isIt` holds, among those that may have the hash.
    func first(_ hash: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        guard !slots.isEmpty else { return nil }
        var slot = home(of: hash)
        while slots[slot] != 0 {
            if isIt(slots[slot] - 1) { return slots[slot] - 1 }
            slot = position(after: slot)
        }
        return nil
    }

    /// - Parameter hashOf: the hash of a record whose index is here.
    mutating func insert(_ index: UInt32, _ hash: UInt64, hashOf: (UInt32) -> UInt64) {
        count += 1
        if count * 4 > slots.count * 3 { rebuild(max(Self.fewest, slots.count * 2), hashOf) }
        put(index, hash)
    }

    /// The index is here.
    mutating func remove(_ index: UInt32, _ hash: UInt64, hashOf: (UInt32) -> UInt64) {
        var gap = home(of: hash)
        while slots[gap] != index + 1 { gap = position(after: gap) }
        // Those behind it that were pushed on move up.
        let mask = slots.count - 1
        var slot = position(after: gap)
        while slots[slot] != 0 {
            let home = home(of: hashOf(slots[slot] - 1))
            if (slot - home) & mask >= (slot - gap) & mask {
                slots[gap] = slots[slot]
                gap = slot
            }
            slot = position(after: slot)
        }
        slots[gap] = 0
        count -= 1
        if count == 0 {
            slots = []
        } else if slots.count > Self.fewest, count * 8 < slots.count {
            rebuild(slots.count / 2, hashOf)
        }
    }

    private func home(of hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash) & (slots.count - 1)
    }

    private func position(after slot: Int) -> Int { (slot + 1) & (slots.count - 1) }

    private mutating func put(_ index: UInt32, _ hash: UInt64) {
        var slot = home(of: hash)
        while slots[slot] != 0 { slot = position(after: slot) }
        slots[slot] = index + 1
    }

    private mutating func rebuild(_ slotCount: Int, _ hashOf: (UInt32) -> UInt64) {
        let old = slots
        slots = Array(repeating: 0, count: slotCount)
        for slot in old where slot != 0 { put(slot - 1, hashOf(slot - 1)) }
    }
}
