internal import Reactor

// Whose turn it is to be heard. Those who have to wait do so in the order in which they came, out of
// epoll's sight, so that many of them cost a turn nothing.
extension Clients {
    // Hot path.
    /// Whose share of a turn the client's bytes are read from.
    package func share(of index: ClientIndex) -> TurnShare {
        let client = self[index]
        return client.phase == .open || client.flags.contains(.admin) ? .members : .strangers
    }

    // Hot path.
    /// Whether somebody waits already, whom nobody who comes now may overtake.
    package func hasWaiting(_ share: TurnShare) -> Bool {
        switch share {
        case .strangers: !waitingStrangers.isEmpty
        case .members: !waitingMembers.isEmpty
        }
    }

    /// Whether anybody waits, of which no event tells.
    package var hasWaiting: Bool { !waitingStrangers.isEmpty || !waitingMembers.isEmpty }

    /// Lets the client wait behind all others.
    ///
    /// - Parameter hasUnread: whether something that can be read is kept of it, so that it is read
    ///   before its socket.
    package mutating func awaitTurn(_ index: ClientIndex, hasUnread: Bool) {
        if hasUnread { self[index].flags.insert(.hasUnread) }
        guard !self[index].flags.contains(.awaitsTurn) else { return }
        self[index].flags.insert(.awaitsTurn)
        switch share(of: index) {
        case .strangers: waitingStrangers.append(index)
        case .members: waitingMembers.append(index)
        }
        noteInterest(of: index)
    }

    /// Who has waited for longest; it goes on waiting until `endTurn`.
    package mutating func firstWaiting(_ share: TurnShare) -> ClientIndex? {
        switch share {
        case .strangers:
            while let index = waitingStrangers.head {
                if isWaiting(index) { return index }
                _ = waitingStrangers.removeFirst()
            }
        case .members:
            while let index = waitingMembers.head {
                if isWaiting(index) { return index }
                _ = waitingMembers.removeFirst()
            }
        }
        return nil
    }

    /// A place may be another client's by now, or one that is heard already, which does no harm: who
    /// waits is marked.
    private func isWaiting(_ index: ClientIndex) -> Bool {
        isOccupied(index) && self[index].phase != .closed
            && self[index].flags.contains(.awaitsTurn)
    }

    /// It is the turn of the one that has waited for longest.
    package mutating func endTurn(_ share: TurnShare) {
        let index =
            share == .strangers ? waitingStrangers.removeFirst() : waitingMembers.removeFirst()
        guard let index else { return }
        self[index].flags.remove(.awaitsTurn)
        noteInterest(of: index)
    }

    // Hot path.
    /// The client's bytes in the inbox are being read, whether they could be or not.
    package mutating func beginReading(_ index: ClientIndex) {
        self[index].flags.remove(.hasUnread)
        releaseLeftover(of: index)
    }
}
