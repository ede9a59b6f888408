internal import Gateway
internal import Reactor

/// Where the commands meet the parts of the program that do their work.
enum Connected {
    /// Serves until a signal ends it, with as many processes as are configured; as one of them with
    /// a bootstrap.
    static func serve(
        _ configuration: Configuration, bootstrap: consuming WorkerBootstrap? = nil
    ) -> ProgramExit {
        let connectionsMax = configuration.maxConnections ?? Configuration.derivedConnectionsMax
        do throws(ServerFailure) {
            let isParent = bootstrap == nil && configuration.workers > 1
            let isDone =
                isParent
                ? try Program.supervise(configuration)
                : try Program.serve(
                    configuration, connectionsMax: connectionsMax, bootstrap: bootstrap)
            return isDone ? .success : .internalError
        } catch {
            Console.complain("serve: \(error)")
            return .unavailable
        }
    }

    /// Applies the migrations; says on standard output what became of each file, or would.
    static func migrate(
        _ configuration: Configuration, _ wish: Migrator.Wish
    ) -> ProgramExit {
        let target: ConnectionString
        do throws(ConnectionStringError) {
            target = try ConnectionString(configuration.databaseURL.text ?? "")
        } catch {
            Console.complain("migrate: \(error)")
            return .usage
        }
        do throws(MigrationFailure) {
            let files = try MigrationFile.all(in: configuration.migrationsDirectory)
            var migrator = try Migrator(target: target)
            try migrator.run(
                files, wish,
                warn: { Console.complain("migrate: warning: \($0)") }
            ) { file, outcome in
                let isDone = outcome == .alreadyThere || !wish.isDry
                print("\(file): \(isDone ? "" : "would be ")\(Self.words(for: outcome))")
            }
            return .success
        } catch {
            Console.complain("migrate: \(error)")
            return .unavailable
        }
    }

    private static func words(for outcome: Migrator.Outcome) -> String {
        switch outcome {
        case .applied: "applied"
        case .appliedAgain: "applied again, because it has changed"
        case .repeated: "applied again"
        case .alreadyThere: "already there"
        }
    }

    /// Prints what the doctor finds.
    static func examine(_ configuration: Configuration) -> ProgramExit {
        var doctor = Doctor(configuration) { print($0) }
        return doctor.run() ? .success : .unavailable
    }

    /// Loads the certificate, if one is configured. Returns what is to be warned about.
    static func examineCertificate(
        _ configuration: Configuration
    ) throws(ConfigurationError) -> [String] {
        do throws(TLSSetupFailure) {
            guard let checks = try CertificateChecks.read(configuration) else { return [] }
            let now = Timestamp(microseconds: Clock.wallMicroseconds())
            return checks.findings(at: now).filter { $0.verdict != .ok }.map(\.sentence)
        } catch {
            throw ConfigurationError(
                source: "--tls-cert and --tls-key", value: nil, reason: error.description)
        }
    }

    /// Prints a token for `user` that is valid for `lifetime` from now.
    static func token(
        _ configuration: Configuration, user: UserID, lifetime: Duration
    ) -> ProgramExit {
        let now = Clock.wallMicroseconds() / 1_000_000
        do throws(CryptoFailure) {
            let token = try TokenSigner.sign(
                user: user, expiresAt: now + lifetime.components.seconds, issuedAt: now,
                secret: configuration.jwtSecret.bytes.span)
            print(token)
            return .success
        } catch {
            Console.complain("token: \(error)")
            return .internalError
        }
    }
}
