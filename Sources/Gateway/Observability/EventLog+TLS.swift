internal import Logging
package import Reactor

/// TLS on the public listener.
extension EventLog {
    /// A session failed, as a rule during its handshake. `detail` holds no bytes of the peer.
    package mutating func secureFailed(
        detail: @autoclosure () -> String, address: @autoclosure () -> String, at now: Instant
    ) {
        guard let suppressed = admit(.handshakeRefused, at: now) else { return }
        write(
            .info, "TLS failed",
            ["detail": .string(detail()), "address": .string(address())],
            suppressed: suppressed)
    }

    /// The certificate in use, at start and after it was read again.
    package func certificateInUse(path: String, notAfter: Timestamp?) {
        var metadata: Logger.Metadata = ["certificate": .string(path)]
        if let notAfter { metadata["not_after"] = .string(notAfter.description) }
        write(.notice, "certificate in use", metadata)
    }

    /// Other users of this host can read the key.
    package func keyIsExposed(path: String) {
        write(
            .warning, "the TLS key can be read by other users; take their permissions away",
            ["key": .string(path)])
    }
}
