internal import CEpollShim

/// What became of one send.
@frozen public enum SendResult: Equatable, Sendable {
    /// The kernel took so many bytes, perhaps fewer than offered.
    case sent(Int)
    /// It took none now.
    case wouldBlock
    /// The connection is gone (EPIPE, ECONNRESET, …).
    case failed
}

/// Sends that are collected first and then handed to the kernel together, each for a socket of
/// its own.
///
/// Whoever fills it keeps the bytes alive and in place until the results have been read. With
/// `MSG_DONTWAIT` every send is complete when `submit` returns.
@safe
public struct SendBatch: ~Copyable {
    /// Sends in one batch.
    public static let capacity = 256

    @unsafe private struct Entry: BitwiseCopyable {
        var descriptor: Int32
        var tag: UInt32
        var bytes: UnsafeRawPointer
        var count: Int
        /// Bytes sent, or a negated errno.
        var result: Int
    }

    private let entries: UnsafeMutablePointer<Entry>
    public private(set) var count = 0

    public init() {
        unsafe entries = .allocate(capacity: Self.capacity)
    }

    deinit {
        unsafe entries.deallocate()
    }

    public var isEmpty: Bool { count == 0 }
    public var isFull: Bool { count == Self.capacity }

    // Hot path.
    /// - Parameter tag: the caller's own note, to be found again with the result.
    @unsafe public mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count byteCount: Int, tag: UInt32
    ) {
        precondition(count < Self.capacity)
        unsafe entries[count] = Entry(
            descriptor: descriptor, tag: tag, bytes: bytes, count: byteCount, result: 0)
        count += 1
    }

    // Hot path.
    /// Makes all the sends; afterwards `result(at:)` tells what became of each.
    public mutating func submit() {
        let flags = ces_MSG_NOSIGNAL | ces_MSG_DONTWAIT
        for index in 0..<count {
            let entry = unsafe entries[index]
            var sent: Int
            repeat {
                sent = unsafe send(entry.descriptor, entry.bytes, entry.count, flags)
            } while sent < 0 && ces_errno() == EINTR
            unsafe entries[index].result = sent >= 0 ? sent : -Int(ces_errno())
        }
    }

    public func result(at index: Int) -> SendResult {
        precondition(index < count)
        let result = unsafe entries[index].result
        if result >= 0 { return .sent(result) }
        return result == -Int(EAGAIN) ? .wouldBlock : .failed
    }

    public func tag(at index: Int) -> UInt32 {
        precondition(index < count)
        return unsafe entries[index].tag
    }

    public mutating func removeAll() {
        count = 0
    }
}
