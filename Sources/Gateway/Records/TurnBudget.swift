/// Whose bytes are read: each kind has a share of a turn that the other one can't use up.
package enum TurnShare: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Those who have yet to show who they are: TLS handshakes, requests, `init`.
    case strangers
    /// Clients with a user, and operators.
    case members
}

/// What a turn may still spend on what clients say.
///
/// One rule: as long as a share has something left, the next one who waits for it is heard; the one that
/// exceeds it is finished. Everybody else waits, in the order in which they came. And one of each
/// share is heard in every turn, so that nobody waits for ever.
package struct TurnBudget: BitwiseCopyable, Sendable {
    /// Nanoseconds for each share, and of work for one client at a time.
    package struct Amounts: BitwiseCopyable, Equatable, Sendable {
        package var strangersNanoseconds: UInt64
        package var membersNanoseconds: UInt64
        package var clientNanoseconds: UInt64

        package init(strangers: UInt64, members: UInt64, client: UInt64) {
            strangersNanoseconds = strangers
            membersNanoseconds = members
            clientNanoseconds = client
        }

        /// Everybody is heard to the end.
        package static let unlimited = Amounts(strangers: .max, members: .max, client: .max)
    }

    private var strangersLeft: UInt64
    private var membersLeft: UInt64
    private var hasServedStranger = false
    private var hasServedMember = false

    package init(_ amounts: Amounts) {
        strangersLeft = amounts.strangersNanoseconds
        membersLeft = amounts.membersNanoseconds
    }

    // Hot path.
    /// Whether the share has something left.
    package func hasLeft(_ share: TurnShare) -> Bool {
        switch share {
        case .strangers: strangersLeft > 0
        case .members: membersLeft > 0
        }
    }

    /// Whether one who waits may be heard: the first one of a turn in any case.
    package func serves(_ share: TurnShare) -> Bool {
        hasLeft(share) || !(share == .strangers ? hasServedStranger : hasServedMember)
    }

    /// One who waited is heard.
    package mutating func noteServed(_ share: TurnShare) {
        switch share {
        case .strangers: hasServedStranger = true
        case .members: hasServedMember = true
        }
    }

    // Hot path.
    /// Takes off what hearing somebody has cost.
    package mutating func spend(_ nanoseconds: UInt64, of share: TurnShare) {
        switch share {
        case .strangers: strangersLeft -= min(strangersLeft, nanoseconds)
        case .members: membersLeft -= min(membersLeft, nanoseconds)
        }
    }
}
