/// A frame's header (RFC 6455 §5.2), found to be right where it stands.
struct FrameHeader: BitwiseCopyable {
    let isFinal: Bool
    let opcode: Opcode
    /// RSV1, which begins a compressed message (RFC 7692 §6).
    let isCompressed: Bool
    /// Zero if the frame isn't masked.
    let maskingKey: UInt32
    let payloadCount: Int
    /// Bytes of the header itself: 2 to 14.
    let headerCount: Int
}

enum HeaderStep: BitwiseCopyable {
    case incomplete
    case header(FrameHeader)
    /// `at` is the place of the first byte that shows it.
    case fault(FrameFault, at: Int)
}

/// A length of 7, 16 or 64 bits, or why there is none.
enum LengthStep: BitwiseCopyable {
    case incomplete
    case length(Int)
    case fault(FrameFault, at: Int)
}

extension FrameDecoder {
    /// Reads a header, if all of it is there; a fault needs only the bytes up to the one that shows
    /// it. The checks stand in the order of the bytes, so that a header with several faults gets
    /// the same verdict whether it arrives whole or in pieces.
    // Hot path.
    func readHeader(
        _ bytes: borrowing MutableSpan<UInt8>, at start: Int, limits: MessageLimits
    ) -> HeaderStep {
        guard start < bytes.count else { return .incomplete }
        let first = bytes[start]
        let isCompressed = first & 0x40 != 0
        if first & 0x70 != 0, !limits.allowsReservedBits(of: first) {
            return .fault(.reservedBits, at: start)
        }
        guard let opcode = Opcode(rawValue: first & 0x0F) else {
            return .fault(.reservedOpcode, at: start)
        }
        let isFinal = first & 0x80 != 0
        if let fault = faultOfOrder(opcode, isFinal: isFinal, acceptsBinary: limits.acceptsBinary) {
            return .fault(fault, at: start)
        }

        guard bytes.count - start >= 2 else { return .incomplete }
        let second = bytes[start + 1]
        let isMasked = second & 0x80 != 0
        guard isMasked == (limits.role == .server) else {
            return .fault(isMasked ? .masked : .unmasked, at: start + 1)
        }
        var length = Int(second & 0x7F)
        var offset = start + 2
        if opcode.isControl {
            guard length <= 125 else { return .fault(.controlTooLong, at: start + 1) }
        } else {
            if length == 0, !isFinal, hasManyEmptyFragments {
                return .fault(.emptyFragments, at: start + 1)
            }
            // Less than zero if the limit was lowered within the message: then even an empty
            // fragment is too much.
            let room = limits.messageBytesMax - messageCount
            if length > 125 {
                let width = length == 126 ? 2 : 8
                switch Self.readLength(bytes, at: offset, width: width, room: room) {
                case .incomplete: return .incomplete
                case .fault(let fault, let place): return .fault(fault, at: place)
                case .length(let extended): length = extended
                }
                offset += width
            } else if length > room {
                return .fault(.messageTooBig, at: start + 1)
            }
        }

        var maskingKey: UInt32 = 0
        if isMasked {
            guard bytes.count - offset >= 4 else { return .incomplete }
            maskingKey = Masking.key(in: bytes, at: offset)
            offset += 4
        }
        return .header(
            FrameHeader(
                isFinal: isFinal, opcode: opcode, isCompressed: isCompressed,
                maskingKey: maskingKey,
                payloadCount: length, headerCount: offset - start))
    }

    /// Whether a frame of this kind may come now (RFC 6455 §5.4, §5.5).
    // Hot path.
    private func faultOfOrder(
        _ opcode: Opcode, isFinal: Bool, acceptsBinary: Bool
    ) -> FrameFault? {
        let isWithinMessage = message != .none
        switch opcode {
        case .close, .ping, .pong: return isFinal ? nil : .fragmentedControl
        case .continuation: return isWithinMessage ? nil : .orphanContinuation
        case .text: return isWithinMessage ? .interleavedMessage : nil
        case .binary:
            if isWithinMessage { return .interleavedMessage }
            return acceptsBinary ? nil : .binaryMessage
        }
    }

    /// Reads a length of two or eight bytes, most significant first, and judges it with each byte:
    /// what has been read is already a lower bound.
    private static func readLength(
        _ bytes: borrowing MutableSpan<UInt8>, at start: Int, width: Int, room: Int
    ) -> LengthStep {
        var length = 0
        for index in 0..<width {
            let place = start + index
            guard place < bytes.count else { return .incomplete }
            let byte = bytes[place]
            if width == 8 && index == 0 && byte & 0x80 != 0 {
                return .fault(.lengthTopBit, at: place)
            }
            // With the top bit clear, eight bytes fit.
            length |= Int(byte) << ((width - 1 - index) * 8)
            // Two bytes are for 126 and more. Eight are for 65,536 and more: six zeros tell.
            let isTooSmall = width == 2 ? index == 1 && length < 126 : index == 5 && length == 0
            if isTooSmall { return .fault(.lengthNotMinimal, at: place) }
            if length > room { return .fault(.messageTooBig, at: place) }
        }
        return .length(length)
    }
}
