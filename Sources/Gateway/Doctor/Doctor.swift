internal import Reactor

/// Checks a host and its database against what the gateway needs, for the command `doctor`. It
/// blocks, and changes nothing.
package struct Doctor: ~Copyable {
    private let configuration: Configuration
    private let report: (Finding) -> Void
    private var hasFailure = false

    /// - Parameter report: hears of each finding as it is found.
    package init(_ configuration: Configuration, report: @escaping (Finding) -> Void) {
        self.configuration = configuration
        self.report = report
    }

    /// Returns whether nothing failed.
    package mutating func run() -> Bool {
        let host = HostChecks(
            HostFacts.read(), connectionsMax: configuration.maxConnections,
            workers: configuration.workers)
        for finding in host.findings { tell(finding) }
        checkTokenKeys()
        checkCertificate()
        if let finding = BusRoundTrip.finding(configuration) { tell(finding) }
        checkDatabase()
        return !hasFailure
    }

    private mutating func tell(_ finding: Finding) {
        if finding.verdict == .failure { hasFailure = true }
        report(finding)
    }

    /// Reads the keys as `serve` would.
    private mutating func checkTokenKeys() {
        let loaded: TokenKeys.Loaded
        do throws(ConfigurationError) {
            loaded = try TokenKeys(configuration).load()
        } catch {
            tell(.failure("token keys", error.description, "serve does not start with it"))
            return
        }
        for warning in loaded.warnings { tell(.warning("token keys", warning, "")) }
        if loaded.keys.count == 0 {
            tell(
                .warning(
                    "token keys", "none here",
                    "run it with JWT_SECRET, --jwt-key or --jwt-jwks as serve has them"))
        } else {
            tell(.ok("token keys", "\(loaded.keys.count) usable"))
        }
    }

    /// Loads certificate and key as `serve` would; nothing is said where none is configured.
    private mutating func checkCertificate() {
        let now = Timestamp(microseconds: Clock.wallMicroseconds())
        do throws(TLSSetupFailure) {
            guard let checks = try CertificateChecks.read(configuration) else { return }
            for finding in checks.findings(at: now) { tell(finding) }
        } catch {
            tell(
                .failure(
                    CertificateChecks.subject, error.description, "serve does not start with it"))
        }
    }

    private mutating func checkDatabase() {
        let target: ConnectionString
        var connection: BlockingPostgresConnection
        do {
            target = try ConnectionString(configuration.databaseURL.text ?? "")
            connection = try BlockingPostgresConnection(target)
        } catch {
            tell(
                .failure("database", "\(error)", "check DATABASE_URL, pg_hba.conf and the network"))
            return
        }
        // Not the whole string, which a shared output is no place for, not even masked.
        let host = target.value(of: "host") ?? target.value(of: "hostaddr") ?? "the local socket"
        tell(.ok("database", "connected to \(host)"))
        let survey = DatabaseSurvey(
            workers: configuration.workers, checksMembership: configuration.membership == .on,
            meetsOthers: configuration.reachesOtherHosts && configuration.redisTarget == nil)
        do throws(PostgresError) {
            try survey.pinPath(&connection)
            try survey.server(&connection) { tell($0) }
            let isRecorded = try survey.hasRecords(&connection)
            try survey.triggers(&connection, isRecorded: isRecorded) { tell($0) }
            try survey.role(&connection) { tell($0) }
            try survey.surroundings(&connection) { tell($0) }
            try survey.questions(&connection) { tell($0) }
            try survey.eventLog(
                &connection, isRecorded: isRecorded,
                retentionSeconds: configuration.eventRetention.components.seconds
            ) { tell($0) }
            try survey.roundTrip(&connection, target) { tell($0) }
        } catch {
            tell(.failure("database", "\(error)", "the checks that would follow were left out"))
        }
    }
}
