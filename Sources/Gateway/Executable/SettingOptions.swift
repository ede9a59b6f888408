internal import ArgumentParser
internal import Gateway

/// The options that are settings. They are taken as text here and read by `Configuration`, where
/// variables are read too: one place decides what is allowed.
struct SettingOptions: ParsableArguments {
    @Option(.listen) var listen: String?
    @Option(.adminListen) var adminListen: String?
    @Option(.tlsCertificate) var tlsCertificate: String?
    @Option(.tlsKey) var tlsKey: String?
    @Option(.workers) var workers: String?
    @Option(.maxConnections) var maxConnections: String?
    @Option(.membership) var membership: String?
    @Option(.pingInterval) var pingInterval: String?
    @Option(.readTimeout) var readTimeout: String?
    @Option(.textPing) var textPing: String?
    @Option(.compression) var compression: String?
    @Option(.slowConsumer) var slowConsumer: String?
    @Option(.refetchRate) var refetchRate: String?
    @Option(.queryToken) var queryToken: String?
    @Option(.jwtKey) var jwtKey: String?
    @Option(.jwtKeySet) var jwtKeySet: String?
    @Option(.jwtIssuer) var jwtIssuer: String?
    @Option(.jwtAudience) var jwtAudience: String?
    @Option(.jwtLeeway) var jwtLeeway: String?
    @Option(.maxMessageBytes) var maxMessageBytes: String?
    @Option(.handshakeTimeout) var handshakeTimeout: String?
    @Option(.initTimeout) var initTimeout: String?
    @Option(.closeTimeout) var closeTimeout: String?
    @Option(.allowOrigin) var allowOrigin: [String] = []
    @Option(.connectionsPerAddress) var connectionsPerAddress: String?
    @Option(.connectionsPerUser) var connectionsPerUser: String?
    @Option(.handshakesPerSecond) var handshakesPerSecond: String?
    @Option(.unauthenticatedConnections) var unauthenticatedConnections: String?
    @Option(.messagesPerSecond) var messagesPerSecond: String?
    @Option(.errorsPerMinute) var errorsPerMinute: String?
    @Option(.trustedProxies) var trustedProxies: [String] = []
    @Option(.proxyProtocol) var proxyProtocol: String?
    @Option(.coreDumps) var coreDumps: String?
    @Option(.drainSeconds) var drainSeconds: String?
    @Option(.ioUring) var ioUring: String?
    @Option(.logLevel) var logLevel: String?
    @Option(.logFormat) var logFormat: String?
    @Option(.eventRetention) var eventRetention: String?
    @Option(.migrations) var migrations: String?

    /// What was given.
    var given: [Setting: String] {
        var given: [Setting: String] = [:]
        for setting in Setting.allCases { given[setting] = text(of: setting) }
        return given
    }

    private func text(of setting: Setting) -> String? {
        switch setting {
        case .listen: listen
        case .adminListen: adminListen
        case .tlsCertificate: tlsCertificate
        case .tlsKey: tlsKey
        case .workers: workers
        case .maxConnections: maxConnections
        case .membership: membership
        case .pingInterval: pingInterval
        case .readTimeout: readTimeout
        case .textPing: textPing
        case .compression: compression
        case .slowConsumer: slowConsumer
        case .refetchRate: refetchRate
        case .queryToken: queryToken
        case .jwtKey: jwtKey
        case .jwtKeySet: jwtKeySet
        case .jwtIssuer: jwtIssuer
        case .jwtAudience: jwtAudience
        case .jwtLeeway: jwtLeeway
        case .maxMessageBytes: maxMessageBytes
        case .handshakeTimeout: handshakeTimeout
        case .initTimeout: initTimeout
        case .closeTimeout: closeTimeout
        case .allowOrigin: Self.list(allowOrigin)
        case .connectionsPerAddress: connectionsPerAddress
        case .connectionsPerUser: connectionsPerUser
        case .handshakesPerSecond: handshakesPerSecond
        case .unauthenticatedConnections: unauthenticatedConnections
        case .messagesPerSecond: messagesPerSecond
        case .errorsPerMinute: errorsPerMinute
        case .trustedProxies: Self.list(trustedProxies)
        case .proxyProtocol: proxyProtocol
        case .coreDumps: coreDumps
        case .drainSeconds: drainSeconds
        case .ioUring: ioUring
        case .logLevel: logLevel
        case .logFormat: logFormat
        case .eventRetention: eventRetention
        case .migrations: migrations
        }
    }
}

extension SettingOptions {
    /// What was given several times, as the variable has it in one.
    private static func list(_ texts: [String]) -> String? {
        texts.isEmpty ? nil : texts.joined(separator: ",")
    }
}

extension Option where Value == [String] {
    /// The option of a setting that may be given several times.
    init(wrappedValue: [String], _ setting: Setting) {
        self.init(
            wrappedValue: wrappedValue, name: .customLong(setting.rawValue),
            parsing: .singleValue, help: setting.help)
    }
}

extension Option where Value == String? {
    /// The option of a setting, named, explained and defaulted as the setting is.
    init(_ setting: Setting) {
        self.init(name: .customLong(setting.rawValue), help: setting.help)
    }
}

extension Setting {
    fileprivate var help: ArgumentHelp {
        let standard = Configuration().text(of: self)
        return ArgumentHelp(
            "\(summary): \(allowed). [\(variableName)]"
                + (standard.isEmpty ? "" : " (\(standard))"),
            valueName: valueName)
    }

    fileprivate var valueName: String {
        switch self {
        case .listen, .adminListen: "address"
        case .pingInterval, .readTimeout, .handshakeTimeout, .initTimeout, .closeTimeout,
            .jwtLeeway, .eventRetention:
            "duration"
        case .jwtKey: "paths"
        case .jwtIssuer, .jwtAudience: "names"
        case .workers, .maxConnections, .refetchRate, .maxMessageBytes, .drainSeconds: "number"
        case .membership, .textPing, .compression, .queryToken, .proxyProtocol, .coreDumps:
            "on/off"
        case .allowOrigin: "origins"
        case .connectionsPerAddress, .connectionsPerUser, .handshakesPerSecond,
            .unauthenticatedConnections, .messagesPerSecond, .errorsPerMinute:
            "number/off"
        case .trustedProxies: "addresses"
        case .slowConsumer: "policy"
        case .ioUring: "auto/on/off"
        case .logLevel: "level"
        case .logFormat: "format"
        case .migrations, .jwtKeySet, .tlsCertificate, .tlsKey: "path"
        }
    }
}
