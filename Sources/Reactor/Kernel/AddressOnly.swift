internal import Synchronization

/// A member that keeps a large value in its place.
///
/// Swift 6.3 lends a value that it could hold in registers, however large, by a copy on the stack:
/// each call of a method that doesn't mutate copies the whole value, kilobytes of it for one that owns
/// a program's state. An atomic has its identity in its address, and so has every value that contains
/// one: it is lent by its address.
public struct AddressOnly: ~Copyable {
    private let place = Atomic<UInt8>(0)

    public init() {}
}
