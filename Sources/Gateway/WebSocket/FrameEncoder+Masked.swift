package import Reactor

extension FrameEncoder {
    /// Writes a whole frame as a client must, masked with `key` (as `Masking` holds it). A real
    /// client takes an unpredictable key for each frame (RFC 6455 §10.3); load generators and
    /// tests may not care.
    package static func writeMasked(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, isFinal: Bool = true, key: UInt32,
        into buffer: inout ByteBuffer
    ) {
        writeHeader(
            opcode, payloadCount: payload.count, isFinal: isFinal, maskBit: 0x80, into: &buffer)
        for index in 0..<4 {
            buffer.append(UInt8(truncatingIfNeeded: key >> UInt32(index * 8)))
        }
        // Block by block, so that the payload stays as it is and nothing is allocated. A block is
        // a multiple of four bytes: each starts at the key's first.
        var block = InlineArray<256, UInt8>(repeating: 0)
        var start = 0
        while start < payload.count {
            let count = min(block.count, payload.count - start)
            for index in 0..<count { block[index] = payload[start + index] }
            var masked = block.mutableSpan
            Masking.apply(key, to: &masked, in: 0..<count)
            buffer.append(masked.span.extracting(0..<count))
            start += count
        }
    }
}
