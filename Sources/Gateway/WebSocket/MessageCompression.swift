package import Reactor

/// permessage-deflate (RFC 7692) for all connections of a process: no message depends on another, so
/// one compressor and one decompressor serve everybody.
package struct MessageCompression: ~Copyable {
    private var deflater = Deflater(windowBits: Int32(DeflateOffer.serverWindowBits))
    private var inflater = Inflater()
    private var compressed = ByteBuffer(capacity: 1_024)

    /// What was decompressed last.
    package private(set) var message = ByteBuffer(capacity: 1_024)

    /// Bytes of a message from which on it is compressed: a shorter one loses less than its frame
    /// and the work are worth.
    package static let messageBytesMin = 128

    package init() {}

    // MARK: In

    /// What became of a peer's message.
    package enum Decompressed: Sendable {
        /// It is in `message`. A text is well-formed.
        case done
        /// Close with this code.
        case failure(CloseCode, reason: StaticString)
    }

    /// Decompresses a whole message, the payload of all its frames, into `message`.
    ///
    /// - Parameter bytesMax: bytes that it may have then. A bomb isn't unpacked any further.
    package mutating func decompress(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, bytesMax: Int
    ) -> Decompressed {
        message.removeAll()
        switch inflater.decompress(payload, into: &message, bytesMax: bytesMax) {
        case .done: break
        case .tooLarge: return .failure(.messageTooBig, reason: FrameFault.messageTooBig.reason)
        case .corrupt:
            return .failure(
                .invalidPayload, reason: "compressed message is corrupt (RFC 7692 7.2.2)")
        }
        guard opcode == .text else { return .done }
        var text = UTF8Validator()
        let fault: FrameFault
        if text.accept(message.bytes) < message.count {
            fault = .invalidText
        } else if !text.isAtBoundary {
            fault = .truncatedText
        } else {
            return .done
        }
        return .failure(fault.code, reason: fault.reason)
    }

    // MARK: Out

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
    package mutating func pack(
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
