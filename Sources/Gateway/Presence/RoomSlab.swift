/// Rooms that are awake, by index, in blocks: the lowest free index is given out first, and a block
/// without a room has no memory.
///
/// By address, since accessors that yield, one inside the other, allocated six times for each
/// connection that was told something.
@safe
struct RoomSlab: ~Copyable {
    private static var blockCount: Int { 32 }

    /// `nil` for a block without a room; all rooms of the others are initialized.
    private var blocks: [UnsafeMutablePointer<PresenceRoom>?]
    /// A bit for each index that is in use.
    private var used: [UInt32] = []
    /// The blocks below are full.
    private var firstOpen = 0

    init() {
        unsafe blocks = []
    }

    deinit {
        for block in used.indices { unsafe Self.release(blocks[block]) }
    }

    /// Indices from here on aren't in use.
    var end: Int { used.count * Self.blockCount }

    func isUsed(_ index: UInt32) -> Bool {
        let block = Int(index) / Self.blockCount
        return block < used.count && used[block] & Self.bit(index) != 0
    }

    // Hot path.
    /// Where the room stands, until it is removed.
    func address(of index: UInt32) -> UnsafeMutablePointer<PresenceRoom> {
        precondition(isUsed(index))
        guard let block = unsafe blocks[Int(index) / Self.blockCount] else {
            preconditionFailure("a block of rooms that are in use has no memory")
        }
        return unsafe block + Int(index) % Self.blockCount
    }

    subscript(index: UInt32) -> PresenceRoom {
        unsafeAddress { unsafe UnsafePointer(address(of: index)) }
        unsafeMutableAddress { unsafe address(of: index) }
    }

    mutating func insert(_ room: PresenceRoom) -> UInt32 {
        while firstOpen < used.count, used[firstOpen] == .max { firstOpen += 1 }
        let block = firstOpen
        if block == used.count {
            unsafe blocks.append(nil)
            used.append(0)
        }
        if used[block] == 0 {
            let made = UnsafeMutablePointer<PresenceRoom>.allocate(capacity: Self.blockCount)
            unsafe made.initialize(repeating: .free, count: Self.blockCount)
            unsafe blocks[block] = made
        }
        let index = UInt32(block * Self.blockCount + (~used[block]).trailingZeroBitCount)
        used[block] |= Self.bit(index)
        self[index] = room
        return index
    }

    mutating func remove(_ index: UInt32) {
        let block = Int(index) / Self.blockCount
        self[index] = .free
        used[block] &= ~Self.bit(index)
        firstOpen = min(firstOpen, block)
        guard used[block] == 0 else { return }
        unsafe Self.release(blocks[block])
        unsafe blocks[block] = nil
        while used.last == 0 {
            used.removeLast()
            unsafe blocks.removeLast()
        }
    }

    private static func release(_ block: UnsafeMutablePointer<PresenceRoom>?) {
        guard let block = unsafe block else { return }
        unsafe block.deinitialize(count: blockCount)
        unsafe block.deallocate()
    }

    private static func bit(_ index: UInt32) -> UInt32 { 1 << (index % UInt32(blockCount)) }
}
