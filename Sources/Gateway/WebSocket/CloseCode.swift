/// Why a connection is closed (RFC 6455 §7.4). For codes of ours the range tells the client what
/// to do: 40xx give up, 41xx get a fresh token, 42xx reconnect, 43xx reconnect later.
package struct CloseCode: RawRepresentable, Hashable, BitwiseCopyable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Whether a close frame may carry this code: defined by RFC 6455 §7.4.1, registered with IANA
    /// since (1012 to 1014), or from the ranges for libraries and applications (§7.4.2).
    package var isValidOnWire: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

/// The codes of the standard and of the IANA registry that this program uses.
extension CloseCode {
    package static let normal = CloseCode(rawValue: 1000)
    package static let goingAway = CloseCode(rawValue: 1001)
    package static let protocolError = CloseCode(rawValue: 1002)
    /// A binary message where only text is understood.
    package static let unsupportedData = CloseCode(rawValue: 1003)
    /// Stands for a close frame that carries no code. Never itself on the wire.
    package static let noStatusReceived = CloseCode(rawValue: 1005)
    /// Text that isn't UTF-8.
    package static let invalidPayload = CloseCode(rawValue: 1007)
    /// Something that nobody does who means well.
    package static let policyViolation = CloseCode(rawValue: 1008)
    package static let messageTooBig = CloseCode(rawValue: 1009)
    package static let internalError = CloseCode(rawValue: 1011)
    package static let serviceRestart = CloseCode(rawValue: 1012)
    package static let tryAgainLater = CloseCode(rawValue: 1013)
}

/// The gateway's own codes.
extension CloseCode {
    package static let badToken = CloseCode(rawValue: 4001)
    /// No `init` message in time.
    package static let initTimeout = CloseCode(rawValue: 4002)
    package static let forbidden = CloseCode(rawValue: 4003)
    package static let tokenExpired = CloseCode(rawValue: 4101)
    /// Nothing was heard from the client for too long.
    package static let readTimeout = CloseCode(rawValue: 4201)
    /// The client doesn't read what it is sent.
    package static let tooSlow = CloseCode(rawValue: 4202)
    /// A compressed message refers to more of what came before than is kept. On a new connection
    /// nothing came before.
    package static let contextLost = CloseCode(rawValue: 4203)
    package static let messageRate = CloseCode(rawValue: 4301)
    package static let tooManyConnectionsOfUser = CloseCode(rawValue: 4302)
    package static let tooManyConnectionsOfAddress = CloseCode(rawValue: 4303)
}
