internal import CEpollShim

/// The client's end of a TCP connection: what load generators and tests need besides what the
/// server's sockets do. Static functions over the descriptor, as in `ClientSocket`.
public enum OutboundSocket {
    /// Begins to connect and returns a non-blocking, close-on-exec descriptor, which the caller
    /// owns. It becomes writable when connecting has ended; `failure(of:)` then tells how.
    ///
    /// - Parameter source: the address to come from; its port 0 lets the kernel choose. A pair of
    ///   addresses has one range of ports, so many connections need several sources.
    public static func connect(
        to target: SocketAddress, from source: SocketAddress? = nil
    ) throws(Errno) -> Int32 {
        let family = target.isIPv4 ? AF_INET : AF_INET6
        let type = ces_SOCK_STREAM | ces_SOCK_NONBLOCK | ces_SOCK_CLOEXEC
        let raw = socket(family, type, 0)
        guard raw >= 0 else { throw Errno.current }
        let owned = OwnedDescriptor(adopting: raw)
        try set(owned.raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        if let source {
            // The port is chosen by connect(2), which knows the target: otherwise two connections
            // to different targets could not share a port (ip(7), IP_BIND_ADDRESS_NO_PORT).
            try set(owned.raw, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
            let bound = unsafe source.withSockaddr { unsafe ces_bind(owned.raw, $0, $1) }
            guard bound == 0 else { throw Errno.current }
        }
        let status = unsafe target.withSockaddr { unsafe ces_connect(owned.raw, $0, $1) }
        guard status == 0 || ces_errno() == EINPROGRESS else { throw Errno.current }
        return owned.relinquish()
    }

    /// Why connecting, or the connection, failed (socket(7), SO_ERROR); `nil` when it didn't.
    public static func failure(of descriptor: Int32) -> Errno? {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        if status != 0 { return Errno.current }
        return code == 0 ? nil : Errno(code: code)
    }

    /// Closes with a reset instead of an orderly end (socket(7), SO_LINGER with zero seconds), as
    /// a client does that is killed or loses its network. Leaves no socket in TIME_WAIT.
    public static func reset(_ descriptor: Int32) {
        var linger = CEpollShim.linger(l_onoff: 1, l_linger: 0)
        let size = socklen_t(MemoryLayout<CEpollShim.linger>.size)
        // Where it fails the connection is gone already.
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, size)
        _ = close(descriptor)
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
}
