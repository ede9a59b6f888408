internal import Reactor

// Rooms of few users in which nothing happens are packed after some seconds (`RestingRows`), since the
// counts and instants here are many times what is to be kept of a user.
extension PresenceRoom {
    var isSmall: Bool { users.count <= Limits.presenceRestingUsersMax }

    /// Whether nothing is to be told, and nobody to be given up: then all else follows from the users.
    func canRest(truncates: Bool, _ now: Instant) -> Bool {
        guard isSmall, !users.isEmpty, !isQueued, cursor == nil, roundAt == nil, expiryTick == .max,
            !needsRound(truncates: truncates),
            lastRound.map({ $0.advanced(byNanoseconds: pace) <= now }) ?? true
        else { return false }
        return users.indices.allSatisfy {
            users[$0].marks.isDisjoint(with: [.lingers, .staysHidden])
        }
    }

    /// Begins to be what it was before it rested. Users have to follow, and who follows the changes is
    /// to be counted.
    ///
    /// - Parameter isTruncated: whether nobody is told who is present.
    mutating func resume(at sequence: UInt64, isTruncated: Bool) {
        self.sequence = sequence
        self.isTruncated = isTruncated
    }

    mutating func resume(_ packed: PackedUser) {
        let user = packed.unpacked(isTruncated: isTruncated)
        _ = append(user)
        if user.marks.contains(.isOwn) { ownCount += 1 }
        if user.current != .absent {
            visibleCount += 1
            publishedCount += 1
        }
        if user.isChanged { changedCount += 1 }
    }
}
