/// A table of few places for values that can't be copied. An element stays where it is until it is removed.
///
/// Safe outside: the pointer never leaves, and an index is looked at before it is used.
@safe
public struct OwnedTable<Element: ~Copyable>: ~Copyable {
    public let capacity: Int
    public private(set) var count = 0
    /// Every taken place lies below this index.
    public private(set) var highWaterMark = 0
    private let elements: UnsafeMutablePointer<Element>
    /// Odd while the place is taken.
    private var generations: [UInt32]

    public init(capacity: Int) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        self.capacity = capacity
        unsafe elements = .allocate(capacity: capacity)
        generations = Array(repeating: 0, count: capacity)
    }

    deinit {
        for index in 0..<capacity where generations[index] & 1 == 1 {
            unsafe (elements + index).deinitialize(count: 1)
        }
        unsafe elements.deallocate()
    }

    public func isOccupied(_ index: Int) -> Bool {
        index >= 0 && index < capacity && generations[index] & 1 == 1
    }

    /// Takes the lowest free place. `nil` when all are taken: the element is gone then.
    public mutating func insert(_ element: consuming Element) -> Int? {
        guard let index = generations.firstIndex(where: { $0 & 1 == 0 }) else { return nil }
        unsafe (elements + index).initialize(to: element)
        generations[index] &+= 1
        count += 1
        highWaterMark = max(highWaterMark, index + 1)
        return index
    }

    /// Ends the element. Its handles are stale from here on.
    public mutating func remove(_ index: Int) {
        precondition(isOccupied(index))
        unsafe (elements + index).deinitialize(count: 1)
        generations[index] &+= 1
        count -= 1
        while highWaterMark > 0, !isOccupied(highWaterMark - 1) { highWaterMark -= 1 }
    }

    public func index(of handle: Handle) -> Int? {
        let index = Int(handle.index)
        guard isOccupied(index), generations[index] & Handle.generationMask == handle.generation
        else { return nil }
        return index
    }

    public func handle(of index: Int, kind: UInt8) -> Handle {
        precondition(isOccupied(index))
        return Handle(kind: kind, index: UInt32(index), generation: generations[index])
    }

    // Hot path.
    public subscript(index: Int) -> Element {
        unsafeAddress {
            precondition(isOccupied(index))
            return unsafe UnsafePointer(elements + index)
        }
        unsafeMutableAddress {
            precondition(isOccupied(index))
            return unsafe elements + index
        }
    }
}
