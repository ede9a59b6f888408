package import Logging
package import Reactor

/// Everything that the program logs: a method for each event, so that its words, level and keys
/// stand in one place.
///
/// No method writes a token, a secret, or the content of a client's message. Events that
/// outsiders can cause in any number are limited by kind. The level is compared before anything
/// else, so an event that isn't logged costs a branch.
package struct EventLog: ~Copyable {
    private let place = AddressOnly()
    /// Lines below this are not made.
    package let level: Logger.Level
    private let logger: Logger
    private let output: LogOutput
    private var limiter: LogLimiter
    var listenerLosses = RepeatedLine()
    var queryLosses = RepeatedLine()
    var readLosses = RepeatedLine()
    var busLosses = RepeatedLine()
    private var nextReport = Instant(nanoseconds: 0)

    /// How often suppressed lines are reported that no later line of their kind reported.
    private static let reportIntervalNanoseconds: UInt64 = 1_000_000_000

    /// `worker` stands in each line, where several processes write to one place.
    package init(
        format: LogFormat, level: Logger.Level, output: LogOutput = LogOutput(),
        limiter: LogLimiter = LogLimiter(), worker: Int? = nil
    ) {
        var handler = StandardErrorLogHandler(format: format, level: level, output: output)
        if let worker { handler.metadata["worker"] = .stringConvertible(worker) }
        self.level = level
        self.logger = Logger(label: "devhive-gateway", factory: { [handler] _ in handler })
        self.output = output
        self.limiter = limiter
    }

    package var figures: LogFigures {
        LogFigures(
            linesSuppressed: limiter.suppressedCount, linesDropped: output.droppedCount)
    }

    /// Call it each turn: once a second it reports what was suppressed meanwhile.
    package mutating func reportSuppressed(at now: Instant) {
        guard now >= nextReport else { return }
        nextReport = now.advanced(byNanoseconds: Self.reportIntervalNanoseconds)
        for kind in LogEventKind.allCases {
            let suppressed = limiter.removePending(kind)
            guard suppressed > 0 else { continue }
            write(
                kind.level, "log lines suppressed",
                ["kind": .string("\(kind.text)"), "suppressed": .stringConvertible(suppressed)])
        }
    }

    /// How many lines of the kind were suppressed before this one, or `nil` if this one isn't to
    /// be written. Hot path.
    mutating func admit(_ kind: LogEventKind, at now: Instant) -> UInt64? {
        guard kind.level >= level else { return nil }
        switch limiter.admit(kind, at: now) {
        case .allowed(let suppressed): return suppressed
        case .suppressed: return nil
        }
    }

    @inline(never)
    func write(
        _ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata = [:],
        suppressed: UInt64 = 0
    ) {
        var metadata = metadata
        if suppressed > 0 { metadata["suppressed"] = .stringConvertible(suppressed) }
        logger.log(level: level, message, metadata: metadata)
    }

    /// At most `bytesMax` bytes of `bytes` as text, ill-formed UTF-8 repaired.
    static func text(_ bytes: borrowing Span<UInt8>, bytesMax: Int) -> String {
        var buffer = ByteBuffer(capacity: 64)
        buffer.append(bytes.extracting(first: bytesMax))
        return String(decoding: buffer) + (bytes.count > bytesMax ? "…" : "")
    }
}

extension LogEventKind {
    /// The level of the kind's lines.
    package var level: Logger.Level {
        switch self {
        case .clientOpened, .clientClosed, .clientJoined, .clientLeft, .subscriptionRevoked: .info
        case .handshakeRefused, .badMessage, .unknownType, .slowClient, .resync: .info
        case .limitReached: .info
        case .notification, .broadcast: .debug
        case .badNotification, .acceptPaused, .proxyFault, .databaseTrouble: .warning
        }
    }
}
