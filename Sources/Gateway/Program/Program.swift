internal import Reactor

/// The program's main job, from its configuration to its exit code.
package enum Program {
    /// Serves until a signal ends it. Returns whether it ended as it should.
    ///
    /// - Parameters:
    ///   - connectionsMax: as many as the descriptors allow; see `Configuration`.
    ///   - bootstrap: what a worker has from its parent; `nil` for a process on its own.
    package static func serve(
        _ configuration: Configuration, connectionsMax: Int,
        bootstrap: consuming WorkerBootstrap? = nil
    ) throws(ServerFailure) -> Bool {
        // One that comes before the loop, such as the SIGHUP of a renewed certificate, waits for it.
        SignalDescriptor.hold()
        guardMemory(configuration)
        let worker = bootstrap?.number
        var bus = bootstrap?.bus
        if bus == nil, configuration.reachesOtherHosts {
            bus = BusIdentity(host: Random.word(), worker: 1, epoch: Random.word())
        }
        var settings = CoreSettings(configuration, connectionsMax: connectionsMax)
        settings.bus = bus
        settings.reservedPlaces = Configuration.reservedPlaces(
            descriptorLimit: try descriptorLimit())
        let log = EventLog(
            format: configuration.logFormat, level: configuration.logLevel, worker: worker)
        if worker == nil { Self.warn(log, configuration) }
        let batch = try sendBatch(configuration, log)
        log.starting(
            version: Version.current, connectionsMax: connectionsMax,
            sendMethod: batch.method.name)
        let tokenKeys = TokenKeys(configuration)
        let core = Core(
            settings: settings, verifier: try verifier(tokenKeys, log),
            connectionIDs: try connectionIDs(), log: log,
            now: Clock.monotonic(), wall: Timestamp(microseconds: Clock.wallMicroseconds()))
        let publicListener = try Listener.open(
            try address(configuration.listen), role: .public,
            worker == nil ? .alone : .withOthers)
        let hasRelay = bootstrap?.bus != nil
        let inherited = try inheritedSockets(configuration, bootstrap)
        let target = try target(configuration)
        let remoteBus = try remoteBus(configuration, target, bus, hasRelay: hasRelay)
        let secure = try SecureClients.open(configuration, capacity: core.clients.capacity)
        var server = try Server.open(
            core: core, batch: batch, secure: secure, publicListener: publicListener,
            adminListener: inherited.adminListener, busSocket: inherited.busSocket,
            remoteBus: remoteBus, target: target, tokenKeys: tokenKeys,
            busSecrets: BusSecrets(configuration),
            retentionSeconds: configuration.eventRetention.nanoseconds / 1_000_000_000)
        server.isWorker = worker != nil
        if let control = inherited.sessionSocket {
            do throws(Errno) {
                try server.share(by: control)
            } catch {
                throw ServerFailure(what: "cannot set up epoll", why: error.description)
            }
        }
        server.noteCertificate()
        return server.run()
    }

    static func descriptorLimit() throws(ServerFailure) -> UInt64 {
        do throws(Errno) {
            return try DescriptorLimit.current().soft
        } catch {
            throw ServerFailure(what: "cannot read RLIMIT_NOFILE", why: error.description)
        }
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

    /// Keys and tokens are in this process' memory.
    static func guardMemory(_ configuration: Configuration) {
        if !configuration.coreDumps { CurrentProcess.forbidDumps() }
    }

    /// What the operator should know before anything else.
    static func warn(_ log: borrowing EventLog, _ configuration: Configuration) {
        for warning in configuration.warnings { log.configurationWarning(warning) }
        if configuration.membership == .off { log.membershipIsOff() }
    }

    /// What a worker has from its parent, and another process opens itself or does without.
    private struct InheritedSockets: ~Copyable {
        let adminListener: Listener
        let busSocket: BusSocket?
        var sessionSocket: OwnedDescriptor?
    }

    private static func inheritedSockets(
        _ configuration: Configuration, _ bootstrap: consuming WorkerBootstrap?
    ) throws(ServerFailure) -> InheritedSockets {
        guard let bootstrap else {
            return InheritedSockets(
                adminListener: try Listener.open(
                    try address(configuration.adminListen), role: .admin),
                busSocket: nil)
        }
        let listener = Listener(ListeningSocket(adopting: bootstrap.adminSocket), role: .admin)
        guard let socket = bootstrap.busSocket else {
            return InheritedSockets(
                adminListener: listener, busSocket: nil, sessionSocket: bootstrap.sessionSocket)
        }
        return InheritedSockets(
            adminListener: listener, busSocket: BusSocket(socket),
            sessionSocket: bootstrap.sessionSocket)
    }

    private static func verifier(
        _ tokenKeys: TokenKeys, _ log: borrowing EventLog
    ) throws(ServerFailure) -> TokenVerifier {
        let loaded = try self.tokenKeys(tokenKeys)
        for warning in loaded.warnings { log.configurationWarning(warning) }
        return TokenVerifier(keys: loaded.takeKeys(), policy: tokenKeys.policy)
    }

    private static func connectionIDs() throws(ServerFailure) -> ConnectionIDs {
        do throws(CryptoFailure) {
            return try ConnectionIDs()
        } catch {
            throw ServerFailure(
                what: "cannot make connection ids", why: "OpenSSL has no HMAC with SHA-256")
        }
    }

    /// The keys as they are now. A parent reads them too, so that a wrong file ends the start
    /// instead of one worker after the other.
    static func tokenKeys(
        _ tokenKeys: TokenKeys
    ) throws(ServerFailure) -> TokenKeys.Loaded {
        do throws(ConfigurationError) {
            return try tokenKeys.load()
        } catch {
            throw ServerFailure(what: "cannot use the keys of tokens", why: error.description)
        }
    }

    static func address(
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
