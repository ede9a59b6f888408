/// All rooms, by index. Rooms own memory, so they live in place and are never copied.
@safe
struct RoomTable: ~Copyable {
    private var rooms: UnsafeMutablePointer<Room>
    private var capacity = 16
    /// Indices ever used.
    private(set) var used = 0
    private var free: [UInt32] = []
    private var occupied: [Bool] = []

    init() {
        unsafe rooms = .allocate(capacity: capacity)
    }

    deinit {
        for index in 0..<used where occupied[index] {
            unsafe (rooms + index).deinitialize(count: 1)
        }
        unsafe rooms.deallocate()
    }

    var count: Int { used - free.count }

    mutating func insert(_ room: consuming Room) -> RoomIndex {
        if let index = free.popLast() {
            occupied[Int(index)] = true
            unsafe (rooms + Int(index)).initialize(to: room)
            return RoomIndex(raw: index)
        }
        if used == capacity { grow() }
        unsafe (rooms + used).initialize(to: room)
        used += 1
        occupied.append(true)
        return RoomIndex(raw: UInt32(used - 1))
    }

    mutating func remove(_ index: RoomIndex) {
        precondition(isOccupied(index))
        unsafe (rooms + Int(index.raw)).deinitialize(count: 1)
        occupied[Int(index.raw)] = false
        free.append(index.raw)
    }

    func isOccupied(_ index: RoomIndex) -> Bool {
        Int(index.raw) < used && occupied[Int(index.raw)]
    }

    // Hot path.
    subscript(index: RoomIndex) -> Room {
        unsafeAddress {
            precondition(Int(index.raw) < used)
            assert(occupied[Int(index.raw)])  // The room itself says nothing once it is freed.
            return unsafe UnsafePointer(rooms + Int(index.raw))
        }
        unsafeMutableAddress {
            precondition(Int(index.raw) < used)
            assert(occupied[Int(index.raw)])  // The room itself says nothing once it is freed.
            return unsafe rooms + Int(index.raw)
        }
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Room>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: rooms, count: used)
        unsafe rooms.deallocate()
        unsafe rooms = larger
        capacity *= 2
    }
}
