internal import Logging
package import Reactor

/// The bus between hosts.
extension EventLog {
    /// - Parameters:
    ///   - place: the server's, without a password.
    ///   - primary: what Sentinel has named, and `inVain` which Sentinels were asked without an answer of use.
    package func busUp(
        at place: String, primary: String? = nil, inVain: String? = nil, downNanoseconds: UInt64?
    ) {
        var metadata: Logger.Metadata = ["at": .string(place)]
        if let primary { metadata["primary"] = .string(primary) }
        if let inVain { metadata["asked_in_vain"] = .string(inVain) }
        if let downNanoseconds {
            metadata["down_ms"] = .stringConvertible(downNanoseconds / 1_000_000)
        }
        write(.notice, "bus up", metadata)
    }

    /// SIGHUP: the files of the bus were read again. `changed` names the settings that are others now.
    package func busReloaded(changed: [String], formerSecretSeconds: UInt64?) {
        var metadata: Logger.Metadata = [
            "what": "bus",
            "changed": .string(changed.isEmpty ? "nothing" : changed.joined(separator: ", ")),
        ]
        if let formerSecretSeconds {
            metadata["former_secret_s"] = .stringConvertible(formerSecretSeconds)
        }
        write(.notice, "reloaded", metadata)
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
