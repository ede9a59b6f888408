/// All the ways in which a peer's frames can be wrong.
enum FrameFault: UInt8, BitwiseCopyable {
    case reservedBits
    case reservedOpcode
    case fragmentedControl
    case orphanContinuation
    case interleavedMessage
    case binaryMessage
    case unmasked
    case masked
    case controlTooLong
    case lengthNotMinimal
    case lengthTopBit
    case messageTooBig
    case emptyFragments
    case invalidText
    case truncatedText

    var code: CloseCode {
        switch self {
        case .reservedBits, .reservedOpcode, .fragmentedControl, .orphanContinuation,
            .interleavedMessage, .unmasked, .masked, .controlTooLong, .lengthNotMinimal,
            .lengthTopBit:
            .protocolError
        case .binaryMessage: .unsupportedData
        case .messageTooBig: .messageTooBig
        case .emptyFragments: .policyViolation
        case .invalidText, .truncatedText: .invalidPayload
        }
    }

    /// For the close frame and the log; names the section that was broken.
    var reason: StaticString {
        switch self {
        case .reservedBits: "reserved bit set without an extension (RFC 6455 5.2)"
        case .reservedOpcode: "reserved opcode (RFC 6455 5.2)"
        case .fragmentedControl: "fragmented control frame (RFC 6455 5.5)"
        case .orphanContinuation: "continuation without a message to continue (RFC 6455 5.4)"
        case .interleavedMessage: "new message inside a fragmented one (RFC 6455 5.4)"
        case .binaryMessage: "binary messages are not understood"
        case .unmasked: "client frame without a mask (RFC 6455 5.1)"
        case .masked: "server frame with a mask (RFC 6455 5.1)"
        case .controlTooLong: "control frame over 125 bytes (RFC 6455 5.5)"
        case .lengthNotMinimal: "length not in its shortest form (RFC 6455 5.2)"
        case .lengthTopBit: "top bit of the length set (RFC 6455 5.2)"
        case .messageTooBig: "message over the limit"
        case .emptyFragments: "too many empty fragments in a message"
        case .invalidText: "text is not UTF-8 (RFC 6455 8.1)"
        case .truncatedText: "text ends within a character (RFC 6455 8.1)"
        }
    }
}
