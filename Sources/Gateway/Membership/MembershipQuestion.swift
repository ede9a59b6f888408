internal import Reactor

/// The answer.
package enum MembershipVerdict: BitwiseCopyable {
    case member
    case notMember
    /// The database didn't say: never taken for a yes.
    case unknown
}

/// What somebody wants to do with the answer.
package enum MembershipPurpose: BitwiseCopyable {
    /// A handshake whose URL names the project. The answer that opens the WebSocket is written
    /// already, and kept in the client's `message`.
    case handshake(TokenClaims, ResponseForm, since: Since?)
    case status(ResponseForm)
    case initialize(Reference, since: Since?)
    case join(keepsOthers: Bool, Reference, since: Since?)
    /// Connections of the user that are subscribed and get nothing until it is answered.
    case verifyUser
    /// The same for all of a project's audience.
    case verifyRoom
    /// A membership in use, looked at again although nothing was announced.
    case recheck

    /// Whether a client waits, and not the hub.
    package var isClients: Bool {
        switch self {
        case .handshake, .status, .initialize, .join: true
        case .verifyUser, .verifyRoom, .recheck: false
        }
    }
}

/// Who asks.
struct MembershipAsker: BitwiseCopyable {
    let purpose: MembershipPurpose
    /// The client that waits; of no meaning for a verification.
    let client: Handle
    /// Whether it asked after the question was sent. Then the answer may have been found before:
    /// a yes still holds, since a removal since then would have been announced to us, but a
    /// membership of which the asker knows may be younger than a no.
    var isLate = false
    /// The next one with the same question; 0 for the last.
    var next: UInt32 = 0
}

/// A pair that is being asked about, by whomever.
struct MembershipQuestion: BitwiseCopyable {
    enum State: BitwiseCopyable {
        /// Not sent yet.
        case waiting
        /// On its way, in a batch.
        case sent
        /// Answered; the askers are notified one after the other.
        case answered(MembershipVerdict)
    }

    let pair: MembershipPair
    var state = State.waiting
    /// Whether a removal was announced since it was sent: the answer, whichever it is, may be
    /// older than the removal.
    var isOutdated = false
    /// In the batch that carries it: whether the answer names it.
    var isNamed = false
    /// Times that it was sent.
    var attempts: UInt8 = 0
    var firstAsker: UInt32 = 0
    var lastAsker: UInt32 = 0
    /// Askers who accept a no only from an answer that was found after they asked.
    var firstLate: UInt32 = 0

    init(_ pair: MembershipPair) {
        self.pair = pair
    }
}
