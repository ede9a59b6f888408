package import Reactor

/// Compresses messages with permessage-deflate (RFC 7692), for all connections of a process: no
/// message depends on another, so one compressor serves everybody.
package struct MessageCompressor: ~Copyable {
    private var deflater = Deflater(windowBits: Int32(DeflateOffer.serverWindowBits))
    private var compressed = ByteBuffer(capacity: 1_024)

    /// Bytes of a message from which on it is compressed: a shorter one loses less than its frame
    /// and the work are worth.
    package static let messageBytesMin = 128

    package init() {}

    /// Writes a whole frame of a message, compressed if that is less.
    ///
    /// - Returns: whether it is.
    @discardableResult
    package mutating func write(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, into buffer: inout ByteBuffer
    ) -> Bool {
        if payload.count >= Self.messageBytesMin {
            compressed.removeAll()
            deflater.compress(payload, into: &compressed)
            if compressed.count < payload.count {
                FrameEncoder.writeCompressed(compressed, opcode: opcode, into: &buffer)
                return true
            }
        }
        FrameEncoder.write(payload, opcode: opcode, into: &buffer)
        return false
    }

    /// Writes a run of frames of our own, the messages among them compressed where that is less.
    ///
    /// - Returns: how many are compressed.
    package mutating func compress(
        _ frames: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) -> Int {
        var count = 0
        var start = 0
        while start < frames.count {
            let frame = ServerFrames.frame(at: start, in: frames)
            if frame.opcode == .text,
                write(
                    frames.extracting(frame.payload), opcode: .text, into: &buffer)
            {
                count += 1
            } else if frame.opcode != .text {
                buffer.append(frames.extracting(start..<frame.payload.upperBound))
            }
            start = frame.payload.upperBound
        }
        return count
    }
}
