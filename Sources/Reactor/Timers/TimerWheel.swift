/// A lazy hashed wheel: one pending visit for each slot index, in buckets of one tick.
///
/// Lazy means that an activity doesn't touch the wheel. A visit is due at the earliest instant at
/// which something could have to be done; the visited computes from its own fields whether it
/// has, and asks for its next visit. So a client that is heard of often costs one store each time,
/// and one visit per time-out. (A heap was 20 times dearer per activity.)
///
/// Links are kept here by index, outside of the element, so that walking a bucket touches the
/// wheel's memory only.
@safe
public struct TimerWheel: ~Copyable {
    /// Buckets; a visit further ahead than that many ticks goes round again.
    public static let slotCount = 512
    /// Nanoseconds per tick. Time-outs here are seconds, and an eighth of one too late is allowed.
    public static let tickNanoseconds: UInt64 = 128_000_000

    private struct Node: BitwiseCopyable {
        var next: UInt32
        var previous: UInt32
        /// The tick of the visit, or `unscheduled`.
        var due: UInt32
    }

    private static var none: UInt32 { .max }
    private static var unscheduled: UInt32 { 0 }

    public let capacity: Int
    /// Indices with a visit pending.
    public private(set) var count = 0
    /// The tick up to which all visits were made.
    private var reached: UInt32
    /// The buckets of the ticks behind `reached` and before this one are empty: so a turn need not
    /// look through all of them again, which are 2 KiB of memory that it has no other use for.
    private var emptyBefore: UInt32
    /// The node to look at next in the bucket that is being visited.
    private var cursor = Self.none
    private var nodes: UnsafeMutablePointer<Node>
    private var heads: UnsafeMutablePointer<UInt32>

    /// - Parameter now: the present tick; visits start after it.
    public init(capacity: Int, now: UInt32) {
        self.capacity = capacity
        reached = now
        emptyBefore = now
        unsafe nodes = ReservedMemory.reserve(Node.self, count: capacity)
        unsafe heads = .allocate(capacity: Self.slotCount)
        unsafe heads.initialize(repeating: Self.none, count: Self.slotCount)
    }

    deinit {
        unsafe ReservedMemory.release(nodes, count: capacity)
        unsafe heads.deallocate()
    }

    /// Ticks since the clock's start; 32 bits of them are 17 years.
    @inlinable public static func tick(_ instant: Instant) -> UInt32 {
        UInt32(truncatingIfNeeded: instant.nanoseconds / tickNanoseconds)
    }

    /// The first tick at which `nanoseconds` from `instant` on have passed for certain.
    @inlinable public static func tick(_ nanoseconds: UInt64, after instant: Instant) -> UInt32 {
        tick(instant.advanced(byNanoseconds: nanoseconds)) &+ 1
    }

    /// Asks for a visit of `index` at `due`, instead of the one it may have pending.
    ///
    /// The bucket after `reached` may be half visited, so a tick that has passed means the one
    /// behind that: a visit is never lost, and one that asks for itself again ends the round. One
    /// that is pending for an earlier tick stays then: it is overdue, and whoever asks in every tick
    /// would put it off for ever.
    public mutating func schedule(_ index: UInt32, at due: UInt32) {
        precondition(Int(index) < capacity)
        let target = max(due, reached &+ 2)
        let pending = unsafe nodes[Int(index)].due
        if pending != Self.unscheduled {
            if due < target && pending <= target { return }
            unlink(index)
        }
        link(index, due: target)
    }

    /// Takes back the pending visit, if there is one.
    public mutating func cancel(_ index: UInt32) {
        precondition(Int(index) < capacity)
        if unsafe nodes[Int(index)].due != Self.unscheduled { unlink(index) }
    }

    /// Whether a visit of `index` is pending.
    public func isScheduled(_ index: UInt32) -> Bool {
        unsafe nodes[Int(index)].due != Self.unscheduled
    }

    /// The next index whose visit is due at `now`, taken out of the wheel; `nil` when all due ones
    /// were visited. Call until `nil`, or stop early and go on in a later turn.
    public mutating func popDue(now: UInt32) -> UInt32? {
        while reached < now {
            if cursor == Self.none { cursor = unsafe heads[slot(reached &+ 1)] }
            while cursor != Self.none {
                let index = cursor
                cursor = unsafe nodes[Int(index)].next
                if unsafe nodes[Int(index)].due <= now {
                    unlink(index)
                    return index
                }
            }
            reached &+= 1
        }
        return nil
    }

    /// Nanoseconds until the next tick that has a visit pending, looking at most one round ahead;
    /// `nil` when nothing is pending at all.
    public mutating func nanosecondsUntilNext(now: Instant) -> UInt64? {
        guard count > 0 else { return nil }
        emptyBefore = max(emptyBefore, reached &+ 1)
        // Ends within a round: something is pending.
        while unsafe heads[slot(emptyBefore)] == Self.none { emptyBefore &+= 1 }
        return Instant(nanoseconds: UInt64(emptyBefore) * Self.tickNanoseconds)
            .nanoseconds(since: now)
    }

    /// Gives the memory of the nodes from `first` on back to the kernel; none of them may have a
    /// visit pending.
    public mutating func returnMemory(from first: Int) {
        unsafe ReservedMemory.discard(nodes, from: first, count: capacity)
    }

    private func slot(_ tick: UInt32) -> Int {
        Int(tick % UInt32(Self.slotCount))
    }

    private mutating func link(_ index: UInt32, due: UInt32) {
        let slot = slot(due)
        let head = unsafe heads[slot]
        unsafe nodes[Int(index)] = Node(next: head, previous: Self.none, due: due)
        if head != Self.none { unsafe nodes[Int(head)].previous = index }
        unsafe heads[slot] = index
        count += 1
        // The next time that its bucket comes round.
        let tick = reached &+ 1 &+ (due &- reached &- 1) % UInt32(Self.slotCount)
        emptyBefore = min(emptyBefore, tick)
    }

    private mutating func unlink(_ index: UInt32) {
        let node = unsafe nodes[Int(index)]
        if node.previous == Self.none {
            unsafe heads[slot(node.due)] = node.next
        } else {
            unsafe nodes[Int(node.previous)].next = node.next
        }
        if node.next != Self.none { unsafe nodes[Int(node.next)].previous = node.previous }
        if cursor == index { cursor = node.next }
        unsafe nodes[Int(index)].due = Self.unscheduled
        count -= 1
    }
}
