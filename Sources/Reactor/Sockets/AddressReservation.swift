internal import CEpollShim

/// A TCP address that is taken but not listened at.
///
/// The parent of several listeners takes it first: that settles a port that was left to the kernel,
/// and finds another program that listens there, which SO_REUSEPORT alone would let share the
/// address unnoticed. Nobody but sockets with SO_REUSEPORT, of the same user, can bind to it then.
public struct AddressReservation: ~Copyable {
    private let owned: OwnedDescriptor
    /// The address, with the port that the kernel chose when port 0 was asked for.
    public let address: SocketAddress

    public init(_ requested: SocketAddress) throws(Errno) {
        let descriptor = try Self.socket(for: requested)
        let bound = try Self.bind(descriptor, to: requested)
        // Only now: with the option set, the address of another's shared listeners could be bound.
        try descriptor.set(SOL_SOCKET, SO_REUSEPORT, 1)
        address = bound
        owned = descriptor
    }

    /// A TCP socket that may bind to an address of which old connections linger in TIME_WAIT.
    static func socket(for requested: SocketAddress) throws(Errno) -> OwnedDescriptor {
        let family = requested.isIPv4 ? AF_INET : AF_INET6
        let type = ces_SOCK_STREAM | ces_SOCK_NONBLOCK | ces_SOCK_CLOEXEC
        let raw = CEpollShim.socket(family, type, 0)
        guard raw >= 0 else { throw Errno.current }
        let descriptor = OwnedDescriptor(adopting: raw)
        try descriptor.set(SOL_SOCKET, SO_REUSEADDR, 1)
        return descriptor
    }

    /// Binds, and returns where to.
    static func bind(
        _ descriptor: borrowing OwnedDescriptor, to requested: SocketAddress
    ) throws(Errno) -> SocketAddress {
        let bound = unsafe requested.withSockaddr { unsafe ces_bind(descriptor.raw, $0, $1) }
        guard bound == 0 else { throw Errno.current }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe ces_getsockname(descriptor.raw, generic, &length)
            }
        }
        guard status == 0 else { throw Errno.current }
        return SocketAddress(storage) ?? requested
    }
}

extension OwnedDescriptor {
    /// One setsockopt(2) of a number.
    borrowing func set(_ level: Int32, _ option: Int32, _ value: Int32) throws(Errno) {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe setsockopt(raw, level, option, &value, size) == 0 else {
            throw Errno.current
        }
    }
}
