internal import CEpollShim

/// What the host has to offer.
public enum HostFigures {
    /// Processors that may be used (sysconf(3)).
    public static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    public static var pageBytes: Int { max(1, sysconf(Int32(_SC_PAGESIZE))) }

    /// Why io_uring can't be used, by trying it: sysctls, seccomp filters and old kernels all forbid
    /// it in ways of their own. `nil` when it can.
    public static var ringFailure: Errno? {
        var ring = unsafe io_uring()
        // A negated errno on failure.
        let status = unsafe io_uring_queue_init(8, &ring, 0)
        guard status == 0 else { return Errno(code: -status) }
        unsafe io_uring_queue_exit(&ring)
        return nil
    }
}
