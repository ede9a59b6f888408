internal import Logging
package import Reactor

/// The bus between hosts.
extension EventLog {
    /// `place` is the server's, without a password.
    package func busUp(at place: String, downNanoseconds: UInt64?) {
        var metadata: Logger.Metadata = ["at": .string(place)]
        if let downNanoseconds {
            metadata["down_ms"] = .stringConvertible(downNanoseconds / 1_000_000)
        }
        write(.notice, "bus up", metadata)
    }

    /// Nothing but the status of projects, and what is known of the presence elsewhere, depends on it.
    package mutating func busLost(
        error: String, advice: String?, retryNanoseconds: UInt64, at now: Instant
    ) {
        guard let suppressed = busLosses.admit(error, at: now) else { return }
        var metadata: Logger.Metadata = ["error": .string(error)]
        if let advice { metadata["advice"] = .string(advice) }
        metadata["retry_ms"] = .stringConvertible(retryNanoseconds / 1_000_000)
        write(.warning, "bus lost", metadata, suppressed: suppressed)
    }
}
