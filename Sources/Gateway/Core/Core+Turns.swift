internal import Reactor

// Who is heard in this turn, and who in a later one.
extension Core {
    // Hot path.
    /// Whether a client of which epoll tells is heard now. If not, it is told of by `dequeueTurn` when
    /// its turn has come, in this turn of the loop or a later one; until then epoll doesn't watch it.
    package mutating func mayReceive(from index: ClientIndex) -> Bool {
        let client = clients[index]
        // Of a PROXY header only its own bytes are taken, by a reader of its own.
        if client.flags.contains(.admin) || client.phase == .proxyHeader { return true }
        let share = clients.share(of: index)
        if budget.hasLeft(share), !clients.hasWaiting(share), maySign(index) { return true }
        metrics.waits[WaitLabel(share)] += 1
        clients.awaitTurn(index, hasUnread: false)
        return false
    }

    /// The next client whose turn it is among those who wait.
    ///
    /// When `hasUnread`, what is kept of it is read and nothing else: `restoreLeftover`, then
    /// `receive` with nothing new.
    package mutating func dequeueTurn() -> ClientIndex? {
        dequeueTurn(of: .members) ?? dequeueTurn(of: .strangers)
    }

    private mutating func dequeueTurn(of share: TurnShare) -> ClientIndex? {
        while budget.serves(share), let index = clients.firstWaiting(share), maySign(index) {
            clients.endTurn(share)
            budget.noteServed(share)
            // Its leftover can't be read yet when something else holds it up.
            if !clients[index].isPaused { return index }
        }
        return nil
    }

    /// Whether bytes are kept of the client that were never looked at.
    package func hasUnread(_ index: ClientIndex) -> Bool {
        clients[index].flags.contains(.hasUnread)
    }

    // Hot path.
    /// Whose share of the turn pays for hearing the client.
    package func share(of index: ClientIndex) -> TurnShare { clients.share(of: index) }

    // Hot path.
    /// Takes what hearing somebody has cost off the turn.
    package mutating func spend(_ nanoseconds: UInt64, of share: TurnShare) {
        budget.spend(nanoseconds, of: share)
    }

    // MARK: Signatures

    /// Whether the client can have a signature checked, if that is what it is about to ask for.
    ///
    /// Signatures of public keys cost so much that a turn has a share of them, whatever they are
    /// needed for. Who has waited for half of the time it has is heard all the same, and told to come
    /// back (503).
    private mutating func maySign(_ index: ClientIndex) -> Bool {
        guard verifier.costlyChecksLeft < KeyRing.triesMax else { return true }
        let client = clients[index]
        let patience: UInt64
        switch client.phase {
        case .request where client.flags.contains(.admin):
            return true
        case .request:
            patience = settings.times.handshakeNanoseconds / 2
        case .awaitingInit:
            patience = settings.times.initNanoseconds / 2
        case .proxyHeader, .open, .closing, .draining, .finished, .flushing, .closed:
            return true
        }
        guard client.deadlineTick > clock.tick(afterNanoseconds: patience) else { return true }
        metrics.verificationsDeferred += 1
        return false
    }
}
