package import Reactor

/// Writes frames (RFC 6455 §5.2): as a server does, without a mask, in `FrameEncoder.swift`; as a
/// client does in `FrameEncoder+Masked.swift`.
package enum FrameEncoder {
    /// The most bytes that a control frame may carry (RFC 6455 §5.5).
    package static let controlPayloadBytesMax = 125

    /// The most bytes of a close frame's reason: the code takes two.
    package static let closeReasonBytesMax = controlPayloadBytesMax - 2

    /// The size of the header, without a masking key: 2, 4 or 10 bytes.
    package static func headerCount(forPayloadCount payloadCount: Int) -> Int {
        payloadCount <= 125 ? 2 : payloadCount <= 0xFFFF ? 4 : 10
    }

    /// Writes the header of a frame whose payload the caller appends next. Only frames of messages
    /// may be other than final.
    // Hot path.
    package static func writeHeader(
        _ opcode: Opcode, payloadCount: Int, isFinal: Bool = true, into buffer: inout ByteBuffer
    ) {
        writeHeader(
            opcode, payloadCount: payloadCount, isFinal: isFinal, maskBit: 0, into: &buffer)
    }

    /// Writes a whole frame.
    // Hot path.
    package static func write(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, isFinal: Bool = true,
        into buffer: inout ByteBuffer
    ) {
        writeHeader(opcode, payloadCount: payload.count, isFinal: isFinal, into: &buffer)
        buffer.append(payload)
    }

    // Hot path.
    /// Writes a whole frame.
    static func write(
        _ payload: borrowing ByteBuffer, opcode: Opcode, into buffer: inout ByteBuffer
    ) {
        write(payload.bytes, opcode: opcode, into: &buffer)
    }

    /// Writes a whole frame of a message that is compressed: RSV1 says so (RFC 7692 §6).
    static func writeCompressed(
        _ payload: borrowing ByteBuffer, opcode: Opcode, into buffer: inout ByteBuffer
    ) {
        let start = buffer.count
        write(payload.bytes, opcode: opcode, into: &buffer)
        buffer.replace(at: start, with: buffer.bytes[start] | 0x40)
    }

    /// Writes a whole frame with a constant payload.
    package static func write(
        _ payload: StaticString, opcode: Opcode, into buffer: inout ByteBuffer
    ) {
        writeHeader(opcode, payloadCount: payload.utf8CodeUnitCount, into: &buffer)
        buffer.append(payload)
    }

    /// Writes a close frame. `noStatusReceived` gives an empty one, without the reason; any other
    /// code that may not be on the wire is a mistake of ours and traps. `reason` is UTF-8, and is
    /// cut at a character's boundary if it is longer than `closeReasonBytesMax`.
    package static func writeClose(
        _ code: CloseCode, reason: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) {
        guard code != .noStatusReceived else {
            return writeHeader(.close, payloadCount: 0, into: &buffer)
        }
        precondition(code.isValidOnWire)
        let reasonCount = closeReasonCount(reason)
        writeHeader(.close, payloadCount: 2 + reasonCount, into: &buffer)
        buffer.append(UInt8(code.rawValue >> 8))
        buffer.append(UInt8(code.rawValue & 0xFF))
        buffer.append(reason.extracting(0..<reasonCount))
    }

    /// Writes a close frame with a buffer's content as its reason.
    static func writeClose(
        _ code: CloseCode, reason: borrowing ByteBuffer, into buffer: inout ByteBuffer
    ) {
        writeClose(code, reason: reason.bytes, into: &buffer)
    }

    /// Writes a close frame with a constant reason.
    package static func writeClose(
        _ code: CloseCode, reason: StaticString = "", into buffer: inout ByteBuffer
    ) {
        let text = unsafe Span(_unsafeStart: reason.utf8Start, count: reason.utf8CodeUnitCount)
        writeClose(code, reason: text, into: &buffer)
    }

    /// How much of `reason` fits without cutting a character in two.
    private static func closeReasonCount(_ reason: borrowing Span<UInt8>) -> Int {
        guard reason.count > closeReasonBytesMax else { return reason.count }
        var count = closeReasonBytesMax
        // The byte after the cut must start a character. If three in a row don't, it isn't UTF-8
        // and there is no boundary to find.
        while count > closeReasonBytesMax - 3 && reason[count] & 0xC0 == 0x80 { count -= 1 }
        return count
    }

    // Hot path.
    static func writeHeader(
        _ opcode: Opcode, payloadCount: Int, isFinal: Bool, maskBit: UInt8,
        into buffer: inout ByteBuffer
    ) {
        precondition(payloadCount >= 0)
        precondition(!opcode.isControl || isFinal && payloadCount <= controlPayloadBytesMax)
        buffer.append(opcode.rawValue | (isFinal ? 0x80 : 0))
        if payloadCount <= 125 {
            buffer.append(maskBit | UInt8(payloadCount))
        } else if payloadCount <= 0xFFFF {
            buffer.append(maskBit | 126)
            buffer.append(UInt8(payloadCount >> 8))
            buffer.append(UInt8(payloadCount & 0xFF))
        } else {
            buffer.append(maskBit | 127)
            for index in 0..<8 {
                buffer.append(UInt8(truncatingIfNeeded: payloadCount >> ((7 - index) * 8)))
            }
        }
    }
}
