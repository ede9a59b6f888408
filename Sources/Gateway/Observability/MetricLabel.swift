/// A closed set of values that one metric's label takes. Closed, because every value is a time
/// series that somebody stores: nothing that a peer chooses becomes a label.
package protocol MetricLabel: CaseIterable, Sendable {
    /// The case's position, from zero on without gaps.
    var ordinal: Int { get }
    /// The label's value in the exposition.
    var text: StaticString { get }
}

extension MetricLabel where Self: RawRepresentable, RawValue == UInt8 {
    package var ordinal: Int { Int(rawValue) }
}

/// One counter for each value of a label, kept in place: counting is an addition to a word.
///
/// Every counter has the same room, so that a label gets a value without anybody's counting how many
/// it has. The room is 256 bytes, which is what a value that lies in place should have at most; a
/// label that outgrows it ends the program at its start, in every test.
package struct LabelledCounter<Label: MetricLabel>: Sendable {
    private var counts: InlineArray<32, UInt64>

    package init() {
        counts = InlineArray(repeating: 0)
        precondition(Label.allCases.count <= counts.count)
        for (position, label) in Label.allCases.enumerated() {
            precondition(label.ordinal == position)
        }
    }

    /// Hot path.
    package subscript(_ label: Label) -> UInt64 {
        get { counts[label.ordinal] }
        set { counts[label.ordinal] = newValue }
    }
}

/// How a connection ended: the close code that was sent or received first (RFC 6455 §7.4).
package enum CloseLabel: UInt8, MetricLabel {
    case normal, goingAway, protocolError, unsupportedData, noStatus, abnormal, invalidPayload
    case policyViolation, tooBig, internalError, serviceRestart, tryAgainLater
    case badToken, initTimeout, notAllowed, tokenExpired, silent, tooSlow, contextLost
    case overMessageRate, tooManyOfUser, tooManyOfAddress
    case other

    /// 1005 stands for a close frame without a code, 1006 for an end without a close frame;
    /// what a peer makes up is `other`.
    package init(closeCode: UInt16) {
        switch closeCode {
        case 1000: self = .normal
        case 1001: self = .goingAway
        case 1002: self = .protocolError
        case 1003: self = .unsupportedData
        case 1005: self = .noStatus
        case 1006: self = .abnormal
        case 1007: self = .invalidPayload
        case 1008: self = .policyViolation
        case 1009: self = .tooBig
        case 1011: self = .internalError
        case 1012: self = .serviceRestart
        case 1013: self = .tryAgainLater
        case 4001: self = .badToken
        case 4002: self = .initTimeout
        case 4003: self = .notAllowed
        case 4101: self = .tokenExpired
        case 4201: self = .silent
        case 4202: self = .tooSlow
        case 4203: self = .contextLost
        case 4301: self = .overMessageRate
        case 4302: self = .tooManyOfUser
        case 4303: self = .tooManyOfAddress
        default: self = .other
        }
    }

    package var text: StaticString {
        switch self {
        case .normal: "1000"
        case .goingAway: "1001"
        case .protocolError: "1002"
        case .unsupportedData: "1003"
        case .noStatus: "1005"
        case .abnormal: "1006"
        case .invalidPayload: "1007"
        case .policyViolation: "1008"
        case .tooBig: "1009"
        case .internalError: "1011"
        case .serviceRestart: "1012"
        case .tryAgainLater: "1013"
        case .badToken: "4001"
        case .initTimeout: "4002"
        case .notAllowed: "4003"
        case .tokenExpired: "4101"
        case .silent: "4201"
        case .tooSlow: "4202"
        case .contextLost: "4203"
        case .overMessageRate: "4301"
        case .tooManyOfUser: "4302"
        case .tooManyOfAddress: "4303"
        case .other: "other"
        }
    }
}

/// Who waited for its turn.
package enum WaitLabel: UInt8, MetricLabel {
    case strangers, members

    package init(_ share: TurnShare) {
        self = share == .strangers ? .strangers : .members
    }

    package var text: StaticString {
        switch self {
        case .strangers: "strangers"
        case .members: "members"
        }
    }
}

/// Why a request didn't become a WebSocket: the error codes of the HTTP answers.
package enum RefusalLabel: UInt8, MetricLabel {
    case badRequest, unauthorized, forbidden, notFound, methodNotAllowed, timeout
    case upgradeRequired, tooManyConnections, headerTooLarge, unavailable

    package var text: StaticString {
        switch self {
        case .badRequest: "bad_request"
        case .unauthorized: "unauthorized"
        case .forbidden: "forbidden"
        case .notFound: "not_found"
        case .methodNotAllowed: "method_not_allowed"
        case .timeout: "timeout"
        case .upgradeRequired: "upgrade_required"
        case .tooManyConnections: "too_many_connections"
        case .headerTooLarge: "header_too_large"
        case .unavailable: "unavailable"
        }
    }
}

/// What became of a SIGHUP.
package enum ReloadLabel: UInt8, MetricLabel {
    case done
    /// What was there before stays in use, at least of one kind.
    case failed

    package var text: StaticString {
        switch self {
        case .done: "ok"
        case .failed: "failed"
        }
    }
}

/// What became of a question about membership.
package enum MembershipLabel: UInt8, MetricLabel {
    case member, notMember, unavailable

    package var text: StaticString {
        switch self {
        case .member: "member"
        case .notMember: "not_member"
        case .unavailable: "unavailable"
        }
    }
}

/// What clients are told of who is present.
package enum PresenceMessageLabel: UInt8, MetricLabel {
    case state, diff, typing

    package var text: StaticString {
        switch self {
        case .state: "presence_state"
        case .diff: "presence_diff"
        case .typing: "typing"
        }
    }
}

/// What became of signs that somebody types.
extension TypingOutcome: MetricLabel {
    package var text: StaticString {
        switch self {
        case .counted: "counted"
        case .swallowed: "swallowed"
        case .hidden: "hidden"
        case .full: "full"
        }
    }
}

/// What became of direct messages that clients sent.
extension DirectOutcome: MetricLabel {
    package var text: StaticString {
        switch self {
        case .sent: "sent"
        case .repeated: "repeated"
        case .notAllowed: "not_allowed"
        case .inboxFull: "inbox_full"
        case .tooLarge: "too_large"
        case .invalid: "invalid"
        case .tooFast: "too_fast"
        case .unavailable: "unavailable"
        }
    }
}

/// The types of the messages that clients send.
extension ClientMessage.Kind: MetricLabel {}

/// Why a project was announced as "you may have missed something of it".
extension ResyncReason: MetricLabel {}

/// The codes of the error messages that clients are sent.
extension ErrorCode: MetricLabel {}
