package import Reactor

// Where gateways of several hosts meet, and whether they may.
extension Configuration {
    /// The Redis server; `nil` without one, or with `--bus off`.
    package var redisTarget: RedisTarget? {
        guard bus == .auto, let text = redisURL.text, !text.isEmpty else { return nil }
        do throws(RedisTarget.Fault) {
            return try RedisTarget(text)
        } catch {
            preconditionFailure("a URL that load didn't let through")
        }
    }

    /// Whether others are met: in Redis, or, with a secret, in PostgreSQL.
    package var reachesOtherHosts: Bool {
        bus == .auto && (!redisURL.isEmpty || !busSecret.isEmpty)
    }

    static func checkRedisURL(_ found: FoundSecret) throws(ConfigurationError) {
        do throws(RedisTarget.Fault) {
            guard let text = found.secret.text else {
                throw RedisTarget.Fault(reason: "it isn't text (UTF-8)")
            }
            _ = try RedisTarget(text)
        } catch {
            throw ConfigurationError(
                source: found.source, value: nil, reason: "not a URL of Redis: \(error.reason)")
        }
    }

    static func checkBusSecret(_ found: FoundSecret) throws(ConfigurationError) {
        let count = found.secret.bytes.count
        guard count >= busSecretBytesMin else {
            throw ConfigurationError(
                source: found.source, value: nil,
                reason: """
                    \(count) bytes are too short: it has to have \(busSecretBytesMin) at least, such as \
                    those of openssl rand -base64 32
                    """)
        }
    }

    /// Whoever can write to Redis could say anything: others are kept out by a secret, or by the place.
    func checkBus() throws(ConfigurationError) {
        guard let target = redisTarget, !target.isLocal, busSecret.isEmpty else { return }
        let why =
            target.sentinels == nil
            ? "REDIS_URL names neither a loopback address nor a Unix socket"
            : "Sentinels, which REDIS_URL names, may lead to any host"
        throw ConfigurationError(
            source: SecretSetting.busSecret.variableName, value: nil,
            reason:
                "not set; it or \(SecretSetting.busSecret.fileVariableName) is needed, because \(why)"
        )
    }
}
