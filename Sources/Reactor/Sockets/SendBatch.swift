internal import CEpollShim

/// What became of one send.
@frozen public enum SendResult: Equatable, Sendable {
    /// The kernel took so many bytes, perhaps fewer than offered.
    case sent(Int)
    /// It took none now.
    case wouldBlock
    /// The connection is gone (EPIPE, ECONNRESET, …).
    case failed

    // Hot path.
    /// - Parameter result: bytes sent, or a negated errno.
    @usableFromInline init(_ result: Int) {
        self =
            result >= 0 ? .sent(result) : result == -Int(EAGAIN) ? .wouldBlock : .failed
    }
}

/// One send of a batch.
@unsafe @usableFromInline struct SendEntry: BitwiseCopyable {
    var descriptor: Int32
    @usableFromInline var tag: UInt32
    var bytes: UnsafeRawPointer
    @usableFromInline var count: Int
    /// Bytes sent, or a negated errno.
    @usableFromInline var result: Int
}

/// How a batch reaches the kernel. The bytes on the wire are the same.
public enum SendMethod: Equatable, Sendable {
    /// One send(2) for each entry.
    case send
    /// Batches by io_uring.
    case ring

    public var name: StaticString {
        switch self {
        case .send: "send"
        case .ring: "io_uring"
        }
    }
}

/// Sends that are collected first and then handed to the kernel together, each for a socket of
/// its own; and a write for the socket that gets several pieces.
///
/// Whoever fills it keeps the bytes alive and in place until the results have been read. Every
/// send is complete when `submit` returns.
@safe
public struct SendBatch: ~Copyable {
    /// Sends in one batch. Measured: 64 to 512 are equally good, 4,096 are no better.
    public static let capacity = 256
    /// Below this, send(2) is cheaper than a round through the ring.
    private static let ringMinimum = 4
    /// Batches in a row that the ring refuses before it is given up.
    private static let refusalsMax = 16

    @usableFromInline let entries: UnsafeMutablePointer<SendEntry>
    private var ring: SendRing?
    private var refusalsInARow = 0
    public private(set) var count = 0
    /// Goes out by itself, not with the batch.
    public var write = GatheredWrite()

    /// How batches are sent now. A ring that keeps failing is given up for good.
    public private(set) var method = SendMethod.send
    /// Batches of which the ring didn't take all.
    public private(set) var refusals: UInt64 = 0

    /// Sends by send(2).
    public init() {
        unsafe entries = .allocate(capacity: Self.capacity)
    }

    deinit {
        unsafe entries.deallocate()
    }

    /// Sends by io_uring from here on, where the kernel lets us.
    public mutating func useRing() throws(Errno) {
        ring = try SendRing.open(capacity: Self.capacity)
        method = .ring
    }

    public var isFull: Bool { count == Self.capacity }

    // Hot path.
    /// - Parameter tag: the caller's own note, to be found again with the result.
    @unsafe public mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count byteCount: Int, tag: UInt32
    ) {
        precondition(count < Self.capacity)
        unsafe entries[count] = SendEntry(
            descriptor: descriptor, tag: tag, bytes: bytes, count: byteCount, result: 0)
        count += 1
    }

    // Hot path.
    /// Makes all the sends; afterwards `result(at:)` tells what became of each.
    public mutating func submit() {
        var sent = 0
        if method == .ring, count >= Self.ringMinimum {
            sent = sendByRing()
        }
        for index in sent..<count { unsafe sendOne(&entries[index]) }
    }

    /// Returns how many entries the ring took; the others are sent one by one.
    private mutating func sendByRing() -> Int {
        let sent = unsafe ring?.send(entries, count: count) ?? 0
        guard sent < count else {
            refusalsInARow = 0
            return sent
        }
        refusals += 1
        refusalsInARow += 1
        if refusalsInARow == Self.refusalsMax {
            method = .send
            ring = nil
        }
        return sent
    }

    private func sendOne(_ entry: inout SendEntry) {
        let flags = ces_MSG_NOSIGNAL | ces_MSG_DONTWAIT
        var sent: Int
        repeat {
            sent = unsafe send(entry.descriptor, entry.bytes, entry.count, flags)
        } while sent < 0 && ces_errno() == EINTR
        unsafe entry.result = sent >= 0 ? sent : -Int(ces_errno())
    }

    // Hot path. Inlined, since a call of the other module would be lent a copy of the whole batch.
    @inlinable public func result(at index: Int) -> SendResult {
        precondition(index < count)
        return unsafe SendResult(entries[index].result)
    }

    // Hot path, and inlined as `result`.
    @inlinable public func tag(at index: Int) -> UInt32 {
        precondition(index < count)
        return unsafe entries[index].tag
    }

    // Hot path, and inlined as `result`.
    /// The bytes that were offered.
    @inlinable public func byteCount(at index: Int) -> Int {
        precondition(index < count)
        return unsafe entries[index].count
    }

    public mutating func removeAll() {
        count = 0
    }

    /// Makes the ring stop after `entries` of the next batch, as a kernel short of memory would;
    /// for tests.
    package mutating func failNextBatch(after entries: Int) {
        ring?.faultAfter = entries
    }
}
