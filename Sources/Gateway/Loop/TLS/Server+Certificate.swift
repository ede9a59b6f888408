internal import Reactor

// The certificate: its first reading, and every other one.
extension Server {
    /// For SIGHUP: new clients get the new certificate, and those who are connected keep their sessions.
    /// Files that can't be used leave everything as it was. Returns whether all is well.
    mutating func reloadCertificate() -> Bool {
        guard secure != nil else { return true }
        do throws(TLSSetupFailure) {
            try secure?.clients.reload()
            noteCertificate()
            return true
        } catch {
            core.log.reloadFailed("certificate", error: error.description)
            return false
        }
    }

    /// Says which certificate is in use, and whether its key is well kept.
    mutating func noteCertificate() {
        guard let path = secure?.clients.certificatePath, let key = secure?.clients.keyPath else {
            return
        }
        let notAfter = secure?.clients.context.notAfterUnixSeconds ?? nil
        core.metrics.tls.isSpoken = true
        core.metrics.tls.notAfterUnixSeconds = UInt64(max(0, notAfter ?? 0))
        core.log.certificateInUse(
            path: path, notAfter: notAfter.map { Timestamp(unixSeconds: $0) })
        if SecretFile.isExposed(path: key) { core.log.keyIsExposed(path: key) }
    }
}

extension SecureClients {
    /// As configured; `nil` without a certificate.
    static func open(
        _ configuration: Configuration, capacity: Int
    ) throws(ServerFailure) -> SecureClients? {
        guard !configuration.tlsCertificate.isEmpty else { return nil }
        do throws(TLSSetupFailure) {
            return try SecureClients(
                certificatePath: configuration.tlsCertificate, keyPath: configuration.tlsKey,
                capacity: capacity)
        } catch {
            throw ServerFailure(what: "cannot speak TLS", why: error.description)
        }
    }

    /// Whether the configured certificate and key can be used, for those who ask before they start.
    static func check(_ configuration: Configuration) throws(ServerFailure) {
        _ = try open(configuration, capacity: 1)
    }
}
