internal import Reactor

/// Where the keys of tokens come from, and how they are read: at the start, and again when SIGHUP
/// asks for it.
package struct TokenKeys: Sendable {
    private let configuration: Configuration

    /// Keys, and what is odd about them: a sentence each.
    package struct Loaded: ~Copyable {
        package var keys = KeyRing()
        package var warnings: [String] = []

        /// The keys alone.
        package consuming func takeKeys() -> KeyRing { keys }
    }

    /// The largest file of keys. Sets of providers have 2 to 10 KiB.
    package static let fileBytesMax = 256 << 10
    /// A secret with fewer different bytes is no random one: of 32 random bytes 30 are different.
    private static let differentBytesMin = 8

    package init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    /// Reads every file again; secrets that came by variables stay. It blocks for as long as local
    /// files of a few kilobytes take, which a loop can bear at a moment that an operator chose.
    package func reload() throws(ConfigurationError) -> Loaded {
        for setting in [SecretSetting.jwtSecret, .jwtSecretNext] {
            guard let path = configuration.secretFiles[setting] else { continue }
            try Configuration.checkRegular(path, source: setting.fileVariableName)
        }
        for file in configuration.jwtKeyFiles {
            try Configuration.checkRegular(file.path, source: Setting[\.jwtKeyFiles].optionName)
        }
        if let path = configuration.jwtKeySetFile {
            try Configuration.checkRegular(path, source: Setting[\.jwtKeySetFile].optionName)
        }
        return try load()
    }

    /// Reads every file. At the start one may be a pipe, whose writer is waited for.
    package func load() throws(ConfigurationError) -> Loaded {
        var loaded = Loaded()
        try addSecret(.jwtSecret, configuration.jwtSecret, to: &loaded)
        try addSecret(.jwtSecretNext, configuration.jwtSecretNext, to: &loaded)
        for file in configuration.jwtKeyFiles { try add(file, to: &loaded) }
        if let path = configuration.jwtKeySetFile { try addKeySet(path, to: &loaded) }
        return loaded
    }

    /// What is asked of claims.
    package var policy: TokenPolicy {
        var policy = TokenPolicy()
        policy.issuers = configuration.jwtIssuers.map { Array($0.utf8) }
        policy.audiences = configuration.jwtAudiences.map { Array($0.utf8) }
        policy.leewaySeconds = configuration.jwtLeeway.components.seconds
        return policy
    }

    private func addSecret(
        _ setting: SecretSetting, _ given: Secret, to loaded: inout Loaded
    ) throws(ConfigurationError) {
        var secret = given
        var source = setting.variableName
        if let path = configuration.secretFiles[setting] {
            source = setting.fileVariableName
            secret = try Configuration.secret(setting, inFile: path)
            try Configuration.checkJWTSecret(secret, source: source)
        }
        guard !secret.isEmpty else { return }
        if Set(secret.bytes).count < Self.differentBytesMin {
            loaded.warnings.append(
                "\(source): few of its bytes differ; make one with openssl rand -hex 32")
        }
        do throws(KeyRingError) {
            try loaded.keys.add(secret: secret.bytes.span)
        } catch {
            throw ConfigurationError(source: source, value: nil, reason: error.description)
        }
    }

    private func add(
        _ file: PublicKeyFile, to loaded: inout Loaded
    ) throws(ConfigurationError) {
        let text = try Self.content(file.path, of: Setting[\.jwtKeyFiles])
        do throws(KeyRingError) {
            try loaded.keys.add(pem: text.span, for: file.algorithm)
        } catch {
            throw Self.refused(file.path, Setting[\.jwtKeyFiles], error.description)
        }
    }

    private func addKeySet(
        _ path: String, to loaded: inout Loaded
    ) throws(ConfigurationError) {
        let setting = Setting[\.jwtKeySetFile]
        let text = try Self.content(path, of: setting)
        do throws(KeyRingError) {
            loaded.warnings += try loaded.keys.add(keySet: text.span).map {
                "\(setting.optionName): \($0)"
            }
        } catch {
            throw Self.refused(path, setting, error.description)
        }
    }

    private static func content(
        _ path: String, of setting: Setting
    ) throws(ConfigurationError) -> [UInt8] {
        do throws(FileFailure) {
            return try FileContents.bytes(at: path, bytesMax: fileBytesMax)
        } catch {
            throw refused(path, setting, "\(error.reason)")
        }
    }

    private static func refused(
        _ path: String, _ setting: Setting, _ reason: String
    ) -> ConfigurationError {
        ConfigurationError(source: setting.optionName, value: path, reason: reason)
    }
}
