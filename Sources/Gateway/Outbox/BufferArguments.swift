internal import Reactor

// Segments take spans. A span of one of the core's buffers counts, for the compiler, as a borrow of
// the whole core, so that nothing else of it could be changed in the same call. Passed as the buffer,
// it is a borrow of that buffer alone.

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
