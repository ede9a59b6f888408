internal import Reactor

/// How a client gets a room's events.
enum Standing: UInt8, BitwiseCopyable {
    /// A member of the fan-out.
    case fanOut
    /// An ordered member: each event by itself.
    case ordered
    /// Not at all, while its membership is being verified.
    case suspended
}

/// That a client is in a room, seen from the client.
struct Subscription: BitwiseCopyable {
    private var roomAndMark: UInt32
    private var positionAndMark: UInt32

    private static var mark: UInt32 { 1 << 31 }

    init(room: RoomIndex) {
        precondition(room.raw < Self.mark - 1)
        roomAndMark = room.raw + 1  // Zero means "none", so that zeroed memory is empty.
        positionAndMark = 0
    }

    static var none: Subscription { Subscription() }

    private init() {
        roomAndMark = 0
        positionAndMark = 0
    }

    var isNone: Bool { roomAndMark == 0 }

    var room: RoomIndex {
        precondition(!isNone)
        return RoomIndex(raw: (roomAndMark & ~Self.mark) - 1)
    }

    /// Whether events of this room were withheld from the client, which must hear of it.
    var isStale: Bool {
        get { roomAndMark & Self.mark != 0 }
        set { roomAndMark = newValue ? roomAndMark | Self.mark : roomAndMark & ~Self.mark }
    }

    /// Where the client stands in the room's list that `standing` names. Slots of clients, and so
    /// positions, are far below 2³⁰.
    var position: UInt32 {
        get { positionAndMark & ~Self.standingBits }
        set { positionAndMark = positionAndMark & Self.standingBits | newValue }
    }

    /// In which of the room's lists the client stands.
    var standing: Standing {
        get { Standing(rawValue: UInt8(positionAndMark >> 30)) ?? .fanOut }
        set {
            positionAndMark = positionAndMark & ~Self.standingBits | UInt32(newValue.rawValue) << 30
        }
    }

    private static var standingBits: UInt32 { 3 << 30 }
}

/// The subscriptions of all clients: the first of each inline, since most clients look at one
/// project, the others in a shared list.
///
/// A *slot* names one subscription of a client: 0 is the inline one, any other number a node.
struct SubscriptionTable: ~Copyable {
    struct Record: BitwiseCopyable {
        var first: Subscription
        var moreHead: UInt32
        var count: UInt32
    }

    struct Node: BitwiseCopyable {
        var subscription: Subscription
        var next: UInt32
    }

    private var records: ReservedTable<Record>
    private var nodes: [Node] = [Node(subscription: .none, next: 0)]  // Node 0 stands for "none".
    private var firstFree: UInt32 = 0

    init(clientCapacity: Int) {
        records = ReservedTable(capacity: clientCapacity, of: Record.self, zeroIsValid: true)
    }

    mutating func returnMemory(from first: Int) {
        records.returnMemory(from: first)
    }

    func count(of client: ClientIndex) -> Int {
        Int(records[client].count)
    }

    /// Adds a subscription and returns its slot.
    mutating func insert(_ subscription: Subscription, of client: ClientIndex) -> UInt32 {
        records[client].count += 1
        if records[client].first.isNone {
            records[client].first = subscription
            return 0
        }
        let node = Node(subscription: subscription, next: records[client].moreHead)
        let index: UInt32
        if firstFree != 0 {
            index = firstFree
            firstFree = nodes[Int(index)].next
            nodes[Int(index)] = node
        } else {
            index = UInt32(nodes.count)
            nodes.append(node)
        }
        records[client].moreHead = index
        return index
    }

    mutating func remove(_ slot: UInt32, of client: ClientIndex) {
        precondition(records[client].count > 0)
        records[client].count -= 1
        guard slot != 0 else {
            records[client].first = .none
            return
        }
        let next = nodes[Int(slot)].next
        if records[client].moreHead == slot {
            records[client].moreHead = next
        } else {
            var previous = records[client].moreHead
            while nodes[Int(previous)].next != slot { previous = nodes[Int(previous)].next }
            nodes[Int(previous)].next = next
        }
        nodes[Int(slot)] = Node(subscription: .none, next: firstFree)
        firstFree = slot
    }

    subscript(client: ClientIndex, slot: UInt32) -> Subscription {
        get { slot == 0 ? records[client].first : nodes[Int(slot)].subscription }
        set {
            if slot == 0 {
                records[client].first = newValue
            } else {
                nodes[Int(slot)].subscription = newValue
            }
        }
    }

    /// The slot of the client's first subscription; `nil` when it has none.
    func firstSlot(of client: ClientIndex) -> UInt32? {
        let record = records[client]
        if !record.first.isNone { return 0 }
        return record.moreHead == 0 ? nil : record.moreHead
    }

    /// The slot behind `slot`; `nil` when it is the last.
    func nextSlot(after slot: UInt32, of client: ClientIndex) -> UInt32? {
        let next = slot == 0 ? records[client].moreHead : nodes[Int(slot)].next
        return next == 0 ? nil : next
    }
}
