/// A slot of the table of rooms, in four bytes: a place, and eight bits of its project's hash, by which
/// nearly all other projects are passed over unseen.
struct RoomSlot: BitwiseCopyable, Equatable {
    static var indexBits: UInt32 { 17 }
    static var usersBits: UInt32 { 7 }

    /// One more than the index, users, bits of the hash.
    private let raw: UInt32

    static var empty: RoomSlot { RoomSlot(raw: 0) }

    private init(raw: UInt32) {
        self.raw = raw
    }

    init(_ place: RoomPlace, hash: UInt64) {
        raw =
            UInt32(place.index + 1) | UInt32(place.users) << Self.indexBits
            | UInt32(truncatingIfNeeded: hash & 0xFF) << (Self.indexBits + Self.usersBits)
    }

    var isEmpty: Bool { raw == 0 }

    var place: RoomPlace {
        RoomPlace(
            users: Int(raw >> Self.indexBits & (1 << Self.usersBits - 1)),
            index: Int(raw & (1 << Self.indexBits - 1)) - 1)
    }

    /// Whether it may be that of a project with this hash.
    func mayBe(_ hash: UInt64) -> Bool {
        raw >> (Self.indexBits + Self.usersBits) == UInt32(truncatingIfNeeded: hash & 0xFF)
    }
}
