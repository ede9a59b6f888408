/// A growing queue of slot indices, first in, first out, that keeps its memory when emptied: those who
/// wait for their turn.
@safe
public struct IndexQueue: ~Copyable {
    public private(set) var count = 0
    /// Where the first one stands. The capacity is a power of two, so that positions wrap by a mask.
    private var first = 0
    private var capacity: Int
    private var base: UnsafeMutablePointer<UInt32>
    private static var keptCapacity: Int { 1_024 }

    public init() {
        capacity = 64
        unsafe base = .allocate(capacity: capacity)
    }

    deinit {
        unsafe base.deallocate()
    }

    public var isEmpty: Bool { count == 0 }

    /// The one that has waited for longest.
    public var head: UInt32? {
        count > 0 ? unsafe base[first] : nil
    }

    public mutating func append(_ index: UInt32) {
        if count == capacity { grow() }
        unsafe base[(first + count) & (capacity - 1)] = index
        count += 1
    }

    public mutating func removeFirst() -> UInt32? {
        guard count > 0 else { return nil }
        let index = unsafe base[first]
        first = (first + 1) & (capacity - 1)
        count -= 1
        return index
    }

    /// Gives back what an empty one has beyond a page.
    public mutating func returnMemory() {
        guard count == 0, capacity > Self.keptCapacity else { return }
        unsafe base.deallocate()
        capacity = Self.keptCapacity
        unsafe base = .allocate(capacity: capacity)
        first = 0
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * 2)
        for place in 0..<count {
            unsafe larger[place] = base[(first + place) & (capacity - 1)]
        }
        unsafe base.deallocate()
        unsafe base = larger
        first = 0
        capacity *= 2
    }
}
