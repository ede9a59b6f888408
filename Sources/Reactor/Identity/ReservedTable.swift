/// One record for each possible slot index, zeroed, in memory that is touched when first written:
/// what a part of the program keeps about clients beside the slab.
@safe
public struct ReservedTable<Element: BitwiseCopyable>: ~Copyable {
    public let capacity: Int
    @usableFromInline let elements: UnsafeMutablePointer<Element>

    /// - Parameter zeroIsValid: states that a record of zero bytes is a valid, empty one.
    public init(capacity: Int, of type: Element.Type, zeroIsValid: Bool) {
        precondition(zeroIsValid && capacity > 0)
        self.capacity = capacity
        unsafe elements = ReservedMemory.reserve(type, count: capacity)
    }

    deinit {
        unsafe ReservedMemory.release(elements, count: capacity)
    }

    /// Gives the memory of the records from `first` on back to the kernel. They are zero again, so
    /// they must have been of no use.
    public mutating func returnMemory(from first: Int) {
        unsafe ReservedMemory.discard(elements, from: first, count: capacity)
    }

    // Hot path.
    @inlinable public subscript(index: UInt32) -> Element {
        unsafeAddress {
            precondition(Int(index) < capacity)
            return unsafe UnsafePointer(elements + Int(index))
        }
        unsafeMutableAddress {
            precondition(Int(index) < capacity)
            return unsafe elements + Int(index)
        }
    }
}
