internal import Reactor

/// The program's main job, from its configuration to its exit code.
package enum Program {
    /// Serves until a signal ends it. Returns whether it ended as it should.
    ///
    /// - Parameter connectionsMax: as many as the descriptors allow; see `Configuration`.
    package static func serve(
        _ configuration: Configuration, connectionsMax: Int
    ) throws(ServerFailure) -> Bool {
        let settings = CoreSettings(configuration, connectionsMax: connectionsMax)
        let log = EventLog(format: configuration.logFormat, level: configuration.logLevel)
        for warning in configuration.warnings { log.configurationWarning(warning) }
        let batch = try sendBatch(configuration, log)
        log.starting(
            version: Version.current, connectionsMax: connectionsMax,
            sendMethod: batch.method.name)
        log.membershipIsOff()
        let core = Core(
            settings: settings, verifier: try verifier(configuration), log: log,
            now: Clock.monotonic(), wall: Timestamp(microseconds: Clock.wallMicroseconds()))
        var server = try Server.open(
            core: core, batch: batch, publicAddress: try address(configuration.listen),
            adminAddress: try address(configuration.adminListen),
            target: try target(configuration))
        return server.run()
    }

    private static func sendBatch(
        _ configuration: Configuration, _ log: borrowing EventLog
    ) throws(ServerFailure) -> SendBatch {
        var batch = SendBatch()
        guard configuration.ioUring != .off else { return batch }
        do throws(Errno) {
            try batch.useRing()
        } catch {
            guard configuration.ioUring == .auto else {
                throw ServerFailure(what: "--io-uring on", why: error.description)
            }
            log.sendMethodChanged(to: batch.method.name, because: error.description)
        }
        return batch
    }

    private static func verifier(
        _ configuration: Configuration
    ) throws(ServerFailure) -> TokenVerifier {
        let secret = configuration.jwtSecret.bytes
        do throws(CryptoFailure) {
            return try TokenVerifier(secret: secret.span)
        } catch {
            throw ServerFailure(what: "cannot set up HMAC-SHA256", why: "\(error)")
        }
    }

    private static func address(
        _ listen: ListenAddress
    ) throws(ServerFailure) -> SocketAddress {
        guard let address = SocketAddress(host: listen.host, port: listen.port) else {
            throw ServerFailure(what: "cannot listen on \(listen)", why: "not an IP address")
        }
        return address
    }

    private static func target(
        _ configuration: Configuration
    ) throws(ServerFailure) -> ConnectionString {
        do throws(ConnectionStringError) {
            return try ConnectionString(configuration.databaseURL.text ?? "")
        } catch {
            throw ServerFailure(what: "DATABASE_URL", why: error.description)
        }
    }
}
