internal import Reactor

// permessage-deflate (RFC 7692): what comes compressed, and what goes out so. Only broadcasts are
// compressed: once each, for all who have agreed upon it. What is one client's own isn't worth it.
extension Core {
    // MARK: In

    mutating func takeCompressedMessage(
        _ payload: borrowing Span<UInt8>, _ opcode: Opcode, from index: ClientIndex
    ) {
        // Taken out for as long as the message is acted on, which may change everything else.
        guard var compression = compression.take() else {
            preconditionFailure("a compressed message, which was never agreed upon")
        }
        switch compression.decompress(
            payload, opcode: opcode, bytesMax: settings.frameBytesMax)
        {
        case .done: takeMessage(compression.message.bytes, from: index)
        case .failure(let code, let reason): fail(index, code, reason)
        }
        self.compression = consume compression
    }

    // MARK: Out

    /// The segment of the room's fan-out for those who take compressed messages: made when the first
    /// of them is met, and the same segment where nothing is gained.
    mutating func packedFanOut(of segment: SegmentIndex, in room: RoomIndex) -> SegmentIndex {
        if let packed = hub.packedFanOut(of: room) { return packed }
        let packed = pack(segment)
        hub.setPackedFanOut(packed, of: room)
        return packed
    }

    /// Gives the references of a fan-out back that has come to its end.
    mutating func endFanOut(_ segment: SegmentIndex, in room: RoomIndex) {
        segments.release(segment)
        if let packed = hub.takePackedFanOut(of: room) { segments.release(packed) }
    }

    /// The turn's ordered segment for those who take compressed messages, with one reference: each
    /// event notes its place in it.
    mutating func packOrdered() -> SegmentIndex {
        frame.removeAll()
        for position in orderedEvents.indices {
            let event = orderedEvents[position]
            let start = frame.count
            let count =
                compression?.pack(
                    orderedSegment, Int(event.start)..<Int(event.end), of: segments, into: &frame)
                ?? 0
            metrics.messagesCompressed &+= UInt64(count)
            orderedEvents[position].packedStart = UInt32(start)
            orderedEvents[position].packedEnd = UInt32(frame.count)
        }
        return segments.make(of: frame, frames: segments.frames(of: orderedSegment))
    }

    /// A segment of the same frames, compressed, with one reference.
    private mutating func pack(_ segment: SegmentIndex) -> SegmentIndex {
        frame.removeAll()
        let count =
            compression?.pack(
                segment, 0..<segments.count(of: segment), of: segments, into: &frame) ?? 0
        guard count > 0 else {
            segments.retain(segment)
            return segment
        }
        metrics.messagesCompressed &+= UInt64(count)
        return segments.make(of: frame, frames: segments.frames(of: segment))
    }
}

extension MessageCompression {
    /// See `pack` of a span; a span of a segment would count as a borrow of the whole core.
    fileprivate mutating func pack(
        _ segment: SegmentIndex, _ range: Range<Int>, of pool: borrowing SegmentPool,
        into buffer: inout ByteBuffer
    ) -> Int {
        pack(pool.bytes(of: segment).extracting(range), into: &buffer)
    }
}
