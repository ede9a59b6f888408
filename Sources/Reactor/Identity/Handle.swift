/// What epoll and io_uring carry for a descriptor: a slot's index, the generation in which it was
/// occupied, and what kind of thing lives there.
///
/// A descriptor number is no identity, because the kernel hands it out again at once. A handle
/// can go stale: then no slot has its generation, and whoever looks it up finds nothing.
@frozen public struct Handle: Hashable, BitwiseCopyable, Sendable {
    /// Bits 0 to 31 index, 32 to 55 generation, 56 to 63 kind: the `u64` of `epoll_event`.
    public let raw: UInt64

    /// Generations repeat after this many occupations of a slot; by then no event of the first
    /// can still be under way, since every turn takes all of its events.
    public static let generationMask: UInt32 = 0x00FF_FFFF

    @inlinable public init(raw: UInt64) {
        self.raw = raw
    }

    @inlinable public init(kind: UInt8, index: UInt32, generation: UInt32) {
        raw =
            UInt64(kind) << 56 | UInt64(generation & Self.generationMask) << 32 | UInt64(index)
    }

    @inlinable public var kind: UInt8 {
        UInt8(truncatingIfNeeded: raw >> 56)
    }

    @inlinable public var generation: UInt32 {
        UInt32(truncatingIfNeeded: raw >> 32) & Self.generationMask
    }

    @inlinable public var index: UInt32 {
        UInt32(truncatingIfNeeded: raw)
    }
}
