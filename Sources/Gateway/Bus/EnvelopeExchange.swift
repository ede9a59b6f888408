package import Reactor

/// What carriers to other hosts have in common, whichever way the bytes go: frames that leave in envelopes
/// and come out of them, whether this process hears itself, and what is counted of it all.
///
/// The carrier hands in what has come, and sends what it is given if it has room.
package struct EnvelopeExchange: ~Copyable {
    private let own: BusIdentity
    /// Whether processes of the own host are reached in another way.
    private let hasRelay: Bool
    private var envelopes: Envelopes
    private var heardOwnAt = Instant(nanoseconds: 0)
    /// The envelope by which the round trip is measured, and when it left.
    private var canary: (number: UInt64, at: Instant)?
    private var counted = CarrierFigures()

    package init(_ own: BusIdentity, hasRelay: Bool, envelopes: consuming Envelopes) {
        self.own = own
        self.hasRelay = hasRelay
        self.envelopes = envelopes
    }

    package func figures(isLive: Bool) -> CarrierFigures {
        var figures = counted
        figures.isLive = isLive
        figures.envelopes = envelopes.figures
        return figures
    }

    package mutating func change(secret: consuming HMACSHA256, _ now: Instant) {
        envelopes.change(by: secret, now)
    }

    // MARK: Whether it works

    /// The carrier works from here on, as far as it knows.
    package mutating func begin(_ now: Instant) {
        heardOwnAt = now
        canary = nil
    }

    /// The carrier has lost its connection, which worked.
    package mutating func noteLoss() { counted.losses &+= 1 }

    /// When the carrier is to be given up unless this process has heard itself again.
    package var deafAt: Instant { heardOwnAt.advanced(byNanoseconds: Limits.busDeafNanoseconds) }

    /// Whether it is; then it is counted.
    package mutating func isDeaf(_ now: Instant) -> Bool {
        guard deafAt <= now else { return false }
        counted.deafnesses &+= 1
        return true
    }

    // MARK: Hearing

    /// - Parameter byteCount: of what came, which isn't always an envelope's alone.
    package mutating func noteReceived(byteCount: Int) {
        counted.bytesReceived &+= UInt64(byteCount)
    }

    /// The frame in an envelope; `nil` when there is none, or none of a process that is believed.
    package mutating func open(_ envelope: [UInt8], _ now: Instant) -> [UInt8]? {
        counted.framesReceived &+= 1
        switch envelopes.open(envelope.span, now) {
        case .frame(let range): return Array(envelope[range])
        case .own(let number):
            heardOwnAt = now
            if let canary, canary.number == number {
                counted.roundTripNanoseconds = now.nanoseconds(since: canary.at)
            }
            return nil
        case .nothing: return nil
        }
    }

    /// Whether a process that doesn't know this one has asked who it is. Says so once.
    package mutating func takeGreetingDue() -> Bool {
        defer { envelopes.isGreetingDue = false }
        return envelopes.isGreetingDue
    }

    // MARK: Saying

    /// Whether a frame is for other hosts.
    package func concernsOthers(_ frame: borrowing Span<UInt8>) -> Bool {
        guard hasRelay, let node = BusFrame.target(of: frame) else { return true }
        return !BusIdentity(node: node, epoch: 0).isOfHost(of: own)
    }

    /// What others have asked, and wait for: it leaves before any frame, since whoever has asked who this is
    /// believes none before the answer.
    package mutating func dequeueAnswer() -> Envelopes.Outgoing? { envelopes.dequeueOutgoing() }

    /// The envelope with a frame; `nil` when there can't be one.
    package mutating func wrap(_ frame: borrowing Span<UInt8>) -> Envelopes.Outgoing? {
        guard let bytes = envelopes.wrap(frame) else { return nil }
        return Envelopes.Outgoing(target: BusFrame.target(of: frame), bytes: bytes)
    }

    /// The carrier has taken the envelope that was made last.
    package mutating func noteSent(_ envelope: Envelopes.Outgoing, _ now: Instant) {
        counted.framesSent &+= 1
        counted.bytesSent &+= UInt64(envelope.bytes.count)
        // What is for all comes back to this process too.
        if envelope.target == nil { canary = (envelopes.number, now) }
    }

    /// It has no room for one, or nobody is there to take it.
    package mutating func noteDropped() { counted.framesDropped &+= 1 }
}
