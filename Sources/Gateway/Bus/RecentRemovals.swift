internal import Reactor

/// Members who were announced to be removed a short while ago, and those who are shunned for it.
struct RecentRemovals {
    private var removals: [MembershipPair: Instant] = [:]
    /// The oldest first.
    private var shunned: [(pair: MembershipPair, until: Instant)] = []

    func contains(_ pair: MembershipPair) -> Bool {
        !removals.isEmpty && removals[pair] != nil
    }

    mutating func note(_ pair: MembershipPair, _ now: Instant) {
        guard removals.count < Limits.busRemovalsMax || removals[pair] != nil else { return }
        removals[pair] = now
    }

    /// Those beyond the bound are shunned until their node says that they are absent.
    mutating func noteShunned(_ pair: MembershipPair, _ now: Instant) {
        guard shunned.count < Limits.busRemovalsMax else { return }
        shunned.append((pair, now.advanced(byNanoseconds: Limits.busShunNanoseconds)))
    }

    /// Forgets what was a while ago. Returns who has been shunned for long enough.
    mutating func check(_ now: Instant) -> [MembershipPair] {
        if !removals.isEmpty {
            removals = removals.filter {
                now.nanoseconds(since: $0.value) < Limits.busRemovedNanoseconds
            }
        }
        let due = shunned.prefix { $0.until <= now }.map(\.pair)
        shunned.removeFirst(due.count)
        return due
    }
}
