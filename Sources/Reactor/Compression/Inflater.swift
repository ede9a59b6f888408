internal import CEpollShim

/// Decompresses what a peer has compressed with permessage-deflate (RFC 7692 §7.2.2). What a message
/// may refer to of those before it is the caller's to keep.
///
/// One serves a whole process: between messages it remembers nothing. It takes 40 KB.
@safe
public struct Inflater: ~Copyable {
    /// What became of a message.
    public enum Outcome: Equatable, Sendable {
        case done
        /// It is larger than was allowed: a bomb, or just too big. So much was done as is allowed.
        case tooLarge
        /// It refers to bytes of earlier messages that aren't there.
        case beyondHistory
        /// It is no DEFLATE, or not all of it.
        case corrupt
    }

    /// On the heap, since zlib's own state points back to it.
    private let stream: UnsafeMutablePointer<z_stream>

    /// Set in `data_type` when inflate(3) has stopped between two blocks.
    private static let atBlockBorder: Int32 = 128

    /// Traps if memory is lacking, as every allocation does.
    public init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let result = unsafe ces_inflateInit2(stream, -15)  // The largest window: good for any.
        precondition(result == Z_OK, "zlib can't decompress")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Appends the message that `compressed` is, at most `bytesMax` bytes of it.
    public mutating func decompress(
        _ compressed: borrowing Span<UInt8>, into buffer: inout ByteBuffer, bytesMax: Int
    ) -> Outcome {
        decompress(compressed, after: Span(), into: &buffer, bytesMax: bytesMax)
    }

    /// The same with a message that may refer to `history`: the end of what the peer has sent before,
    /// at most 32 KiB.
    public mutating func decompress(
        _ compressed: borrowing Span<UInt8>, after history: borrowing Span<UInt8>,
        into buffer: inout ByteBuffer, bytesMax: Int
    ) -> Outcome {
        precondition(compressed.count <= UInt32.max && bytesMax >= 0 && bytesMax < Int32.max)
        unsafe inflateReset(stream)
        setHistory(history)
        var room = bytesMax
        let outcome = inflate(compressed, into: &buffer, room: &room)
        guard outcome == .done else { return outcome }
        // What the sender has left out: an empty block that ends at a byte's border.
        let tail: InlineArray<4, UInt8> = [0x00, 0x00, 0xFF, 0xFF]
        let end = inflate(tail.span, into: &buffer, room: &room)
        guard end == .done else { return end }
        return unsafe stream.pointee.data_type & Self.atBlockBorder != 0 ? .done : .corrupt
    }

    private mutating func inflate(
        _ input: borrowing Span<UInt8>, into buffer: inout ByteBuffer, room: inout Int
    ) -> Outcome {
        unsafe input.withUnsafeBufferPointer { bytes in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(bytes.count)
            while true {
                var result = Z_OK
                // One byte more than there is room for tells whether the message has more.
                let chunk = min(room + 1, Self.chunkBytes)
                let written = unsafe buffer.append(atMost: chunk) { target in
                    unsafe stream.pointee.next_out = target
                    unsafe stream.pointee.avail_out = UInt32(chunk)
                    result = unsafe CEpollShim.inflate(stream, Z_SYNC_FLUSH)
                    return chunk - Int(unsafe stream.pointee.avail_out)
                }
                guard written <= room else {
                    buffer.truncate(to: buffer.count - 1)
                    room = 0
                    return .tooLarge
                }
                room -= written
                switch result {
                case Z_STREAM_END:
                    // A block said that it was the last one; more may follow (RFC 7692 §7.2.3.4).
                    unsafe inflateReset(stream)
                    if unsafe stream.pointee.avail_in == 0 { return .done }
                case Z_OK where written == chunk:
                    continue  // There may be more.
                case Z_OK, Z_BUF_ERROR:
                    // It stopped with room left, so it wants more input.
                    return .done
                default:
                    return isBeyondHistory ? .beyondHistory : .corrupt
                }
            }
        }
    }

    private func setHistory(_ history: borrowing Span<UInt8>) {
        guard !history.isEmpty else { return }
        unsafe history.withUnsafeBufferPointer { bytes in
            let result = unsafe inflateSetDictionary(
                stream, bytes.baseAddress, UInt32(bytes.count))
            // Raw DEFLATE takes one at any time, whatever is in it.
            precondition(result == Z_OK, "zlib takes no dictionary")
        }
    }

    /// Whether the last error is a distance that leads to before the first byte that is known.
    private var isBeyondHistory: Bool {
        guard let message = unsafe stream.pointee.msg else { return false }
        return unsafe strcmp(message, "invalid distance too far back") == 0
    }

    /// Bytes that are decompressed at a time.
    private static let chunkBytes = 16_384
}
