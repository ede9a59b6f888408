internal import CEpollShim

/// Compresses messages one by one, each without regard to those before it: DEFLATE (RFC 1951) by
/// zlib, in the form that permessage-deflate wants (RFC 7692 §7.2.1).
///
/// One serves a whole process: between messages it remembers nothing. It takes some 40 KB.
@safe
public struct Deflater: ~Copyable {
    /// The base-two logarithm of the window: how far back a repetition may lie, 9 to 15.
    public let windowBits: Int32

    /// On the heap, since zlib's own state points back to it.
    private let stream: UnsafeMutablePointer<z_stream>

    /// zlib's usual compromise between speed and size.
    private static let level: Int32 = 6
    /// Of zlib's nine sizes: tables for 2,048 symbols. They are cleared for each message, so larger
    /// ones cost more than they bring for messages of some hundred bytes.
    private static let memoryLevel: Int32 = 5
    /// What ends a message that was flushed, and is left out (RFC 7692 §7.2.1).
    static let tailCount = 4

    /// Traps if memory is lacking, as every allocation does.
    public init(windowBits: Int32) {
        precondition((9...15).contains(windowBits))  // For 8, raw DEFLATE isn't to be had of zlib.
        self.windowBits = windowBits
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let result = unsafe ces_deflateInit2(
            stream, Self.level, -windowBits, Self.memoryLevel, Z_DEFAULT_STRATEGY)
        precondition(result == Z_OK, "zlib can't compress")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Appends `message`, compressed.
    public mutating func compress(
        _ message: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) {
        precondition(message.count <= UInt32.max)
        unsafe deflateReset(stream)
        let start = buffer.count
        // The bound is for a stream that ends; a flush takes an empty block of five bytes more.
        let bound = Int(unsafe deflateBound(stream, UInt(message.count))) + 8
        unsafe message.withUnsafeBufferPointer { bytes in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(bytes.count)
            unsafe buffer.append(atMost: bound) { target in
                unsafe stream.pointee.next_out = target
                unsafe stream.pointee.avail_out = UInt32(bound)
                let result = unsafe deflate(stream, Z_SYNC_FLUSH)
                precondition(result == Z_OK, "zlib: \(result)")
                return bound - Int(unsafe stream.pointee.avail_out)
            }
        }
        // With room left, everything is out.
        precondition(unsafe stream.pointee.avail_out > 0)
        assert(buffer.count - start > Self.tailCount)
        buffer.truncate(to: buffer.count - Self.tailCount)
    }
}
