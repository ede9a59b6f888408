/// A client's place in a room: eight bytes, dense in memory, in no particular order.
package struct Member: BitwiseCopyable, Sendable {
    package let client: ClientIndex
    /// Which of the client's subscriptions this is (`SubscriptionTable`).
    let slot: UInt32
}

/// A dense, growing array of members that a broadcast walks in order.
///
/// Not a Swift array: reading an element of one that lives inside another structure retains and
/// releases its buffer, and that for each recipient.
@safe
struct MemberList: ~Copyable {
    private(set) var count: UInt32 = 0
    private var capacity: UInt32 = 0
    private var members: UnsafeMutablePointer<Member>?

    deinit {
        if let members = unsafe members { unsafe members.deallocate() }
    }

    // Hot path.
    subscript(position: UInt32) -> Member {
        get {
            precondition(position < count)
            guard let members = unsafe members else { preconditionFailure() }
            return unsafe members[Int(position)]
        }
        set {
            precondition(position < count)
            guard let members = unsafe members else { preconditionFailure() }
            unsafe members[Int(position)] = newValue
        }
    }

    /// Adds a member at the end and returns its position.
    mutating func append(_ member: Member) -> UInt32 {
        if count == capacity { grow() }
        count += 1
        self[count - 1] = member
        return count - 1
    }

    /// Forgets the last member.
    mutating func removeLast() {
        precondition(count > 0)
        count -= 1
    }

    /// Takes out the member at `position`; the last one takes its place. Returns the one that now
    /// stands there, if it is another.
    mutating func swapRemove(at position: UInt32) -> Member? {
        let last = self[count - 1]
        removeLast()
        guard position < count else { return nil }
        self[position] = last
        return last
    }

    private mutating func grow() {
        let larger = max(capacity * 2, 4)
        let moved = UnsafeMutablePointer<Member>.allocate(capacity: Int(larger))
        if let members = unsafe members {
            unsafe moved.update(from: members, count: Int(count))
            unsafe members.deallocate()
        }
        unsafe members = moved
        capacity = larger
    }
}
