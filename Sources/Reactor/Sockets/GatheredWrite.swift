internal import CEpollShim

/// One sendmsg(2) of several pieces to one socket.
@safe
public struct GatheredWrite: ~Copyable {
    /// Pieces in one call; the kernel would take 1,024 (IOV_MAX), but a socket's buffer is full
    /// long before.
    public static let pieceCountMax = 64

    private let vectors: UnsafeMutablePointer<iovec>
    public private(set) var count = 0
    /// Bytes of all pieces.
    public private(set) var byteCount = 0

    public init() {
        unsafe vectors = .allocate(capacity: Self.pieceCountMax)
    }

    deinit {
        unsafe vectors.deallocate()
    }

    public var isFull: Bool { count == Self.pieceCountMax }

    /// The bytes must stay in place until `send` has returned.
    @unsafe public mutating func append(_ bytes: UnsafeRawPointer, count pieceCount: Int) {
        precondition(count < Self.pieceCountMax)
        // sendmsg(2) only reads; iovec has one pointer type for both directions.
        let base = unsafe UnsafeMutableRawPointer(mutating: bytes)
        unsafe vectors[count] = iovec(iov_base: base, iov_len: pieceCount)
        count += 1
        byteCount += pieceCount
    }

    public mutating func send(to descriptor: Int32) -> SendResult {
        var message = unsafe msghdr()
        unsafe message.msg_iov = vectors
        unsafe message.msg_iovlen = count
        while true {
            let sent = unsafe sendmsg(descriptor, &message, ces_MSG_NOSIGNAL | ces_MSG_DONTWAIT)
            if sent >= 0 { return .sent(sent) }
            switch Errno.current {
            case .interrupted: continue
            case .wouldBlock: return .wouldBlock
            default: return .failed
            }
        }
    }

    public mutating func removeAll() {
        count = 0
        byteCount = 0
    }
}
