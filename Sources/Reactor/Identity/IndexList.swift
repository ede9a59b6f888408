/// A growing list of slot indices that keeps its memory when emptied: the loop's lists of clients
/// that have something to send, changed their interest, or are to be freed.
@safe
public struct IndexList: ~Copyable {
    public private(set) var count = 0
    private var capacity: Int
    @usableFromInline var base: UnsafeMutablePointer<UInt32>

    public init(capacity: Int = 64) {
        precondition(capacity > 0)
        self.capacity = capacity
        unsafe base = .allocate(capacity: capacity)
    }

    deinit {
        unsafe base.deallocate()
    }

    public var isEmpty: Bool { count == 0 }

    public mutating func append(_ index: UInt32) {
        if count == capacity { grow() }
        unsafe base[count] = index
        count += 1
    }

    @inlinable public subscript(position: Int) -> UInt32 {
        precondition(position >= 0 && position < count)
        return unsafe base[position]
    }

    public mutating func removeLast() -> UInt32? {
        guard count > 0 else { return nil }
        count -= 1
        return unsafe base[count]
    }

    /// Forgets the first `prefix` entries; the rest moves to the front.
    public mutating func removeFirst(_ prefix: Int) {
        precondition(prefix >= 0 && prefix <= count)
        count -= prefix
        unsafe base.update(from: base + prefix, count: count)
    }

    public mutating func removeAll() {
        count = 0
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * 2)
        unsafe larger.update(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = larger
        capacity *= 2
    }
}
