internal import CEpollShim

/// Standard error, or what is in its place, for lines that must never make the process wait.
///
/// O_NONBLOCK belongs to the file description, which is shared with whoever started the process: set
/// there, the flag would change under their feet. So `/proc/self/fd/2` is opened anew, which gives a pipe
/// or a terminal a description of our own. A socket can't be opened that way, and takes the flag with each
/// send(2). A regular file stays as it is: the flag means nothing to it, and a description of our own
/// would write with an offset of our own over what others write.
///
/// Where neither works, as for a pipe of another user, poll(2) is asked first. Linux calls a pipe writable
/// when a whole page is free, so a line then doesn't block unless another process is quicker.
///
/// A class, since copies of a logger share what is left of a line. Lines are written by one thread.
public final class LineOutput: @unchecked Sendable {
    /// The longest line that `write` takes: PIPE_BUF on Linux (pipe(7)), the largest write that is done
    /// whole or not at all, and isn't mixed with those of other processes.
    public static let lineBytesMax = 4_096

    /// What became of a line.
    public enum Outcome: Equatable, Sendable {
        /// It is out, or its rest is the next that will be.
        case written
        /// There was no room; nothing of the line was written.
        case wouldBlock
        /// The reader is gone, the disk is full, or the like.
        case failed
    }

    private enum Method {
        case write
        case send
        case pollAndWrite
    }

    private let descriptor: Int32
    private let reopened: OwnedDescriptor?
    private let method: Method
    /// What wasn't taken of a line that was begun.
    private var rest: [UInt8] = []

    /// - Parameter shared: is borrowed, and stays open for as long as this is in use.
    public init(descriptor shared: Int32 = 2) {
        // A reader that goes away is an error of write(2), not our end.
        ces_ignore_signal(SIGPIPE)
        var reopened: OwnedDescriptor?
        switch ces_file_kind(shared) {
        case ces_S_IFSOCK: method = .send
        case ces_S_IFREG: method = .write
        default:
            let raw = ces_reopen_for_writing(shared)
            if raw >= 0 { reopened = OwnedDescriptor(adopting: raw) }
            method = raw >= 0 ? .write : .pollAndWrite
        }
        descriptor = reopened?.raw ?? shared
        self.reopened = reopened
    }

    /// Writes a line (with its line end), or nothing of it. Never waits.
    public func write(_ line: borrowing Span<UInt8>) -> Outcome {
        precondition(line.count <= Self.lineBytesMax)
        let outcome = writeRest()
        guard outcome == .written else { return outcome }
        switch put(line) {
        case .success(let count):
            // A pipe takes all or nothing; a terminal or a small socket buffer may take a part.
            for position in count..<line.count { rest.append(line[position]) }
            return .written
        case .failure(let error): return Self.outcome(of: error)
        }
    }

    private func writeRest() -> Outcome {
        guard !rest.isEmpty else { return .written }
        switch put(rest.span) {
        case .success(let count):
            rest.removeFirst(count)
            return rest.isEmpty ? .written : .wouldBlock
        case .failure(let error): return Self.outcome(of: error)
        }
    }

    private static func outcome(of error: Errno) -> Outcome {
        // With no wait there is nothing that a signal could interrupt for long.
        error == .wouldBlock || error == .interrupted ? .wouldBlock : .failed
    }

    /// Returns how many bytes were taken: at least one.
    private func put(_ bytes: borrowing Span<UInt8>) -> Result<Int, Errno> {
        if method == .pollAndWrite, !isWritable { return .failure(.wouldBlock) }
        let count = unsafe bytes.withUnsafeBufferPointer { bytes in
            switch method {
            case .send:
                unsafe CEpollShim.send(
                    descriptor, bytes.baseAddress, bytes.count,
                    ces_MSG_NOSIGNAL | ces_MSG_DONTWAIT)
            case .write, .pollAndWrite:
                unsafe CEpollShim.write(descriptor, bytes.baseAddress, bytes.count)
            }
        }
        return count > 0 ? .success(count) : .failure(count == 0 ? .wouldBlock : .current)
    }

    private var isWritable: Bool {
        var question = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&question, 1, 0) > 0
    }
}
