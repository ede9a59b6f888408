internal import CEpollShim

/// Descriptor 2, for lines that must never make the process wait.
///
/// The descriptor isn't made non-blocking: its file description is shared with whoever started
/// the process, and the flag would change under their feet. Instead poll(2) is asked first. Linux
/// calls a pipe writable when a whole page is free, and a Unix stream socket (the journal) when
/// three quarters of its buffer are, so a line of at most 4,096 bytes then doesn't block. A
/// terminal that was stopped by hand can block; nobody runs a server on one.
public struct StandardError: Sendable {
    /// The longest line that `write` takes: PIPE_BUF on Linux (pipe(7)), also the largest write
    /// that isn't mixed with those of other processes.
    public static let lineBytesMax = 4_096

    /// What became of a line.
    public enum Outcome: Equatable, Sendable {
        case written
        /// There was no room; nothing of the line was written.
        case wouldBlock
        /// The reader is gone, the disk is full, or the like.
        case failed
    }

    private let descriptor: Int32

    /// `descriptor` is for tests; it is borrowed, and stays open for as long as this is in use.
    public init(descriptor: Int32 = 2) {
        self.descriptor = descriptor
    }

    /// Writes a line (with its line end) if that is possible without waiting. Never blocks.
    ///
    /// A reader that closes between the two calls raises SIGPIPE: the process must ignore it.
    public func write(_ line: borrowing Span<UInt8>) -> Outcome {
        precondition(line.count <= Self.lineBytesMax)
        var question = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let ready = unsafe poll(&question, 1, 0)
        guard ready > 0 else { return ready == 0 ? .wouldBlock : .failed }
        guard question.revents & Int16(POLLERR | POLLHUP | POLLNVAL) == 0 else { return .failed }
        // Not retried after EINTR: with no wait there is nothing that a signal could interrupt.
        let count = unsafe line.withUnsafeBufferPointer { bytes in
            unsafe CEpollShim.write(descriptor, bytes.baseAddress, bytes.count)
        }
        guard count >= 0 else {
            return Errno.current == .wouldBlock ? .wouldBlock : .failed
        }
        return count == line.count ? .written : .failed
    }

    /// Writes all of `text`, waiting if need be; for a command's last words before it exits.
    /// Errors are ignored: there is nowhere left to report them.
    public func writeWaiting(_ text: String) {
        var rest = [UInt8](text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe CEpollShim.write(descriptor, bytes.baseAddress, bytes.count)
            }
            if count < 0 && Errno.current == .interrupted { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
