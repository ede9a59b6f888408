internal import CEpollShim

/// A signal that the program reacts to.
public enum Signal: Equatable, Sendable {
    /// SIGTERM or SIGINT: finish.
    case terminate
    /// SIGHUP: read files again.
    case reload
}

/// Signals as readable events (signalfd(2)): they come through epoll like everything else, and
/// nothing runs in a handler.
public struct SignalDescriptor: ~Copyable {
    private let owned: OwnedDescriptor

    /// SIGTERM, SIGINT and SIGHUP.
    static var signals: sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&set, signal) }
        return set
    }

    /// Blocks them for the thread: one that comes before there is a descriptor waits for it, instead
    /// of ending the process as it would by default. SIGUSR1 and SIGUSR2, by which other programs are
    /// asked to open their logs anew, are ignored.
    public static func hold() {
        ces_ignore_signal(SIGUSR1)
        ces_ignore_signal(SIGUSR2)
        var set = signals
        // It fails only for an operation that doesn't exist.
        _ = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Holds the signals and opens a descriptor for them. SIGPIPE is ignored: a send to a closed
    /// connection then fails with EPIPE.
    public init() throws(Errno) {
        Self.hold()
        ces_ignore_signal(SIGPIPE)
        var set = Self.signals
        let raw = unsafe signalfd(-1, &set, Int32(SFD_NONBLOCK | SFD_CLOEXEC))
        guard raw >= 0 else { throw Errno.current }
        owned = OwnedDescriptor(adopting: raw)
    }

    public var descriptor: Int32 { owned.raw }

    /// The next pending signal; `nil` when there is none.
    public func next() -> Signal? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        let count = unsafe read(owned.raw, &info, size)
        guard count == size else { return nil }
        return info.ssi_signo == UInt32(SIGHUP) ? .reload : .terminate
    }
}
