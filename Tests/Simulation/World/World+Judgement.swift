internal import Gateway
internal import Reactor

// What must hold after each turn.
extension World {
    /// How much later than its deadline something may happen: the timers' ticks, and a turn.
    private static var slack: UInt64 { 1_000_000_000 }
    private static var handshakeNanoseconds: UInt64 { 10_000_000_000 }
    private static var silenceNanoseconds: UInt64 { 60_000_000_000 }
    private static var patienceNanoseconds: UInt64 { 10_000_000_000 }
    private static var stallNanoseconds: UInt64 { 60_000_000_000 }
    private static var closeNanoseconds: UInt64 { 5_000_000_000 }
    private static var leewaySeconds: Int64 { 30 }

    mutating func checkTurn() throws(Violation) {
        if let broken = core.brokenInvariant() { throw Violation(.core, "\(broken)") }
        for number in live { try check(kernel.peers[number], number) }
        try checkCounts()
    }

    /// Whether the connection is over, but for its last words and its slot.
    private func isOverBesidesItsTurn(_ peer: Peer) -> Bool {
        let phase = core.clients[peer.index].phase
        return phase == .closed || phase == .flushing && waitsForItsTurn(peer)
    }

    /// Whether something is for the peer that the turn's budget didn't allow to be written.
    func waitsForItsTurn(_ peer: Peer) -> Bool {
        core.clients[peer.index].queue.marks.contains(.dirty)
    }

    private func check(_ peer: Peer, _ number: Int) throws(Violation) {
        if !peer.isShort, !peer.hearing.isWhole {
            throw Violation(.stream, "half of a frame, though the socket takes more")
        }
        // What is due for it happens, and is told, in one of the next turns.
        guard !waitsForItsTurn(peer), !isOverBesidesItsTurn(peer) else { return }
        if let closedAt = peer.closedAt,
            now.nanoseconds(since: closedAt) > Self.closeNanoseconds + Self.slack
        {
            throw Violation(.closing, "connection \(number) outlived its Close frame")
        }
        if peer.isShort {
            guard now.nanoseconds(since: peer.lastTaken) > Self.stallNanoseconds + Self.slack
            else { return }
            throw Violation(.closing, "connection \(number) has taken nothing for long")
        }
        guard !peer.isVanished else { return }
        let age = now.nanoseconds(since: peer.connectedAt)
        // With so little of a turn for strangers one may wait for all that came before it.
        if peer.hearing.statuses.isEmpty, !facts.checksMembership, facts.turn == .unlimited,
            age > Self.handshakeNanoseconds + Self.slack
        {
            throw Violation(.closing, "connection \(number) got no answer in time")
        }
        guard peer.hearing.isOpen, !peer.hearing.isLawless else { return }
        // Who has just been let in may have waited for that beyond the token's end.
        guard let openedAt = peer.openedAt, now.nanoseconds(since: openedAt) > Self.slack
        else { return }
        try checkDeadlines(peer, number)
    }

    private func checkDeadlines(_ peer: Peer, _ number: Int) throws(Violation) {
        if peer.hearing.user == nil {
            // Its time begins with the upgrade, which may have waited for others to be heard.
            let age = now.nanoseconds(since: peer.openedAt ?? peer.connectedAt)
            if age > 2 * (Self.handshakeNanoseconds + Self.slack), !peer.hearing.isWaiting,
                facts.turn == .unlimited
            {
                throw Violation(.closing, "connection \(number) has never said who it is")
            }
        } else if wall.unixSeconds > peer.hearing.expiresAt + Self.leewaySeconds + 1,
            !peer.hearing.isWaiting
        {
            throw Violation(.closing, "the token of connection \(number) has expired")
        }
        // A process that stands still asks nobody, and nobody can have failed to answer.
        let silence = awakeNanoseconds - max(peer.lastArrivalAwake, lastAnswer)
        // Nor is who waits for a database that is away.
        let patience = facts.checksMembership ? Self.patienceNanoseconds : 0
        if silence > Self.silenceNanoseconds + patience + Self.slack,
            !peer.hearing.isWaiting
        {
            throw Violation(.closing, "connection \(number) has been silent for long")
        }
    }

    /// Nobody has more connections than are allowed.
    private func checkCounts() throws(Violation) {
        var open = 0
        var byUser = Array(repeating: 0, count: facts.users)
        var unauthenticated = 0
        for number in live where kernel.peers[number].hearing.isOpen {
            if isOverBesidesItsTurn(kernel.peers[number]) { continue }
            let hearing = kernel.peers[number].hearing
            open += 1
            if let user = hearing.user { byUser[user] += 1 }
            if hearing.user == nil, !hearing.isWaiting { unauthenticated += 1 }
        }
        if open > facts.connectionsMax {
            throw Violation(.admission, "\(open) WebSockets")
        }
        if open > Int(core.metrics.connections) || Int(core.metrics.connections) > live.count {
            throw Violation(
                .metrics, "\(open) open, and counted are \(core.metrics.connections)")
        }
        if let most = facts.admission.connectionsPerUser, byUser.contains(where: { $0 > most }) {
            throw Violation(.admission, "\(byUser) connections of users")
        }
        if let most = facts.admission.unauthenticatedConnections, unauthenticated > most {
            throw Violation(.admission, "\(unauthenticated) connections of nobody")
        }
    }

    // MARK: Ends

    /// The gateway has sent a Close frame: was there a reason for its code?
    func checkClose(of peer: Peer) throws(Violation) {
        guard !peer.hearing.isLawless, let code = peer.hearing.closeCode else { return }
        let hasReason: Bool
        switch code {
        case 1012: hasReason = drainBegan != nil
        case 1013: hasReason = facts.checksMembership
        // Tokens in an `init` are of the right key: there was none, or it had expired.
        case 4001: hasReason = peer.hearing.user == nil && peer.hearing.refusedExpiry == nil
        case 4002:
            // Its time is up, or it said much that was no init: the last of that is unanswered.
            hasReason =
                now.nanoseconds(since: peer.connectedAt) + Self.slack
                >= Self.handshakeNanoseconds
                || peer.hearing.user == nil && peer.hearing.isWaiting
        case 4101:
            let expiry = min(peer.hearing.earliestExpiry, peer.hearing.refusedExpiry ?? .max)
            hasReason = wall.unixSeconds + 1 >= expiry + Self.leewaySeconds
        case 4201:
            // The frame may have waited for its socket.
            let silence = max(peer.longestSilence, now.nanoseconds(since: peer.lastArrival))
            hasReason = silence + Self.slack >= Self.silenceNanoseconds
        case 4202: hasReason = peer.wasShort
        case 4301:
            hasReason =
                facts.admission.messagesPerSecond != nil || facts.admission.errorsPerMinute != nil
        case 4302: hasReason = facts.admission.connectionsPerUser != nil
        default: hasReason = false
        }
        if !hasReason { throw Violation(.closing, "closed with \(code) without a reason") }
    }

    /// The gateway has closed the descriptor: was there a reason?
    func checkFreed(_ peer: Peer) throws(Violation) {
        let isOver = peer.isEnded || peer.isReset || peer.isVanished || peer.isShort
        if isOver || peer.hearing.isLawless || peer.hearing.isClosed { return }
        if peer.hearing.isOpen {
            throw Violation(.closing, "a WebSocket was closed without a word")
        }
    }
}
