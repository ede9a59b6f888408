package import Reactor

/// Everything that waits to be sent: segments of encoded frames, the queues' nodes, and the lists of
/// those whose queues the flush has to look at.
///
/// A queue itself stands in its client's record (`ClientQueue`), and is passed in. Queueing never
/// closes anybody: a queue that is over its bounds is marked, and the core decides once a turn
/// (`Core.enforceBounds`).
package struct Outbox: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    package var segments = SegmentPool()
    package var nodes = QueueNodePool()
    /// Frames of broadcasts in their compressed form; `nil` when no client is offered any.
    private var compressor: MessageCompressor?
    /// The events of this turn for clients that look at several projects.
    var ordered = OrderedBatch()
    /// The ping frame and `{"type":"ping"}`, shared by all.
    package let keepalive: SegmentIndex

    /// Clients with something of their own to send.
    package var dirty = IndexList()
    /// Clients whose queues are over their bounds.
    package var overflown = IndexList()
    /// Tags of pieces that were dropped, for the core to note whose they were.
    var dropped = IndexList()
    /// Clients of whom something about presence was dropped.
    var withoutState = IndexList()
    /// The tick in which memory was last won back from everybody.
    var relievedTick: UInt32 = 0

    /// The moments at which this turn's notifications were made, for the histogram.
    package private(set) var announced: [Timestamp] = []
    /// For `message`.
    var spareMessage: OutgoingMessage?

    package init(textPing: Bool, compresses: Bool) {
        compressor = compresses ? MessageCompressor() : nil
        announced.reserveCapacity(Limits.notificationsPerTurn)
        keepalive = Self.makeKeepalive(in: &segments, textPing: textPing)
    }

    private static func makeKeepalive(
        in segments: inout SegmentPool, textPing: Bool
    ) -> SegmentIndex {
        var bytes = ByteBuffer(capacity: 64)
        FrameEncoder.writeHeader(.ping, payloadCount: 0, into: &bytes)
        if textPing {
            var text = ByteBuffer(capacity: 32)
            ServerMessage.writePing(into: &text)
            FrameEncoder.write(text, opcode: .text, into: &bytes)
        }
        return segments.make(of: bytes, frames: textPing ? 2 : 1)
    }

    // MARK: Times

    /// Notes when a notification of this turn was made.
    package mutating func noteAnnounced(_ timestamp: Timestamp) {
        if announced.count < Limits.notificationsPerTurn { announced.append(timestamp) }
    }

    package mutating func beginTurn() {
        announced.removeAll(keepingCapacity: true)
    }

    // MARK: Segments

    /// Bytes of a segment; 0 of none.
    package func byteCount(of segment: SegmentIndex) -> Int {
        segment == .none ? 0 : segments.count(of: segment)
    }

    /// Gives a reference back; nothing for none.
    package mutating func release(_ segment: SegmentIndex) {
        if segment != .none { segments.release(segment) }
    }

    /// Appends frames to a segment of the caller's, which is made for the first of them.
    package mutating func append(
        _ message: borrowing OutgoingMessage, to segment: inout SegmentIndex
    ) {
        if segment == .none { segment = segments.make(capacity: message.bytes.count) }
        segments.append(message.bytes, frames: message.frameCount, to: segment)
    }

    // MARK: Compression

    /// Appends a run of frames of a segment, compressed where that is less. Returns how many are; 0
    /// without compression.
    package mutating func compress(
        _ segment: SegmentIndex, _ range: Range<Int>, into buffer: inout ByteBuffer
    ) -> Int {
        compressor?.compress(segment, range, of: segments, into: &buffer) ?? 0
    }
}

extension MessageCompressor {
    /// See `compress` of a span; a span of a segment would count as a borrow of the whole outbox.
    fileprivate mutating func compress(
        _ segment: SegmentIndex, _ range: Range<Int>, of pool: borrowing SegmentPool,
        into buffer: inout ByteBuffer
    ) -> Int {
        compress(pool.bytes(of: segment).extracting(range), into: &buffer)
    }
}
