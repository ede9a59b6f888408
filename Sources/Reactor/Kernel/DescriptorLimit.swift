internal import CEpollShim

/// How many descriptors the process may have open (getrlimit(2), RLIMIT_NOFILE).
public struct DescriptorLimit: Equatable, Sendable {
    /// What the kernel enforces now. `UInt64.max` means no limit.
    public let soft: UInt64
    /// How far a process without privileges may raise it.
    public let hard: UInt64

    public init(soft: UInt64, hard: UInt64) {
        self.soft = soft
        self.hard = hard
    }

    public static func current() throws(Errno) -> DescriptorLimit {
        var limit = rlimit()
        guard unsafe ces_getrlimit_nofile(&limit) == 0 else { throw .current }
        return DescriptorLimit(soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
    }

    /// Raises the soft limit to the hard one, and returns what holds from then on.
    ///
    /// The low soft limit that processes start with protects programs that use select(2), which
    /// nothing here does.
    public static func raiseToHard() throws(Errno) -> DescriptorLimit {
        let before = try current()
        guard before.soft < before.hard else { return before }
        var limit = rlimit(rlim_cur: rlim_t(before.hard), rlim_max: rlim_t(before.hard))
        guard unsafe ces_setrlimit_nofile(&limit) == 0 else { throw .current }
        return try current()
    }
}
