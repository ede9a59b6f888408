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
        var isListening: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &size)
        guard status == 0, isListening != 0 else { return nil }
        // Whatever this process starts in turn doesn't get it. It fails only for a bad descriptor.
        _ = ces_fcntl_int(number, F_SETFD, FD_CLOEXEC)
        return OwnedDescriptor(adopting: number)
    }
}
