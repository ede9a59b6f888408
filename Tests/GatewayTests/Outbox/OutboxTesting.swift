import Gateway
import Reactor

/// What the tests of the outbox share.
enum OutboxTesting {
    /// An outbox whose keepalive is one frame of two bytes.
    static func outbox() -> Outbox { Outbox(textPing: false, compresses: false) }

    static let clock = TurnClock.at(tick: 1_000)

    /// The whole frame around so many bytes.
    static func frame(_ payloadCount: Int, _ byte: UInt8 = 0x61) -> [UInt8] {
        WebSocketTesting.frame(
            0x81, [UInt8](repeating: byte, count: payloadCount), masked: false)
    }

    /// A segment of frames, with one reference.
    static func segment(_ frames: [[UInt8]], in outbox: inout Outbox) -> SegmentIndex {
        let bytes = Array(frames.joined())
        let segment = outbox.segments.make(capacity: bytes.count)
        outbox.segments.append(bytes.span, frames: frames.count, to: segment)
        return segment
    }

    /// A message of frames around so many bytes each.
    static func message(
        _ frames: Int, of payloadCount: Int, in outbox: inout Outbox
    ) -> OutgoingMessage {
        var message = outbox.message()
        for _ in 0..<frames {
            for _ in 0..<payloadCount { message.text.append(0x61) }
            message.endFrame()
        }
        return message
    }

    /// All that waits.
    static func waiting(in queue: ClientQueue, _ outbox: inout Outbox) -> [UInt8] {
        var buffer = ByteBuffer()
        _ = outbox.copy(queue, to: &buffer, bytesMax: .max)
        return buffer.copy()
    }

    /// The tags of what was dropped, sorted.
    static func dropped(from outbox: inout Outbox) -> [UInt32] {
        var tags: [UInt32] = []
        while let tag = outbox.dequeueDropped() { tags.append(tag) }
        return tags.sorted()
    }

    /// Those whose queues went over their bounds.
    static func overflown(in outbox: inout Outbox) -> [ClientIndex] {
        var indices: [ClientIndex] = []
        while let index = outbox.dequeueOverflown() { indices.append(index) }
        return indices
    }
}

/// The ways into a queue.
enum WayIn: CaseIterable, Sendable {
    case own, last, response, missed, keepalive, broadcast, ordered

    /// Broadcasts may be refused, and the client gets a resync instead.
    var isBroadcast: Bool { self == .broadcast || self == .ordered }

    /// Queues one frame around `payloadCount` bytes; the keepalive has always two bytes in all.
    func queue(
        _ payloadCount: Int, for index: ClientIndex, _ queue: inout ClientQueue,
        _ outbox: inout Outbox, _ clock: TurnClock = OutboxTesting.clock
    ) -> Bool {
        switch self {
        case .own:
            let message = OutboxTesting.message(1, of: payloadCount, in: &outbox)
            outbox.queue(message, for: index, &queue, clock)
        case .last:
            let message = OutboxTesting.message(1, of: payloadCount, in: &outbox)
            outbox.queueLast(message, for: index, &queue, clock)
        case .response:
            let message = OutboxTesting.message(1, of: payloadCount, in: &outbox)
            outbox.queueResponse(message, for: index, &queue, clock)
        case .keepalive:
            outbox.queueKeepalive(for: index, &queue, clock)
        case .missed, .broadcast, .ordered:
            return queueSegment(payloadCount, for: index, &queue, &outbox, clock)
        }
        return true
    }

    private func queueSegment(
        _ payloadCount: Int, for index: ClientIndex, _ queue: inout ClientQueue,
        _ outbox: inout Outbox, _ clock: TurnClock
    ) -> Bool {
        let segment = OutboxTesting.segment(
            [OutboxTesting.frame(payloadCount)], in: &outbox)
        defer { outbox.segments.release(segment) }
        switch self {
        case .broadcast:
            return outbox.queueBroadcast(
                segment, from: 0, of: RoomIndex(raw: 5), for: index, &queue, clock)
        case .ordered:
            let count = outbox.segments.count(of: segment)
            return outbox.queueOrdered(
                segment, 0..<count, frames: 1, for: index, &queue, clock)
        case .own, .last, .response, .missed, .keepalive:
            outbox.queueMissed(segment, for: index, &queue, clock)
            return true
        }
    }
}
