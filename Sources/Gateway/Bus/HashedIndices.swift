internal import Reactor

/// Indices of a table's records, found by hashes of what those are: open addressing, four bytes a slot.
///
/// When there are too many or too few for the slots, others take their place, and with each change a
/// portion of the former ones is moved to them: no change costs more than that, however many there are.
struct HashedIndices: ~Copyable {
    /// A page of them.
    private static var fewest: Int { 1_024 }
    /// Former slots that are moved with each change, and the rest of a run of full ones. All are moved
    /// long before there are too many or too few again: after a table of N slots has grown there is room
    /// for 3 N / 4 more, and after it has shrunk N / 16 go before it does so again.
    private static var movesPerChange: Int { 32 }

    private var current: IndexSlots?
    /// What isn't moved yet; `nil` when all is.
    private var former: IndexSlots?
    private var count = 0

    /// Whether former slots are left to be moved.
    private var isMoving: Bool {
        switch former {
        case .some: true
        case .none: false
        }
    }
    private var slotCount: Int {
        switch current {
        case .some(let slots): slots.count
        case .none: 0
        }
    }

    /// The first index for which `isIt` holds, among those that may have the hash.
    func first(_ hash: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        current?.first(hash, where: isIt) ?? former?.first(hash, where: isIt)
    }

    /// - Parameter hashOf: the hash of a record whose index is here.
    mutating func insert(_ index: UInt32, _ hash: UInt64, hashOf: (UInt32) -> UInt64) {
        count += 1
        if slotCount == 0 { current = IndexSlots(count: Self.fewest) }
        move(hashOf)
        if count * 4 > slotCount * 3 { replace(by: slotCount * 2) }
        current?.put(index, hash)
    }

    /// The index is here.
    mutating func remove(_ index: UInt32, _ hash: UInt64, hashOf: (UInt32) -> UInt64) {
        let wasFormer = former?.remove(index, hash, hashOf: hashOf) ?? false
        if !wasFormer {
            let wasThere = current?.remove(index, hash, hashOf: hashOf) ?? false
            precondition(wasThere)
        }
        count -= 1
        guard count > 0 else {
            former = nil
            current = nil
            return
        }
        move(hashOf)
        if !isMoving, slotCount > Self.fewest, count * 8 < slotCount {
            replace(by: slotCount / 2)
        }
    }

    private mutating func replace(by slotCount: Int) {
        precondition(!isMoving, "a table that is moved has room")
        former = current.take()
        former?.beginMoving()
        current = IndexSlots(count: slotCount)
    }

    private mutating func move(_ hashOf: (UInt32) -> UInt64) {
        guard isMoving else { return }
        var looks = 0
        while let index = former?.takeNext(&looks, atMost: Self.movesPerChange) {
            current?.put(index, hashOf(index))
        }
        if former?.isMoved == true { former = nil }
    }
}

/// Slots in memory that is touched when it is first written, a power of two of them, never all full.
private struct IndexSlots: ~Copyable {
    /// One more than an index; zero is an empty slot.
    private var slots: ReservedTable<UInt32>
    private let mask: Int
    /// Where moving has begun, behind an empty slot, and how many slots it has passed.
    private var begin = 0
    private var passed = 0

    init(count: Int) {
        slots = ReservedTable(capacity: count, of: UInt32.self, zeroIsValid: true)
        mask = count - 1
    }

    var count: Int { mask + 1 }
    var isMoved: Bool { passed == count }

    private func home(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & mask }
    private func position(after slot: Int) -> Int { (slot + 1) & mask }

    private subscript(slot: Int) -> UInt32 {
        get { slots[UInt32(slot)] }
        set { slots[UInt32(slot)] = newValue }
    }

    func first(_ hash: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        var slot = home(of: hash)
        while self[slot] != 0 {
            if isIt(self[slot] - 1) { return self[slot] - 1 }
            slot = position(after: slot)
        }
        return nil
    }

    mutating func put(_ index: UInt32, _ hash: UInt64) {
        var slot = home(of: hash)
        while self[slot] != 0 { slot = position(after: slot) }
        self[slot] = index + 1
    }

    /// Returns whether it was here.
    mutating func remove(
        _ index: UInt32, _ hash: UInt64, hashOf: (UInt32) -> UInt64
    ) -> Bool {
        var gap = home(of: hash)
        while self[gap] != index + 1 {
            guard self[gap] != 0 else { return false }
            gap = position(after: gap)
        }
        // Those behind it that were pushed on move up.
        var slot = position(after: gap)
        while self[slot] != 0 {
            let home = home(of: hashOf(self[slot] - 1))
            if (slot - home) & mask >= (slot - gap) & mask {
                self[gap] = self[slot]
                gap = slot
            }
            slot = position(after: slot)
        }
        self[gap] = 0
        return true
    }

    mutating func beginMoving() {
        var slot = 0
        while self[slot] != 0 { slot = position(after: slot) }
        begin = position(after: slot)
    }

    /// Takes the next index out; `nil` when enough slots were looked at, or all. It never stops within a
    /// run of full slots, so that those who are left are found where their hash says.
    mutating func takeNext(_ looks: inout Int, atMost looksMax: Int) -> UInt32? {
        while passed < count {
            let slot = (begin + passed) & mask
            let found = self[slot]
            if found == 0, looks >= looksMax { return nil }
            passed += 1
            looks += 1
            guard found != 0 else { continue }
            self[slot] = 0
            return found - 1
        }
        return nil
    }
}
