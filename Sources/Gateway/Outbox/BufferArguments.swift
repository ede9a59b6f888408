internal import Reactor

// The codecs take spans. A span of one of the core's buffers counts, for the compiler, as a borrow
// of the whole core, so that nothing else of it could be changed in the same call. Passed as the
// buffer, it is a borrow of that buffer alone.

extension FrameEncoder {
    /// A frame around what `payload` holds.
    static func write(
        _ payload: borrowing ByteBuffer, opcode: Opcode, into buffer: inout ByteBuffer
    ) {
        write(payload.bytes, opcode: opcode, into: &buffer)
    }

    /// A Close frame whose reason `reason` holds.
    static func writeClose(
        _ code: CloseCode, reason: borrowing ByteBuffer, into buffer: inout ByteBuffer
    ) {
        writeClose(code, reason: reason.bytes, into: &buffer)
    }
}

extension SegmentPool {
    /// A segment of what `buffer` holds, with one reference.
    mutating func make(of buffer: borrowing ByteBuffer, frames: Int) -> SegmentIndex {
        let segment = make(capacity: buffer.count)
        append(buffer.bytes, frames: frames, to: segment)
        return segment
    }

    mutating func append(
        _ buffer: borrowing ByteBuffer, frames: Int, to segment: SegmentIndex
    ) {
        append(buffer.bytes, frames: frames, to: segment)
    }
}
