/// Takes a peer's bytes apart into pieces of messages and control frames (RFC 6455 §5), strictly:
/// every fault is reported at the first byte that shows it, however the bytes were cut.
///
/// Payload of messages is handed on as it arrives, unmasked where it lies. Headers and control
/// frames are parsed only whole, from the caller's buffer. So this is all the memory that decoding
/// needs per connection: 24 bytes, all zero between messages.
package struct FrameDecoder: BitwiseCopyable, Sendable {
    /// What is still to come of the current frame's payload.
    private var payloadRemaining = 0
    /// What the headers of the current message have announced so far, at most the message limit.
    private(set) var messageCount = 0
    /// For the next byte of payload: it is turned as payload is parsed. Meant only within a frame.
    private var maskingKey: UInt32 = 0
    private var phase = Phase.header
    /// What is being received, from a message's first header until it ends.
    private(set) var message = MessageKind.none
    private var text = UTF8Validator()
    /// Fragments of the current message in which there was nothing; when `phase` is `failed`, the
    /// fault.
    private var detail: UInt8 = 0

    enum MessageKind: UInt8 {
        /// Nothing: the decoder is between messages. The first case, so that it is zero in memory.
        case none
        case text
        case binary
        /// Text and binary messages that RSV1 marks as compressed (RFC 7692 §6).
        case compressedText
        case compressedBinary

        init(_ opcode: Opcode, isCompressed: Bool) {
            switch opcode {
            case .text: self = isCompressed ? .compressedText : .text
            default: self = isCompressed ? .compressedBinary : .binary
            }
        }

        var opcode: Opcode { self == .text || self == .compressedText ? .text : .binary }
        var isCompressed: Bool { self == .compressedText || self == .compressedBinary }
    }

    private enum Phase: UInt8 {
        /// Next comes a frame's header. The first case, so that it is zero in memory.
        case header
        /// Within the payload of a frame that doesn't end its message; at least a byte remains.
        case payload
        /// Within the payload of a frame that ends its message; at least a byte remains.
        case finalPayload
        /// A close frame came: what follows it is dropped (RFC 6455 §1.4, §5.5.1).
        case closed
        case failed
    }

    /// The most bytes that are left over by `incomplete`: a masked control frame of 125 bytes
    /// (2 + 4 + 125) but for its last. A buffer must be larger than that, or decoding stops.
    package static let leftoverBytesMax = 130

    /// Fragments of one message in which there is nothing: the others are bounded by their bytes.
    package static let emptyFragmentsMax = 64

    package init() {}

    /// Whether one more fragment without a byte would be too much.
    var hasManyEmptyFragments: Bool { detail >= Self.emptyFragmentsMax }

    /// Whether the decoder stands between messages, as after `init`. (Bytes of a header that isn't
    /// whole yet don't count: they are the caller's.)
    package var isIdle: Bool { phase == .header && message == .none }

    /// Reads on from `position` to the next event and moves `position` behind it. Call it until it
    /// returns `incomplete` or `failure`.
    ///
    /// Unmasks in place, so no byte before `position` may be presented again.
    // Hot path.
    package mutating func next(
        in bytes: inout MutableSpan<UInt8>, at position: inout Int, limits: MessageLimits
    ) -> FrameEvent {
        precondition(position >= 0 && position <= bytes.count)
        while true {
            switch phase {
            case .payload, .finalPayload:
                return parsePayload(of: &bytes, at: &position, role: limits.role)
            case .closed:
                position = bytes.count
                return .incomplete
            case .failed:
                let fault = FrameFault(rawValue: detail) ?? .reservedBits
                return .failure(fault.code, reason: fault.reason)
            case .header:
                break
            }
            switch readHeader(bytes, at: position, limits: limits) {
            case .incomplete:
                assert(bytes.count - position <= Self.leftoverBytesMax)
                return .incomplete
            case .fault(let fault, let place):
                position = place
                return fail(fault)
            case .header(let header) where header.opcode.isControl:
                return parseControl(header, of: &bytes, at: &position)
            case .header(let header):
                position += header.headerCount
                begin(header)
                if header.payloadCount > 0 { continue }
                if header.isFinal { return endMessage(with: position..<position) }
                // An empty fragment that isn't the last says nothing.
                detail += 1
            }
        }
    }

    /// A control frame leaves no trace here: it is parsed whole or not at all.
    private mutating func parseControl(
        _ header: FrameHeader, of bytes: inout MutableSpan<UInt8>, at position: inout Int
    ) -> FrameEvent {
        let start = position + header.headerCount
        guard bytes.count - start >= header.payloadCount else {
            assert(bytes.count - position <= Self.leftoverBytesMax)
            return .incomplete
        }
        let payload = start..<start + header.payloadCount
        // The key of a frame without a mask is zero, which changes nothing.
        Masking.apply(header.maskingKey, to: &bytes, in: payload)
        position = payload.upperBound
        if header.opcode == .close { phase = .closed }
        return .control(header.opcode, payload: payload)
    }

    private mutating func begin(_ header: FrameHeader) {
        if header.opcode != .continuation {
            message = MessageKind(header.opcode, isCompressed: header.isCompressed)
        }
        // `readHeader` has checked the sum against the limit, so it cannot overflow.
        messageCount += header.payloadCount
        guard header.payloadCount > 0 else { return }
        payloadRemaining = header.payloadCount
        maskingKey = header.maskingKey
        phase = header.isFinal ? .finalPayload : .payload
    }

    // Hot path.
    private mutating func parsePayload(
        of bytes: inout MutableSpan<UInt8>, at position: inout Int, role: EndpointRole
    ) -> FrameEvent {
        assert(payloadRemaining > 0)
        let count = min(payloadRemaining, bytes.count - position)
        guard count > 0 else { return .incomplete }
        let payload = position..<position + count
        if role == .server {
            Masking.apply(maskingKey, to: &bytes, in: payload)
            maskingKey = Masking.turned(maskingKey, by: count)
        }
        if message == .text {
            let accepted = text.accept(bytes.span.extracting(payload))
            if accepted < count {
                position += accepted
                return fail(.invalidText)
            }
        }
        position = payload.upperBound
        payloadRemaining -= count
        if payloadRemaining == 0 {
            if phase == .finalPayload { return endMessage(with: payload) }
            phase = .header
        }
        return piece(payload, of: message, endsMessage: false)
    }

    // Hot path.
    private func piece(
        _ payload: Range<Int>, of message: MessageKind, endsMessage: Bool
    ) -> FrameEvent {
        message.isCompressed
            ? .compressed(payload: payload, opcode: message.opcode, endsMessage: endsMessage)
            : .data(payload: payload, opcode: message.opcode, endsMessage: endsMessage)
    }

    // Hot path.
    private mutating func endMessage(with payload: Range<Int>) -> FrameEvent {
        guard text.isAtBoundary else { return fail(.truncatedText) }
        let ended = message
        self = FrameDecoder()
        return piece(payload, of: ended, endsMessage: true)
    }

    @inline(never)
    private mutating func fail(_ fault: FrameFault) -> FrameEvent {
        detail = fault.rawValue
        phase = .failed
        return .failure(fault.code, reason: fault.reason)
    }
}
