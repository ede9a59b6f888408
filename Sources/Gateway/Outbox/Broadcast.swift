internal import Reactor

/// What a fan-out sends: its segment as it is, and for those who take compressed messages another,
/// which is made when the first of them is met.
///
/// The references of the fan-out keep the bytes in place until it ends.
struct Broadcast {
    /// A segment with what it takes to send it.
    @safe
    struct Form {
        let segment: SegmentIndex
        let bytes: UnsafeRawPointer
        let count: Int

        init(_ segment: SegmentIndex, in pool: borrowing SegmentPool) {
            self.segment = segment
            unsafe bytes = pool.address(of: segment)
            count = pool.count(of: segment)
        }
    }

    let room: RoomIndex
    let plain: Form
    /// `nil` while nobody needed it.
    var compressed: Form?

    init(of segment: SegmentIndex, in room: RoomIndex, pool: borrowing SegmentPool) {
        self.room = room
        plain = Form(segment, in: pool)
    }
}
