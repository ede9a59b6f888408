internal import Logging
package import Reactor

/// What comes from PostgreSQL, and the state of the connection that it comes through.
extension EventLog {
    /// LISTEN is established. `downNanoseconds` is how long it wasn't; `nil` the first time.
    package func listenerUp(channel: StaticString, downNanoseconds: UInt64?) {
        var metadata: Logger.Metadata = ["channel": .string("\(channel)")]
        if let downNanoseconds {
            metadata["down_ms"] = .stringConvertible(downNanoseconds / 1_000_000)
        }
        write(.notice, "listener up", metadata)
    }

    /// `error` is the server's or libpq's sentence. libpq's don't hold the password.
    package mutating func listenerLost(
        error: String, advice: String?, retryNanoseconds: UInt64, at now: Instant
    ) {
        guard let suppressed = listenerLosses.admit(error, at: now) else { return }
        var metadata = Self.metadata(of: error, advice)
        metadata["retry_ms"] = .stringConvertible(retryNanoseconds / 1_000_000)
        write(.error, "listener lost", metadata, suppressed: suppressed)
    }

    /// The session that asks about memberships; it is connected again by itself.
    package mutating func queriesLost(error: String, advice: String?, at now: Instant) {
        guard let suppressed = queryLosses.admit(error, at: now) else { return }
        write(
            .error, "query session lost", Self.metadata(of: error, advice),
            suppressed: suppressed)
    }

    /// The session that asks about missed events; it is connected again by itself.
    package mutating func readsLost(error: String, advice: String?, at now: Instant) {
        guard let suppressed = readLosses.admit(error, at: now) else { return }
        write(
            .error, "read session lost", Self.metadata(of: error, advice), suppressed: suppressed)
    }

    private static func metadata(of error: String, _ advice: String?) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["error": .string(error)]
        if let advice { metadata["advice"] = .string(advice) }
        return metadata
    }

    /// Hot path: nothing is built unless debug lines are wanted.
    package mutating func notificationReceived(
        payload: borrowing Span<UInt8>, at now: Instant
    ) {
        guard level <= .debug, let suppressed = admit(.notification, at: now) else { return }
        write(
            .debug, "notification received",
            ["payload": .string(Self.text(payload, bytesMax: 1_024))], suppressed: suppressed)
    }

    /// A payload that isn't what the triggers write, and is skipped.
    package mutating func badNotification(
        detail: @autoclosure () -> String, payload: borrowing Span<UInt8>, at now: Instant
    ) {
        guard let suppressed = admit(.badNotification, at: now) else { return }
        write(
            .warning, "bad notification",
            [
                "detail": .string(detail()),
                "payload": .string(Self.text(payload, bytesMax: 256)),
            ],
            suppressed: suppressed)
    }

    /// An event is on its way to `clients` connections. Hot path: nothing is built unless debug
    /// lines are wanted.
    package mutating func broadcast(project: ProjectID, clients: Int, at now: Instant) {
        guard level <= .debug, let suppressed = admit(.broadcast, at: now) else { return }
        write(
            .debug, "broadcast",
            [
                "type": "cache_invalidate",
                "project": .string(project.description),
                "clients": .stringConvertible(clients),
            ],
            suppressed: suppressed)
    }

    /// A project's subscribers, or one client, were told that they may have missed something.
    package mutating func resync(
        project: ProjectID, cause: ResyncReason, clients: Int, at now: Instant
    ) {
        guard let suppressed = admit(.resync, at: now) else { return }
        write(
            .info, "resync",
            [
                "project": .string(project.description), "cause": .string("\(cause.text)"),
                "clients": .stringConvertible(clients),
            ],
            suppressed: suppressed)
    }
}
