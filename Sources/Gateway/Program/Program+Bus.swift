internal import Reactor

// The way to other hosts.
extension Program {
    /// By Redis where one is named, else by PostgreSQL where there is a secret; `nil` without either.
    static func remoteBus(
        _ configuration: Configuration, _ database: ConnectionString, _ own: BusIdentity?,
        hasRelay: Bool
    ) throws(ServerFailure) -> RemoteBus? {
        guard let own, configuration.reachesOtherHosts else { return nil }
        let redis = try redisCarrier(configuration, own, hasRelay: hasRelay)
        let exchange = try exchange(configuration, own, hasRelay: hasRelay)
        do throws(Errno) {
            if let redis = consume redis { return try RemoteBus(redis) }
            let session = NotifySession(
                target: database, seed: Random.word(), channel: "\(configuration.busPrefix):bus")
            let carrier = NotifyCarrier(session, exchange: exchange)
            return try RemoteBus(carrier, resolving: database.hostsToResolve)
        } catch {
            throw ServerFailure(what: "cannot set up the resolver", why: error.description)
        }
    }

    /// `nil` where no Redis is named.
    static func redisCarrier(
        _ configuration: Configuration, _ own: BusIdentity, hasRelay: Bool
    ) throws(ServerFailure) -> RedisCarrier? {
        guard let target = configuration.redisTarget else { return nil }
        let exchange = try exchange(configuration, own, hasRelay: hasRelay)
        do throws(TLSSetupFailure) {
            return RedisCarrier(
                target, prefix: configuration.busPrefix, own: own, exchange: exchange,
                context: target.isSecure ? try TLSContext.verifyingClient() : nil,
                seed: Random.word())
        } catch {
            throw ServerFailure(what: "cannot speak TLS to Redis", why: error.description)
        }
    }

    private static func exchange(
        _ configuration: Configuration, _ own: BusIdentity, hasRelay: Bool
    ) throws(ServerFailure) -> EnvelopeExchange {
        do throws(CryptoFailure) {
            let envelopes = try Envelopes(
                own, secret: configuration.busSecret.bytes.span, prefix: configuration.busPrefix,
                skipsOwnHost: hasRelay, seed: Random.word())
            return EnvelopeExchange(own, hasRelay: hasRelay, envelopes: envelopes)
        } catch {
            throw ServerFailure(
                what: "cannot set up the bus", why: "OpenSSL has no HMAC with SHA-256")
        }
    }
}
