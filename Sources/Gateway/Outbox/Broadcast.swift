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
    private(set) var packed: Form?

    init(of segment: SegmentIndex, in room: RoomIndex, pool: borrowing SegmentPool) {
        self.room = room
        plain = Form(segment, in: pool)
    }

    // Hot path.
    /// The form for one client.
    mutating func form(for index: ClientIndex, _ core: inout Core) -> Form {
        guard core.clients[index].flags.contains(.deflates) else { return plain }
        return packedForm(&core)
    }

    // Hot path.
    /// The form that `form` has returned for the client.
    func usedForm(for index: ClientIndex, _ core: borrowing Core) -> Form {
        guard let packed, core.clients[index].flags.contains(.deflates) else { return plain }
        return packed
    }

    private mutating func packedForm(_ core: inout Core) -> Form {
        let form = packed ?? Form(core.packedFanOut(of: plain.segment, in: room), in: core.segments)
        packed = form
        core.metrics.compressionSavedBytes &+= UInt64(plain.count - form.count)
        return form
    }
}
