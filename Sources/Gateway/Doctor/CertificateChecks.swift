package import Reactor

/// What the doctor, and whoever asks before the start, finds out about the certificate.
package struct CertificateChecks: Equatable, Sendable {
    package static let subject = "certificate"
    /// Seconds before its end in which a renewal is overdue: those that come by themselves begin at
    /// a third of a certificate's life, which is weeks.
    package static let renewalSeconds: Int64 = 14 * 86_400

    /// `nil` when it can't be told.
    private let notBefore: Timestamp?
    private let notAfter: Timestamp?
    private let isKeyExposed: Bool

    package init(notBefore: Timestamp?, notAfter: Timestamp?, isKeyExposed: Bool) {
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.isKeyExposed = isKeyExposed
    }

    /// Reads certificate and key as `serve` would; `nil` where none is configured.
    package static func read(_ configuration: Configuration) throws(TLSSetupFailure) -> Self? {
        guard !configuration.tlsCertificate.isEmpty else { return nil }
        let context = try TLSContext.server(
            certificatePath: configuration.tlsCertificate, keyPath: configuration.tlsKey)
        return CertificateChecks(
            notBefore: context.notBeforeUnixSeconds.map { Timestamp(unixSeconds: $0) },
            notAfter: context.notAfterUnixSeconds.map { Timestamp(unixSeconds: $0) },
            isKeyExposed: SecretFile.isExposed(path: configuration.tlsKey))
    }

    package func findings(at now: Timestamp) -> [Finding] {
        var findings = [validity(at: now)]
        if isKeyExposed {
            findings.append(
                .warning(
                    "TLS key", "other users can read it", "take their permissions away: chmod 600"))
        }
        return findings
    }

    private func validity(at now: Timestamp) -> Finding {
        if let notBefore, now.microseconds < notBefore.microseconds {
            return .failure(
                Self.subject, "not valid before \(notBefore)",
                "compare with this host's clock, and serve the one before until then")
        }
        guard let notAfter else { return .ok(Self.subject, "usable") }
        let secondsLeft = (notAfter.microseconds - now.microseconds) / 1_000_000
        if secondsLeft <= 0 {
            return .failure(
                Self.subject, "expired at \(notAfter)", "renew it, then send the gateway SIGHUP")
        }
        let fact = "valid until \(notAfter)"
        guard secondsLeft >= Self.renewalSeconds else {
            return .warning(
                Self.subject, fact, "find out why it wasn't renewed, then send the gateway SIGHUP")
        }
        return .ok(Self.subject, fact)
    }
}
