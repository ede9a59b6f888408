internal import Reactor

// Where other hosts are met and by which secret, read again.
extension Server {
    /// For SIGHUP: another Redis is connected to at once, and another secret is in use from here on. What
    /// can't be read or used leaves everything as it was. Returns whether all is well.
    mutating func reloadBus() -> Bool {
        guard remoteBus != nil, busSecrets.hasFiles else { return true }
        let loaded: BusSecrets.Loaded
        do throws(ConfigurationError) {
            loaded = try busSecrets.load()
        } catch {
            core.log.reloadFailed("bus", error: error.description)
            return false
        }
        do throws(ServerFailure) {
            try use(loaded)
        } catch {
            core.log.reloadFailed("bus", error: error.description)
            return false
        }
        core.log.busReloaded(
            changed: loaded.changed,
            formerSecretSeconds: loaded.secret == nil
                ? nil : Limits.busFormerSecretNanoseconds / 1_000_000_000)
        return true
    }

    /// All of it, or nothing.
    private mutating func use(_ loaded: BusSecrets.Loaded) throws(ServerFailure) {
        let authentication = try Self.authentication(of: loaded)
        if let target = loaded.target { try move(to: target) }
        if let authentication = consume authentication {
            remoteBus?.change(secret: authentication, core.clock.now)
        }
        busSecrets = loaded.secrets
    }

    private static func authentication(
        of loaded: BusSecrets.Loaded
    ) throws(ServerFailure) -> HMACSHA256? {
        do throws(CryptoFailure) {
            return try loaded.authentication()
        } catch {
            throw ServerFailure(what: "cannot use the secret", why: "OpenSSL can't either")
        }
    }

    /// What epoll watched is closed, and with that forgotten. The timer of this turn connects anew.
    private mutating func move(to target: RedisTarget) throws(ServerFailure) {
        let context = try Self.context(for: target)
        let resolver = try watchedResolver(of: target)
        remoteBus?.move(to: target, resolver, context, core.clock.now)
        core.busCarrierIs(live: false)
        watchCarrier()
    }

    private func watchedResolver(
        of target: RedisTarget
    ) throws(ServerFailure) -> HostResolver? {
        do throws(Errno) {
            guard let resolver = try RemoteBus.resolver(of: target) else { return nil }
            try watch(resolver.descriptor, as: .busResolver)
            return resolver
        } catch {
            throw ServerFailure(what: "cannot set up the resolver", why: error.description)
        }
    }

    private static func context(
        for target: RedisTarget
    ) throws(ServerFailure) -> TLSContext? {
        guard target.isSecure else { return nil }
        do throws(TLSSetupFailure) {
            return try TLSContext.verifyingClient()
        } catch {
            throw ServerFailure(what: "cannot speak TLS to Redis", why: error.description)
        }
    }
}
