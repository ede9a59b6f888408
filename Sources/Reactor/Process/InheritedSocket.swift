internal import CEpollShim

extension Errno {
    /// EAGAIN of connect(2): so many connections wait for a Unix socket's owner that there is no room
    /// for another.
    public static let connectionQueueFull = Errno(code: EAGAIN)
}

/// A descriptor that the process was started with.
public enum InheritedSocket {
    /// The listening socket under the number that `ChildProcess.spawn` hands over; `nil` when there is
    /// none, so when nobody's `spawn` has started this process. Call it once.
    public static func listener() -> OwnedDescriptor? {
        let number = ChildProcess.inheritedDescriptor
        guard let isListening = option(SO_ACCEPTCONN, of: number), isListening != 0 else {
            return nil
        }
        return adopt(number)
    }

    /// The socket of a `PacketSocketPair` under the first or second number behind it; `nil` when there is none.
    /// Call it once for each.
    public static func packets(behind position: Int32 = 1) -> OwnedDescriptor? {
        let number = ChildProcess.inheritedDescriptor + position
        guard option(SO_TYPE, of: number) == ces_SOCK_SEQPACKET else { return nil }
        return adopt(number)
    }

    private static func option(_ name: Int32, of number: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(number, SOL_SOCKET, name, &value, &size)
        return status == 0 ? value : nil
    }

    private static func adopt(_ number: Int32) -> OwnedDescriptor {
        // Whatever this process starts in turn doesn't get it. It fails only for a bad descriptor.
        _ = ces_fcntl_int(number, F_SETFD, FD_CLOEXEC)
        return OwnedDescriptor(adopting: number)
    }
}
