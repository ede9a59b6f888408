/// A table of fixed capacity whose slots are handed out, given back and handed out again.
///
/// The memory of all slots is reserved at once and touched only when a slot is first used, so a
/// large capacity costs address space and nothing else. An index is valid while its slot is
/// occupied; the generation, odd while occupied, tells one occupation from the next.
@safe
public struct Slab<Element: BitwiseCopyable>: ~Copyable {
    /// Most slots that can be occupied at the same time.
    public let capacity: Int
    /// Slots occupied now.
    public private(set) var count = 0
    /// Every occupied slot lies below this index.
    public var highWaterMark: Int { occupancy.highWaterMark }

    @usableFromInline let elements: UnsafeMutablePointer<Element>
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    private var occupancy: OccupancyMap

    public init(capacity: Int) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        self.capacity = capacity
        unsafe elements = ReservedMemory.reserve(Element.self, count: capacity)
        unsafe generations = ReservedMemory.reserve(UInt32.self, count: capacity)
        occupancy = OccupancyMap(capacity: capacity)
    }

    deinit {
        unsafe ReservedMemory.release(elements, count: capacity)
        unsafe ReservedMemory.release(generations, count: capacity)
    }

    /// Occupies the lowest free slot. `nil` when all are occupied.
    public mutating func insert(_ element: Element) -> UInt32? {
        guard let index = occupancy.takeLowest() else { return nil }
        unsafe elements[Int(index)] = element
        changeGeneration(of: index)  // Even to odd.
        count += 1
        assert(isOccupied(index))
        return index
    }

    /// Frees an occupied slot. Its handles are stale from here on.
    public mutating func remove(_ index: UInt32) {
        precondition(isOccupied(index))
        changeGeneration(of: index)
        occupancy.giveBack(index)
        count -= 1
    }

    /// Wraps after 2^32 changes. Not by `&+=`: there ThreadSanitizer makes Swift 6.3 fail.
    private func changeGeneration(of index: UInt32) {
        unsafe generations[Int(index)] = generations[Int(index)] &+ 1
    }

    /// Gives the memory of the elements above the high-water mark back to the kernel. Generations
    /// stay: a stale handle must be known as one for ever.
    public mutating func returnMemory() {
        unsafe ReservedMemory.discard(elements, from: highWaterMark, count: capacity)
    }

    @inlinable public func isOccupied(_ index: UInt32) -> Bool {
        unsafe Int(index) < capacity && generations[Int(index)] & 1 == 1
    }

    /// The slot that `handle` was made for, when it is still occupied by the same element.
    @inlinable public func index(of handle: Handle) -> UInt32? {
        let index = handle.index
        guard isOccupied(index) else { return nil }
        let generation = unsafe generations[Int(index)] & Handle.generationMask
        return generation == handle.generation ? index : nil
    }

    /// The handle of an occupied slot.
    @inlinable public func handle(of index: UInt32, kind: UInt8) -> Handle {
        precondition(isOccupied(index))
        return unsafe Handle(kind: kind, index: index, generation: generations[Int(index)])
    }

    // Hot path: one load and one comparison more than the bare memory access.
    @inlinable public subscript(index: UInt32) -> Element {
        unsafeAddress { unsafe UnsafePointer(address(of: index)) }
        unsafeMutableAddress { unsafe address(of: index) }
    }

    // Hot path.
    /// Where the element of an occupied slot lives, for the addressors of whoever wraps a slab. It is
    /// valid until the slot is freed; elements never move.
    @unsafe @inlinable public func address(of index: UInt32) -> UnsafeMutablePointer<Element> {
        precondition(isOccupied(index))
        return unsafe elements + Int(index)
    }
}
