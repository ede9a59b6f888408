internal import Reactor

// Signatures of public keys cost so much that a turn has a share of them. Who comes when it is used
// up waits in its socket: its bytes aren't read, and epoll reports it again in the next turn.
extension Core {
    /// Whether bytes of the client are taken in this turn.
    ///
    /// Only those wait who may be about to show a token for the first time. Who waited for half of
    /// the time it has is heard all the same, and told to come back (503).
    package mutating func takesBytes(of index: ClientIndex) -> Bool {
        guard verifier.costlyChecksLeft < KeyRing.triesMax else { return true }
        let client = clients[index]
        let patience: UInt64
        switch client.phase {
        case .request where client.flags.contains(.admin):
            return true
        case .request:
            patience = settings.handshakeTimeoutNanoseconds / 2
        case .awaitingInit:
            patience = settings.initTimeoutNanoseconds / 2
        case .proxyHeader, .open, .closing, .draining, .flushing, .gone:
            return true
        }
        guard client.deadlineTick > TimerWheel.tick(patience, after: now) else { return true }
        metrics.verificationsDeferred += 1
        return false
    }
}
