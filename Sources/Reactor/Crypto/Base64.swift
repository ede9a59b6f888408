internal import CEpollShim

/// Base64 with padding and without line breaks (RFC 4648 §4), written.
public enum Base64 {
    /// Characters that `count` bytes become.
    @inlinable public static func encodedCount(of count: Int) -> Int {
        (count + 2) / 3 * 4
    }

    /// Appends the characters of `bytes`.
    public static func encode(_ bytes: borrowing Span<UInt8>, into buffer: inout ByteBuffer) {
        var block = InlineArray<65, UInt8>(repeating: 0)  // EVP_EncodeBlock adds a NUL.
        var start = 0
        while start < bytes.count {
            // Whole groups of three, so that only the last block is padded.
            let end = min(start + 48, bytes.count)
            let source = bytes.extracting(start..<end)
            var target = block.mutableSpan
            let written = unsafe source.withUnsafeBufferPointer { input in
                unsafe target.withUnsafeMutableBufferPointer { output in
                    unsafe EVP_EncodeBlock(
                        output.baseAddress, input.baseAddress, Int32(input.count))
                }
            }
            buffer.append(block.span.extracting(0..<Int(written)))
            start = end
        }
    }
}
