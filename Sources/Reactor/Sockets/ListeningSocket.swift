internal import CEpollShim

/// What one accept brought.
public enum AcceptResult: Equatable, Sendable {
    /// A connected, non-blocking, close-on-exec socket; the caller owns the descriptor.
    case accepted(descriptor: Int32, from: NetworkAddress)
    /// Nobody is waiting.
    case wouldBlock
    /// Whoever was waiting is gone again, or the network failed for that one (accept(2) passes
    /// such errors on): take the next.
    case aborted
    /// No descriptor or no kernel memory is free: EMFILE, ENFILE, ENOBUFS, ENOMEM.
    case exhausted(Errno)
}

/// A listening TCP socket.
public struct ListeningSocket: ~Copyable {
    private let owned: OwnedDescriptor
    /// Where it listens, with the port that the kernel chose when port 0 was asked for.
    public let address: SocketAddress

    /// Connections that may wait for accept(2); the kernel caps it at net.core.somaxconn.
    private static let backlog: Int32 = 65_535

    /// Binds and listens. The options set here are inherited by every accepted socket, which
    /// spares a system call each.
    public init(_ requested: SocketAddress) throws(Errno) {
        let family = requested.isIPv4 ? AF_INET : AF_INET6
        let type = ces_SOCK_STREAM | ces_SOCK_NONBLOCK | ces_SOCK_CLOEXEC
        let raw = socket(family, type, 0)
        guard raw >= 0 else { throw Errno.current }
        let descriptor = OwnedDescriptor(adopting: raw)
        try Self.set(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, 1)
        // A notification is one small write that must leave at once.
        try Self.set(descriptor.raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        let bound = unsafe requested.withSockaddr { unsafe ces_bind(descriptor.raw, $0, $1) }
        guard bound == 0, listen(descriptor.raw, Self.backlog) == 0 else { throw Errno.current }
        address = try Self.localAddress(of: descriptor.raw) ?? requested
        owned = descriptor
    }

    public var descriptor: Int32 { owned.raw }

    /// One accept4(2).
    public func accept() -> AcceptResult {
        let flags = ces_SOCK_NONBLOCK | ces_SOCK_CLOEXEC
        while true {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let raw = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                    unsafe ces_accept4(owned.raw, generic, &length, flags)
                }
            }
            if raw >= 0 {
                // A connection's family is its listener's, so the peer's address is readable.
                let peer = SocketAddress(storage) ?? address
                return .accepted(descriptor: raw, from: NetworkAddress(peer))
            }
            let errno = Errno.current
            switch errno.code {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(errno)
            default: return .aborted
            }
        }
    }

    private static func set(
        _ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32
    ) throws(Errno) {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe setsockopt(descriptor, level, option, &value, size) == 0 else {
            throw Errno.current
        }
    }

    private static func localAddress(of descriptor: Int32) throws(Errno) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe ces_getsockname(descriptor, generic, &length)
            }
        }
        guard status == 0 else { throw Errno.current }
        return SocketAddress(storage)
    }
}
