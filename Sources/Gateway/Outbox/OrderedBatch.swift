internal import Reactor

/// The events of one turn for clients that look at several projects, in commit order: one segment for
/// all of them, of which each client gets the pieces that concern it.
struct OrderedBatch: ~Copyable {
    /// `none` while there are no events.
    private(set) var segment = SegmentIndex.none
    /// The same for those who take compressed messages; `none` while nobody needed it.
    private(set) var compressed = SegmentIndex.none
    private(set) var events: [OrderedEvent] = []
    /// Queues that the events go into, each as often as it gets one.
    private var entryCount = 0

    init() {
        events.reserveCapacity(Limits.notificationsPerTurn)
    }

    /// Whether more may be appended in this turn.
    var mayGrow: Bool { entryCount < Limits.orderedEntriesPerTurn }

    /// Appends frames for those members of the project who get events one by one, so many.
    mutating func append(
        _ message: borrowing OutgoingMessage, of project: ProjectID, memberCount: Int,
        in pool: inout SegmentPool
    ) {
        entryCount += memberCount
        if segment == .none { segment = pool.make(capacity: message.bytes.count) }
        let start = pool.count(of: segment)
        pool.append(message.bytes, frames: message.frameCount, to: segment)
        events.append(
            OrderedEvent(
                project: project, start: UInt32(start),
                end: UInt32(start + message.bytes.count), frames: UInt32(message.frameCount)))
    }

    /// Notes where the event at `position` stands in the compressed form.
    mutating func noteCompressed(_ range: Range<Int>, at position: Int) {
        events[position].compressedStart = UInt32(range.lowerBound)
        events[position].compressedEnd = UInt32(range.upperBound)
    }

    /// Takes over the reference to the compressed form.
    mutating func setCompressed(_ segment: SegmentIndex) {
        precondition(compressed == .none)
        compressed = segment
    }

    /// Everybody has got theirs.
    mutating func removeAll(in pool: inout SegmentPool) {
        events.removeAll(keepingCapacity: true)
        entryCount = 0
        if segment != .none { pool.release(segment) }
        if compressed != .none { pool.release(compressed) }
        segment = .none
        compressed = .none
    }
}

/// One event's place in the turn's ordered segment.
struct OrderedEvent: BitwiseCopyable {
    /// Whose event it is: by the flush the room's place may be another project's.
    let project: ProjectID
    let start: UInt32
    let end: UInt32
    let frames: UInt32
    /// Its place in the compressed form; meant only while there is one.
    var compressedStart: UInt32 = 0
    var compressedEnd: UInt32 = 0
}

extension OrderedEvent {
    var range: Range<Int> { Int(start)..<Int(end) }
    var compressedRange: Range<Int> { Int(compressedStart)..<Int(compressedEnd) }
}
