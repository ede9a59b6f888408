package import Reactor

/// The kinds of log lines that outsiders can cause in any number, each limited by itself, so that
/// a storm of one doesn't hide another.
package enum LogEventKind: UInt8, CaseIterable, Sendable {
    case clientOpened, clientClosed, clientJoined, clientLeft, handshakeRefused, badMessage
    case unknownType, slowClient, notification, badNotification, broadcast, resync, acceptPaused
    case limitReached, proxyFault, subscriptionRevoked, databaseTrouble

    package static let count = 17

    package var text: StaticString {
        switch self {
        case .clientOpened: "client_opened"
        case .clientClosed: "client_closed"
        case .clientJoined: "client_joined"
        case .clientLeft: "client_left"
        case .handshakeRefused: "handshake_refused"
        case .badMessage: "bad_message"
        case .unknownType: "unknown_type"
        case .slowClient: "slow_client"
        case .notification: "notification"
        case .badNotification: "bad_notification"
        case .broadcast: "broadcast"
        case .resync: "resync"
        case .acceptPaused: "accept_paused"
        case .limitReached: "limit_reached"
        case .proxyFault: "proxy_fault"
        case .subscriptionRevoked: "subscription_revoked"
        case .databaseTrouble: "database_trouble"
        }
    }
}

/// Lets log lines of each kind through at a bounded rate and counts the others.
///
/// A token bucket for each kind, in the form of the generic cell rate algorithm (ITU-T I.371):
/// one instant says when the bucket will be full again; nothing has to be refilled.
package struct LogLimiter: Sendable {
    package enum Admission: Equatable, Sendable {
        /// Write the line, and say that `suppressed` of its kind before it were not written.
        case allowed(suppressed: UInt64)
        case suppressed
    }

    /// Nanoseconds between lines at the steady rate.
    private let interval: UInt64
    /// How far the bucket's instant may lie ahead: the burst less one line, in nanoseconds.
    private let tolerance: UInt64
    private var fullAt: InlineArray<17, UInt64>
    private var pending: InlineArray<17, UInt64>
    /// All lines that were suppressed since the start.
    package private(set) var suppressedCount: UInt64 = 0

    /// 20 lines a second are more than anybody reads and less than a disk notices; 50 at once
    /// show a small deployment's every client.
    package init(linesPerSecond: UInt64 = 20, burst: UInt64 = 50) {
        precondition(linesPerSecond > 0 && linesPerSecond <= 1_000_000)
        precondition(burst > 0 && burst <= 1_000_000)
        precondition(LogEventKind.allCases.count == LogEventKind.count)
        interval = 1_000_000_000 / linesPerSecond
        tolerance = interval * (burst - 1)
        fullAt = InlineArray(repeating: 0)
        pending = InlineArray(repeating: 0)
    }

    /// Hot path.
    package mutating func admit(_ kind: LogEventKind, at now: Instant) -> Admission {
        let index = Int(kind.rawValue)
        let full = max(fullAt[index], now.nanoseconds)
        guard full - now.nanoseconds <= tolerance else {
            pending[index] &+= 1
            suppressedCount &+= 1
            return .suppressed
        }
        fullAt[index] = Instant(nanoseconds: full).advanced(byNanoseconds: interval).nanoseconds
        let suppressed = pending[index]
        pending[index] = 0
        return .allowed(suppressed: suppressed)
    }

    /// How many of a kind were suppressed and not yet reported; they count as reported then.
    package mutating func removePending(_ kind: LogEventKind) -> UInt64 {
        let index = Int(kind.rawValue)
        let suppressed = pending[index]
        pending[index] = 0
        return suppressed
    }
}
