internal import Logging

extension Configuration {
    /// Clocks that differ by more are broken.
    private static let leewayMax = Duration.seconds(300)
    private static let durations = Duration.milliseconds(10)...Duration.seconds(86_400)
    private static let retentions = Duration.seconds(60)...Duration.seconds(30 * 86_400)

    /// Sets one setting from its text. `source` is where the text stands, for the error.
    package mutating func set(
        _ setting: Setting, to text: String, source: String
    ) throws(ConfigurationError) {
        func refused(_ reason: String? = nil) -> ConfigurationError {
            ConfigurationError(source: source, value: text, reason: reason ?? setting.allowed)
        }
        func parsed<Value>(_ value: Value?) throws(ConfigurationError) -> Value {
            guard let value else { throw refused() }
            return value
        }
        switch setting {
        case .listen: listen = try parsed(ListenAddress(text: text))
        case .adminListen: adminListen = try parsed(ListenAddress(text: text))
        case .tlsCertificate: tlsCertificate = try parsed(text.isEmpty ? nil : text)
        case .tlsKey: tlsKey = try parsed(text.isEmpty ? nil : text)
        case .workers: workers = try parsed(Self.number(text, in: 1...256))
        case .maxConnections:
            maxConnections =
                text == "auto" ? nil : try parsed(Self.number(text, in: 1...10_000_000))
        case .membership: membership = try parsed(Membership(rawValue: text))
        case .pingInterval: pingInterval = try parsed(Self.duration(text))
        case .readTimeout: readTimeout = try parsed(Self.duration(text))
        case .textPing: textPing = try parsed(Self.toggle(text))
        case .compression: compression = try parsed(Self.toggle(text))
        case .slowConsumer: slowConsumer = try parsed(SlowConsumerPolicy(rawValue: text))
        case .refetchRate:
            refetchRate = text == "off" ? nil : try parsed(Self.number(text, in: 1...1_000_000))
        case .queryToken: queryToken = try parsed(Self.toggle(text))
        case .jwtKey: jwtKeyFiles = try parsed(Self.keyFiles(text))
        case .jwtKeySet: jwtKeySetFile = text.isEmpty ? nil : text
        case .jwtIssuer: jwtIssuers = try parsed(Self.list(text))
        case .jwtAudience: jwtAudiences = try parsed(Self.list(text))
        case .jwtLeeway: jwtLeeway = try parsed(Self.leeway(text))
        case .maxMessageBytes: maxMessageBytes = try parsed(Self.number(text, in: 64...65_536))
        case .handshakeTimeout: handshakeTimeout = try parsed(Self.duration(text))
        case .initTimeout: initTimeout = try parsed(Self.duration(text))
        case .closeTimeout: closeTimeout = try parsed(Self.duration(text))
        case .drainSeconds: drainSeconds = try parsed(Self.number(text, in: 0...3_600))
        case .allowOrigin: admission.origins = try parsed(OriginPolicy(text: text))
        case .connectionsPerAddress, .connectionsPerUser, .handshakesPerSecond,
            .unauthenticatedConnections, .messagesPerSecond, .errorsPerMinute:
            guard setLimit(setting, to: text) else { throw refused() }
        case .trustedProxies: admission.trustedProxies = try parsed(TrustedProxies(text: text))
        case .proxyProtocol: admission.expectsProxyHeader = try parsed(Self.toggle(text))
        case .coreDumps: coreDumps = try parsed(Self.toggle(text))
        case .ioUring: ioUring = try parsed(IOUringUse(rawValue: text))
        case .logLevel: logLevel = try parsed(Logger.Level(rawValue: text))
        case .logFormat: logFormat = try parsed(LogFormat(rawValue: text))
        case .eventRetention:
            eventRetention = try parsed(Self.duration(text, in: Self.retentions))
        case .migrations: migrationsDirectory = try parsed(text.isEmpty ? nil : text)
        }
    }

    /// The setting's value as `set` would read it.
    package func text(of setting: Setting) -> String {
        switch setting {
        case .listen: listen.description
        case .adminListen: adminListen.description
        case .tlsCertificate: tlsCertificate
        case .tlsKey: tlsKey
        case .workers: String(workers)
        case .maxConnections: maxConnections.map(String.init) ?? "auto"
        case .membership: membership.rawValue
        case .pingInterval: pingInterval.text
        case .readTimeout: readTimeout.text
        case .textPing: textPing ? "on" : "off"
        case .compression: compression ? "on" : "off"
        case .slowConsumer: slowConsumer.rawValue
        case .refetchRate: refetchRate.map(String.init) ?? "off"
        case .queryToken: queryToken ? "on" : "off"
        case .jwtKey: jwtKeyFiles.map(\.text).joined(separator: ",")
        case .jwtKeySet: jwtKeySetFile ?? ""
        case .jwtIssuer: jwtIssuers.joined(separator: ",")
        case .jwtAudience: jwtAudiences.joined(separator: ",")
        case .jwtLeeway: jwtLeeway.text
        case .maxMessageBytes: String(maxMessageBytes)
        case .handshakeTimeout: handshakeTimeout.text
        case .initTimeout: initTimeout.text
        case .closeTimeout: closeTimeout.text
        case .drainSeconds: String(drainSeconds)
        case .allowOrigin: admission.origins.description
        case .connectionsPerAddress, .connectionsPerUser, .handshakesPerSecond,
            .unauthenticatedConnections, .messagesPerSecond, .errorsPerMinute:
            limit(setting).map(String.init) ?? "off"
        case .trustedProxies: admission.trustedProxies.description
        case .proxyProtocol: admission.expectsProxyHeader ? "on" : "off"
        case .coreDumps: coreDumps ? "on" : "off"
        case .ioUring: ioUring.rawValue
        case .logLevel: logLevel.rawValue
        case .logFormat: logFormat.rawValue
        case .eventRetention: eventRetention.text
        case .migrations: migrationsDirectory
        }
    }

    static func number(_ text: String, in range: ClosedRange<Int>) -> Int? {
        // Int(_:) would also take a sign.
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let value = Int(text), range.contains(value)
        else { return nil }
        return value
    }

    private static func duration(
        _ text: String, in range: ClosedRange<Duration> = durations
    ) -> Duration? {
        guard let value = Duration(text: text), range.contains(value) else { return nil }
        return value
    }

    /// The names between commas; `nil` if one is empty. No text is no names.
    private static func list(_ text: String) -> [String]? {
        guard !text.isEmpty else { return [] }
        let names = text.split(separator: ",", omittingEmptySubsequences: false)
        return names.contains("") ? nil : names.map { String($0) }
    }

    private static func keyFiles(_ text: String) -> [PublicKeyFile]? {
        guard let names = list(text) else { return nil }
        let files = names.map { PublicKeyFile(text: $0) }
        return files.contains { $0.path.isEmpty } ? nil : files
    }

    private static func leeway(_ text: String) -> Duration? {
        guard let value = Duration(text: text), value <= leewayMax,
            value.components.attoseconds == 0
        else { return nil }
        return value
    }

    private static func toggle(_ text: String) -> Bool? {
        switch text {
        case "on": true
        case "off": false
        default: nil
        }
    }
}
