internal import CEpollShim

/// A short packet between two processes, and maybe a descriptor that goes with it (unix(7), SCM_RIGHTS), over
/// a `PacketSocketPair`.
public struct DescriptorPacket: ~Copyable {
    /// Bytes of one packet.
    public static let bytesMax = 16

    public let bytes: [UInt8]
    public private(set) var descriptor: OwnedDescriptor?

    private init(_ bytes: [UInt8], _ descriptor: consuming OwnedDescriptor?) {
        self.bytes = bytes
        self.descriptor = descriptor
    }

    /// What one receive brought.
    public enum Received: ~Copyable {
        case packet(DescriptorPacket)
        case wouldBlock
        /// The other end is closed.
        case over
    }

    /// What came with it, which the caller owns.
    public mutating func takeDescriptor() -> OwnedDescriptor? { descriptor.take() }

    /// Sends a packet. The descriptor stays the caller's: the receiver gets one of its own. False when it couldn't be:
    /// the other end is closed, or has too much to read.
    public static func send(
        _ bytes: [UInt8], with descriptor: Int32? = nil, to socket: Int32
    ) -> Bool {
        precondition(!bytes.isEmpty && bytes.count <= bytesMax)
        while true {
            let sent = unsafe bytes.withUnsafeBytes {
                unsafe ces_send_descriptor(socket, $0.baseAddress, $0.count, descriptor ?? -1)
            }
            if sent >= 0 { return sent == bytes.count }
            guard Errno.current == .interrupted else { return false }
        }
    }

    public static func receive(from socket: Int32) -> Received {
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        var descriptor: Int32 = -1
        while true {
            let received = unsafe bytes.withUnsafeMutableBytes {
                unsafe ces_receive_descriptor(socket, $0.baseAddress, $0.count, &descriptor)
            }
            if received > 0 {
                bytes.removeLast(bytes.count - received)
                return .packet(
                    DescriptorPacket(
                        bytes, descriptor >= 0 ? OwnedDescriptor(adopting: descriptor) : nil))
            }
            guard received < 0 else { return .over }
            switch Errno.current {
            case .interrupted: continue
            case .wouldBlock: return .wouldBlock
            default: return .over
            }
        }
    }
}
