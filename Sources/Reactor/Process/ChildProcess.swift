internal import CEpollShim

/// How a process ended.
public enum ProcessEnd: Equatable, Sendable {
    case exited(code: Int32)
    /// By a signal: one of ours, a fault, or the kernel's, which was out of memory.
    case killed(signal: Int32)
}

/// A signal for a process of ours (signal(7)).
public enum ProcessSignal: Sendable {
    /// SIGTERM
    case terminate
    /// SIGHUP
    case reload
    /// SIGKILL
    case kill

    fileprivate var number: Int32 {
        switch self {
        case .terminate: SIGTERM
        case .reload: SIGHUP
        case .kill: SIGKILL
        }
    }
}

/// A process that this one has started, known by its pidfd (pidfd_open(2)): a process id is handed
/// out again once its process was waited for, a pidfd never means another process.
///
/// A value that owns nothing by itself, so that it can stand in an array. It ends with `reap`, which
/// closes the descriptor, once and when nothing else uses it any more.
public struct ChildProcess: BitwiseCopyable, Sendable {
    /// For people to read; never used to address the process.
    public let processID: Int32
    /// Readable once the process has ended.
    public let descriptor: Int32

    /// Starts a program (posix_spawn(3)), in a process group of its own, so that a terminal's
    /// Ctrl-C reaches only its parent, and with no signal ignored.
    ///
    /// Spawned rather than forked: a copy of a Swift process may only call what is safe in a signal
    /// handler, and copies page tables for nothing.
    ///
    /// - Parameters:
    ///   - program: its path.
    ///   - arguments: `argv`, the program's name first. Everyone on the machine can read them.
    ///   - environment: all variables of the process.
    ///   - inherited: a descriptor of ours that the process gets under the number
    ///     `inheritedDescriptor`; of the others it gets the three standard ones.
    ///   - second: another one, under the number behind it.
    ///   - third: one more, under the number behind that.
    ///   - holdsSignals: those of a `SignalDescriptor` are blocked, for a program that will open one;
    ///     otherwise no signal is.
    public static func spawn(
        _ program: String, arguments: [String], environment: [String: [UInt8]],
        inheriting inherited: borrowing OwnedDescriptor,
        and second: borrowing OwnedDescriptor? = nil,
        and third: borrowing OwnedDescriptor? = nil, holdsSignals: Bool = false
    ) throws(Errno) -> ChildProcess {
        // Who started this process may have ignored SIGCHLD, which is inherited: then the kernel keeps
        // no child that has ended (wait(2)), and `reap` would find none.
        _ = signal(SIGCHLD, nil)
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        // These three only fail for want of memory.
        guard unsafe posix_spawn_file_actions_init(&actions) == 0 else { throw .current }
        defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
        guard unsafe posix_spawnattr_init(&attributes) == 0 else { throw .current }
        defer { _ = unsafe posix_spawnattr_destroy(&attributes) }
        // Copies with numbers beyond those that the process gets, so that none is overwritten.
        let first = try copy(of: inherited.raw)
        let other = try copy(of: second)
        let last = try copy(of: third)
        try unsafe add(&actions, first.raw, as: inheritedDescriptor)
        try unsafe add(&actions, other, as: inheritedDescriptor + 1)
        try unsafe add(&actions, last, as: inheritedDescriptor + 2)

        var signals = sigset_t()
        if holdsSignals { signals = SignalDescriptor.signals } else { unsafe sigemptyset(&signals) }
        unsafe posix_spawnattr_setsigmask(&attributes, &signals)
        unsafe sigfillset(&signals)
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        unsafe posix_spawnattr_setflags(&attributes, ces_spawn_flags)

        var processID: pid_t = 0
        let status = unsafe withCStrings(arguments.map { Array($0.utf8) }) { arguments in
            unsafe withCStrings(Self.entries(of: environment)) { environment in
                unsafe posix_spawn(
                    &processID, program, &actions, &attributes, arguments, environment)
            }
        }
        withExtendedLifetime(first) {}
        withExtendedLifetime(other) {}
        withExtendedLifetime(last) {}
        guard status == 0 else { throw Errno(code: status) }
        return try ChildProcess(spawned: processID)
    }

