internal import CEpollShim

/// What one accept brought.
public enum AcceptResult: Equatable, Sendable {
    /// A connected, non-blocking, close-on-exec socket; the caller owns the descriptor. Without an
    /// address it came over a Unix socket, from this host.
    case accepted(descriptor: Int32, from: SocketAddress?)
    /// Nobody is waiting.
    case wouldBlock
    /// Whoever was waiting is gone again, or the network failed for that one (accept(2) passes
    /// such errors on): take the next.
    case aborted
    /// No descriptor or no kernel memory is free: EMFILE, ENFILE, ENOBUFS, ENOMEM.
    case exhausted(Errno)
}

/// A listening socket: of TCP, or a Unix socket that another process has opened for us.
public struct ListeningSocket: ~Copyable {
    private let owned: OwnedDescriptor
    /// Where it listens, with the port that the kernel chose when port 0 was asked for; `nil` for a
    /// socket that was handed over.
    public let address: SocketAddress?

    /// Connections that may wait for accept(2); the kernel caps it at net.core.somaxconn.
    private static let backlog: Int32 = 65_535

    /// Whether others may listen at the same address.
    public enum Sharing: Sendable {
        case alone
        /// With other processes of this user (SO_REUSEPORT): each connection is given to one of
        /// them, by a hash of its two addresses. One that ends leaves those to come to the rest.
        case withOthers
    }

    /// Binds and listens. Accepted sockets have `AcceptedOptions`.
    public init(_ requested: SocketAddress, _ sharing: Sharing = .alone) throws(Errno) {
        let descriptor = try AddressReservation.socket(for: requested)
        if sharing == .withOthers { try descriptor.set(SOL_SOCKET, SO_REUSEPORT, 1) }
        try AcceptedOptions.set(on: descriptor)
        let bound = try AddressReservation.bind(descriptor, to: requested)
        guard listen(descriptor.raw, Self.backlog) == 0 else { throw Errno.current }
        address = bound
        owned = descriptor
    }

    /// Takes over a socket that already listens.
    public init(adopting descriptor: consuming OwnedDescriptor) {
        owned = descriptor
        address = nil
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
                // A Unix socket's name may be open to all of this host; its questions are its owner's.
                if address == nil, ces_peer_user(raw) != geteuid() {
                    ClientSocket.close(raw)
                    return .aborted
                }
                return .accepted(descriptor: raw, from: SocketAddress(storage))
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
}
