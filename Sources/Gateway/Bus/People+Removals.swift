package import Reactor

// Members who were announced to be removed. Each node hears of it by itself, some earlier than others: so
// from there on nobody sees them here, whatever is said elsewhere, until their node says that they are
// absent, or says anew that they are present and that it has heard of it too.
extension People {
    /// The membership was announced to have ended.
    package mutating func noteRemoval(of pair: MembershipPair, _ now: Instant) {
        removals.note(pair, now)
        var found: [UInt32] = []
        table.forEach(pair) { index, _ in found.append(index) }
        for index in found {
            let entry = table[index]
            if entry.source == Self.own {
                table[index].isAnew = true
            } else if entry.isAnew {
                // It was said by one that had heard of this earlier.
                table[index].isAnew = false
            } else if !entry.isShunned {
                shun(index, pair, now)
                noteChanged(pair)
            }
        }
    }

    /// Whether the membership was announced to have ended a short while ago.
    package func wasRemoved(_ pair: MembershipPair) -> Bool { removals.contains(pair) }

    mutating func shun(_ index: UInt32, _ pair: MembershipPair, _ now: Instant) {
        table[index].isShunned = true
        removals.noteShunned(pair, now)
    }

    /// The node has heard of an end, and says that the user is present.
    mutating func believeAnew(_ index: UInt32, _ pair: MembershipPair) {
        let wasShunned = table[index].isShunned
        table[index].isShunned = false
        table[index].isAnew = !wasShunned && !removals.contains(pair)
    }

    /// A node that has said nothing of an end for so long will have heard of it; it may have done so
    /// before this one.
    mutating func endShunning(_ now: Instant) {
        for pair in removals.check(now) {
            var found: [UInt32] = []
            table.forEach(pair) { index, entry in
                if entry.isShunned { found.append(index) }
            }
            guard !found.isEmpty else { continue }
            for index in found { table[index].isShunned = false }
            noteChanged(pair)
        }
    }
}
