internal import CEpollShim
internal import Reactor

/// One end of a SOCK_SEQPACKET pair (unix(7)): whole records, in order. It stays open until the
/// process ends, by which the other side knows of it.
struct RecordChannel {
    let descriptor: Int32

    /// Where a started process finds its end.
    static let childDescriptor: Int32 = 3

    /// The two ends of a new pair.
    static func makePair() throws(Errno) -> (Int32, Int32) {
        var ends = InlineArray<2, Int32>(repeating: -1)
        var view = ends.mutableSpan
        let type = Int32(SOCK_SEQPACKET.rawValue) | ces_SOCK_CLOEXEC
        let status = unsafe view.withUnsafeMutableBufferPointer { buffer in
            unsafe socketpair(AF_UNIX, type, 0, buffer.baseAddress)
        }
        guard status == 0 else { throw Errno(code: ces_errno()) }
        return (ends[0], ends[1])
    }

    /// Waits while the other end is behind. Returns `false` when it is gone.
    @discardableResult
    func send(_ record: Record) -> Bool {
        var words = InlineArray<4, UInt64>(repeating: record.kind.rawValue)
        words[1] = record.a
        words[2] = record.b
        words[3] = record.c
        let span = words.span
        while true {
            let sent = unsafe span.withUnsafeBytes { bytes in
                unsafe CEpollShim.send(
                    descriptor, bytes.baseAddress, bytes.count, ces_MSG_NOSIGNAL)
            }
            if sent >= 0 { return true }
            guard ces_errno() == EINTR else { return false }
        }
    }

    enum Outcome {
        case record(Record)
        case nothing
        case closed
    }

    func receive(waiting: Bool) -> Outcome {
        var words = InlineArray<4, UInt64>(repeating: 0)
        var view = words.mutableSpan
        let count = unsafe view.withUnsafeMutableBytes { bytes in
            unsafe recv(
                descriptor, bytes.baseAddress, bytes.count, waiting ? 0 : ces_MSG_DONTWAIT)
        }
        if count < 0 {
            return ces_errno() == EAGAIN || ces_errno() == EINTR ? .nothing : .closed
        }
        guard count == 32, let kind = Record.Kind(rawValue: words[0]) else { return .closed }
        return .record(Record(kind, words[1], words[2], words[3]))
    }
}