    /// The number under which the new process finds what it inherits: the first free one.
    public static let inheritedDescriptor: Int32 = 3

    private static func copy(of descriptor: Int32) throws(Errno) -> OwnedDescriptor {
        let raw = ces_fcntl_int(descriptor, F_DUPFD_CLOEXEC, inheritedDescriptor + 3)
        guard raw >= 0 else { throw .current }
        return OwnedDescriptor(adopting: raw)
    }

    private static func copy(
        of descriptor: borrowing OwnedDescriptor?
    ) throws(Errno) -> OwnedDescriptor? {
        switch descriptor {
        case .some(let descriptor): try copy(of: descriptor.raw)
        case .none: nil
        }
    }

    @unsafe private static func add(
        _ actions: inout posix_spawn_file_actions_t, _ descriptor: borrowing OwnedDescriptor?,
        as number: Int32
    ) throws(Errno) {
        switch descriptor {
        case .some(let descriptor): try unsafe add(&actions, descriptor.raw, as: number)
        case .none: break
        }
    }

    @unsafe private static func add(
        _ actions: inout posix_spawn_file_actions_t, _ descriptor: Int32, as number: Int32
    ) throws(Errno) {
        let status = unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, number)
        guard status == 0 else { throw Errno(code: status) }
    }

    private init(spawned processID: pid_t) throws(Errno) {
        let descriptor = pidfd_open(processID, 0)
        guard descriptor >= 0 else {
            // Out of descriptors. Not yet waited for, so the id still means this process.
            let errno = Errno.current
            _ = kill(processID, SIGKILL)
            _ = waitpid(processID, nil, 0)
            throw errno
        }
        self.processID = processID
        self.descriptor = descriptor
    }

    /// Sends a signal. One that has ended takes no notice.
    public func send(_ signal: ProcessSignal) {
        _ = pidfd_send_signal(descriptor, signal.number, nil, 0)
    }

    /// How the process ended; `nil` while it runs. With an answer the process is gone from the
    /// kernel's table and the descriptor is closed.
    public func reap() -> ProcessEnd? {
        var code: Int32 = 0
        let status = unsafe ces_reap_pidfd(descriptor, &code)
        guard status != 0 else { return nil }
        // It fails only if somebody else has waited for it, which nobody does.
        precondition(status == 1, "a child process was waited for by somebody else")
        ClientSocket.close(descriptor)
        return code < 0 ? .killed(signal: -code) : .exited(code: code)
    }

    private static func entries(of environment: [String: [UInt8]]) -> [[UInt8]] {
        environment.map { name, value in Array(name.utf8) + [UInt8(ascii: "=")] + value }
    }
}

/// Calls `body` with the texts as C takes `argv` and `environ`.
@unsafe private func withCStrings<Result>(
    _ texts: [[UInt8]],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    // All texts behind one another, each with its NUL byte.
    var characters: [CChar] = []
    var starts: [Int] = []
    for text in texts {
        starts.append(characters.count)
        characters.append(contentsOf: text.map(CChar.init(bitPattern:)))
        characters.append(0)
    }
    return unsafe characters.withUnsafeMutableBufferPointer { characters in
        var pointers = unsafe [UnsafeMutablePointer<CChar>?]()
        for start in starts {
            let text = unsafe characters.baseAddress.map { unsafe $0 + start }
            unsafe pointers.append(text)
        }
        unsafe pointers.append(nil)
        return unsafe pointers.withUnsafeBufferPointer { pointers in
            guard let list = pointers.baseAddress else { preconditionFailure("never empty") }
            return unsafe body(list)
        }
    }
}
