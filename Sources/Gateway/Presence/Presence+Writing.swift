package import Reactor

// The messages of a room.
extension Presence {
    /// Writes who is present, or how many are.
    ///
    /// - Parameter isEarly: with what the next round will tell, and its number; else as was told.
    package func writeState(
        of raw: UInt32, withList: Bool, isEarly: Bool, into text: inout ByteBuffer
    ) {
        ServerMessage.beginPresenceState(
            project: self[raw].project, sequence: self[raw].sequence &+ (isEarly ? 1 : 0),
            count: isEarly ? self[raw].visibleCount : self[raw].publishedCount, into: &text)
        if withList {
            var isFirst = true
            for position in self[raw].users.indices {
                let user = self[raw][position]
                let seen = isEarly ? user.current : user.published
                guard let state = seen.state else { continue }
                ServerMessage.addPresent(user.user, state, isFirst: isFirst, to: &text)
                isFirst = false
            }
        }
        ServerMessage.endPresenceState(
            truncated: !withList, partial: isPartial, into: &text)
    }

    /// Writes what a round has to tell.
    func writeChanges(of raw: UInt32, into text: inout ByteBuffer) {
        ServerMessage.beginPresenceDiff(
            project: self[raw].project, sequence: self[raw].sequence,
            count: self[raw].visibleCount, into: &text)
        var isFirst = true
        for position in self[raw].users.indices {
            let user = self[raw][position]
            guard user.published == .absent, let state = user.current.state else { continue }
            ServerMessage.addPresent(user.user, state, isFirst: isFirst, to: &text)
            isFirst = false
        }
        ServerMessage.continueDiffWithLeft(into: &text)
        isFirst = true
        for position in self[raw].users.indices {
            let user = self[raw][position]
            guard user.published != .absent, user.current == .absent else { continue }
            ServerMessage.addUser(user.user, isFirst: isFirst, to: &text)
            isFirst = false
        }
        ServerMessage.continueDiffWithChanged(into: &text)
        isFirst = true
        for position in self[raw].users.indices {
            let user = self[raw][position]
            guard user.isChanged, user.published != .absent, let state = user.current.state
            else { continue }
            ServerMessage.addPresent(user.user, state, isFirst: isFirst, to: &text)
            isFirst = false
        }
        ServerMessage.endPresenceDiff(into: &text)
    }
}

extension Visibility {
    fileprivate var state: ServerMessage.PresentState? {
        switch self {
        case .absent: nil
        case .away: .away
        case .active: .active
        }
    }
}
