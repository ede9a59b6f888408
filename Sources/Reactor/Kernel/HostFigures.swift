internal import CEpollShim

/// What the host has to offer.
public enum HostFigures {
    /// Processors that may be used (sysconf(3)).
    public static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    public static var pageBytes: Int { max(1, sysconf(Int32(_SC_PAGESIZE))) }

    /// Why broadcasts can't be sent by io_uring, by setting it up as they do: sysctls, seccomp filters
    /// and old kernels all forbid it in ways of their own. `nil` when they can.
    public static var ringFailure: Errno? {
        do throws(Errno) {
            _ = try SendRing.open(capacity: SendBatch.capacity)
            return nil
        } catch {
            return error
        }
    }
}
