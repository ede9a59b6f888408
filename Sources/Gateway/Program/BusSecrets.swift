package import Reactor

/// Where gateways of several hosts meet and by which secret, as it was read last: at the start, and again
/// when SIGHUP asks for it.
package struct BusSecrets: Sendable {
    private let configuration: Configuration

    /// What the files say now.
    package struct Loaded: Sendable {
        package let secrets: BusSecrets
        /// Where another Redis is; `nil` where it is the same as before.
        package let target: RedisTarget?
        /// Another secret; `nil` where it is the same.
        package let secret: Secret?

        /// What codes of another secret are made by; `nil` where it is the same.
        package func authentication() throws(CryptoFailure) -> HMACSHA256? {
            guard let secret else { return nil }
            return try HMACSHA256(key: secret.bytes.span)
        }

        /// The settings that are others now.
        package var changed: [String] {
            (target == nil ? [] : [SecretSetting.redisURL.variableName])
                + (secret == nil ? [] : [SecretSetting.busSecret.variableName])
        }
    }

    private static let settings = [SecretSetting.redisURL, .busSecret]

    package init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    /// Whether there is a file that may say something else.
    package var hasFiles: Bool {
        Self.settings.contains { configuration.secretFiles[$0] != nil }
    }

    /// Reads both files again, or neither: another place may need another secret. It blocks for as long as
    /// that takes.
    package func load() throws(ConfigurationError) -> Loaded {
        let new = try configuration.rereading(Self.settings)
        let target = new.redisTarget
        return Loaded(
            secrets: BusSecrets(new),
            target: target == configuration.redisTarget ? nil : target,
            secret: new.busSecret.bytes == configuration.busSecret.bytes ? nil : new.busSecret)
    }
}
