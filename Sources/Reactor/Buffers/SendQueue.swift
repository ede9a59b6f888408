/// What one client still has to get: a list of pieces of segments.
///
/// The list itself is 16 bytes, all zero when empty; its nodes live in a `QueueNodePool` that all
/// clients share.
public struct SendQueue: BitwiseCopyable, Sendable {
    /// Pool index of the first node; zero when the queue is empty.
    var head: UInt32 = 0
    var tail: UInt32 = 0
    /// Bytes still to send.
    public internal(set) var byteCount: UInt32 = 0
    /// Frames still to send; a frame that is half sent counts.
    public internal(set) var frameCount: UInt32 = 0

    public init() {}

    @inlinable public var isEmpty: Bool { byteCount == 0 }
}

/// One entry of a send queue: a piece of a segment.
public struct QueuedPiece: BitwiseCopyable, Sendable {
    public var segment: SegmentIndex
    /// Where in the segment the piece begins; it moves on as bytes are sent.
    public var start: UInt32
    /// Where in the segment the piece ends.
    public var end: UInt32
    /// Whole frames in the piece.
    public var frames: UInt32
    /// Whose it is; the queue only keeps it.
    public var tag: UInt32

    public init(segment: SegmentIndex, _ range: Range<Int>, frames: Int, tag: UInt32) {
        precondition(!range.isEmpty)
        self.segment = segment
        self.start = UInt32(range.lowerBound)
        self.end = UInt32(range.upperBound)
        self.frames = UInt32(frames)
        self.tag = tag
    }
}

/// The nodes of all send queues.
@safe
public struct QueueNodePool: ~Copyable {
    private struct Node: BitwiseCopyable {
        var piece: QueuedPiece
        var next: UInt32
    }

    private var nodes: UnsafeMutablePointer<Node>
    private var capacity = 256
    private var used = 1  // Node 0 stands for "none".
    private var firstFree: UInt32 = 0
    /// Nodes in queues now.
    public private(set) var liveCount = 0

    public init() {
        unsafe nodes = .allocate(capacity: capacity)
    }

    deinit {
        unsafe nodes.deallocate()
    }

    /// Puts a piece at the end of `queue`. Takes over the caller's reference to the segment.
    public mutating func append(_ piece: QueuedPiece, to queue: inout SendQueue) {
        precondition(piece.start < piece.end)
        let index = take(piece)
        if queue.isEmpty {
            queue.head = index
        } else {
            unsafe nodes[Int(queue.tail)].next = index
        }
        queue.tail = index
        queue.byteCount += piece.end - piece.start
        queue.frameCount += piece.frames
    }

    /// The piece behind `node`, and the node after it (zero: none). Begin with `queue.first`.
    public func piece(at node: UInt32) -> QueuedPiece {
        precondition(node > 0 && Int(node) < used)
        return unsafe nodes[Int(node)].piece
    }

    /// The first node of `queue`, zero when it is empty.
    public func first(of queue: SendQueue) -> UInt32 {
        queue.isEmpty ? 0 : queue.head
    }

    /// The node behind `node`, zero when it is the last.
    public func next(after node: UInt32) -> UInt32 {
        precondition(node > 0 && Int(node) < used)
        return unsafe nodes[Int(node)].next
    }

    /// The last piece of a queue that isn't empty.
    public func last(of queue: SendQueue) -> QueuedPiece {
        precondition(!queue.isEmpty)
        return piece(at: queue.tail)
    }

    /// Lengthens the last piece by what follows it in its segment.
    public mutating func extendLast(of queue: inout SendQueue, bytes: Int, frames: Int) {
        precondition(!queue.isEmpty)
        unsafe nodes[Int(queue.tail)].piece.end += UInt32(bytes)
        unsafe nodes[Int(queue.tail)].piece.frames += UInt32(frames)
        queue.byteCount += UInt32(bytes)
        queue.frameCount += UInt32(frames)
    }

    /// Takes the first piece out. The reference to its segment becomes the caller's.
    public mutating func removeFirst(from queue: inout SendQueue) -> QueuedPiece {
        precondition(!queue.isEmpty)
        let index = queue.head
        let node = unsafe nodes[Int(index)]
        queue.byteCount -= node.piece.end - node.piece.start
        queue.frameCount -= node.piece.frames
        queue.head = node.next
        if node.next == 0 { queue.tail = 0 }
        unsafe nodes[Int(index)].next = firstFree
        firstFree = index
        liveCount -= 1
        return node.piece
    }

    /// Notes that `count` bytes of the first piece were sent, fewer than it has.
    ///
    /// - Parameter framesLeft: the frames of which the rest of the piece has at least a part.
    public mutating func advance(_ queue: inout SendQueue, by count: Int, framesLeft: Int) {
        precondition(!queue.isEmpty)
        queue.frameCount -= unsafe nodes[Int(queue.head)].piece.frames
        queue.frameCount += UInt32(framesLeft)
        queue.byteCount -= UInt32(count)
        unsafe nodes[Int(queue.head)].piece.frames = UInt32(framesLeft)
        unsafe nodes[Int(queue.head)].piece.start += UInt32(count)
        assert(unsafe nodes[Int(queue.head)].piece.start < nodes[Int(queue.head)].piece.end)
    }

    private mutating func take(_ piece: QueuedPiece) -> UInt32 {
        let index: UInt32
        if firstFree != 0 {
            index = firstFree
            firstFree = unsafe nodes[Int(index)].next
        } else {
            if used == capacity { grow() }
            index = UInt32(used)
            used += 1
        }
        unsafe nodes[Int(index)] = Node(piece: piece, next: 0)
        liveCount += 1
        return index
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<Node>.allocate(capacity: capacity * 2)
        unsafe larger.update(from: nodes, count: used)
        unsafe nodes.deallocate()
        unsafe nodes = larger
        capacity *= 2
    }
}
