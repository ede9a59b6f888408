/// What a frame carries (RFC 6455 §5.2). The other ten values of its four bits are reserved.
package enum Opcode: UInt8, BitwiseCopyable, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    /// Control frames may stand between the fragments of a message, are never fragmented
    /// themselves and carry at most 125 bytes (RFC 6455 §5.5).
    package var isControl: Bool { rawValue & 0x8 != 0 }
}
