internal import CEpollShim

/// What one receive brought.
public enum ReceiveResult: Equatable, Sendable {
    /// So many new bytes.
    case bytes(Int)
    case wouldBlock
    /// The peer has finished sending (recv(2) returned 0).
    case endOfStream
    /// ECONNRESET, ETIMEDOUT and the like: the connection is gone.
    case failed(Errno)
}

/// The one buffer that every client's bytes arrive in.
///
/// What a client left over last time is put in front first, so a decoder always sees one
/// contiguous run, and an idle client owns no receive buffer.
@safe
public struct ReceiveArea: ~Copyable {
    /// Bytes for one receive.
    public let receiveCapacity: Int
    /// Most bytes that a client may have left over.
    public let leftoverCapacity: Int
    private let base: UnsafeMutablePointer<UInt8>
    /// Bytes of the present client: what it left over, and what was received.
    public private(set) var count = 0

    public init(receiveCapacity: Int, leftoverCapacity: Int) {
        self.receiveCapacity = receiveCapacity
        self.leftoverCapacity = leftoverCapacity
        unsafe base = .allocate(capacity: receiveCapacity + leftoverCapacity)
    }

    deinit {
        unsafe base.deallocate()
    }

    /// Begins with a client's leftover. One that is larger than `leftoverCapacity`, which is a whole
    /// receive that wasn't taken in, leaves no room for another one.
    public mutating func begin(with leftover: borrowing Span<UInt8>) {
        precondition(leftover.count <= leftoverCapacity + receiveCapacity)
        let target = unsafe base
        unsafe leftover.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe target.update(from: start, count: bytes.count)
        }
        count = leftover.count
    }

    /// Begins with nothing.
    public mutating func begin() {
        count = 0
    }

    // Hot path.
    /// One recv(2) behind what is there.
    public mutating func receive(from descriptor: Int32) -> ReceiveResult {
        receive(from: descriptor, atMost: receiveCapacity, flags: 0)
    }

    /// The same with at most `bytesMax` bytes, which stay in the socket (MSG_PEEK): for what must
    /// be taken out of it to the byte, because another reader goes on behind.
    public mutating func peek(at descriptor: Int32, atMost bytesMax: Int) -> ReceiveResult {
        receive(from: descriptor, atMost: min(bytesMax, receiveCapacity), flags: ces_MSG_PEEK)
    }

    /// Takes bytes out of the socket that `peek` has shown, and forgets them.
    public mutating func discard(_ byteCount: Int, of descriptor: Int32) {
        precondition(byteCount > 0 && byteCount <= receiveCapacity)
        count = 0
        // They are there, so nothing is waited for and nothing comes short.
        _ = receive(from: descriptor, atMost: byteCount, flags: 0)
        count = 0
    }

    private mutating func receive(
        from descriptor: Int32, atMost bytesMax: Int, flags: Int32
    ) -> ReceiveResult {
        precondition(hasRoomToReceive)
        while true {
            let received = unsafe recv(descriptor, base + count, bytesMax, flags)
            if received > 0 {
                count += received
                return .bytes(received)
            }
            if received == 0 { return .endOfStream }
            switch Errno.current {
            case .interrupted: continue
            case .wouldBlock: return .wouldBlock
            case let errno: return .failed(errno)
            }
        }
    }

    /// Whether `receive` may be called: false with a leftover that is larger than `leftoverCapacity`.
    public var hasRoomToReceive: Bool { count <= leftoverCapacity }

    /// Bytes that can still be taken in for the present client.
    public var room: Int { receiveCapacity + leftoverCapacity - count }

    /// Lets `fill` write behind what is there, into all the room that is left, and takes in as many
    /// bytes as it says that it wrote. Returns their number.
    @unsafe mutating func append(_ fill: (UnsafeMutablePointer<UInt8>, Int) -> Int) -> Int {
        let room = self.room
        let written = unsafe fill(base + count, room)
        precondition(written >= 0 && written <= room)
        count += written
        return written
    }

    /// The present client's bytes.
    public var bytes: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get {
            let span = unsafe MutableSpan(_unsafeStart: base, count: count)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// The present client's bytes, for cold paths that keep them.
    public borrowing func copy() -> [UInt8] {
        unsafe Array(UnsafeBufferPointer(start: base, count: count))
    }
}
