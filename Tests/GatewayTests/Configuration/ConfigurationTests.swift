import Gateway
import Testing

@Suite struct ConfigurationBehaviour {
    private static let key = String(repeating: "k", count: 32)
    private static let secrets = [
        "DATABASE_URL": "postgresql://user:password@localhost/devhive", "JWT_SECRET": key,
    ]

    private static func load(
        options: [Setting: String] = [:], _ variables: [String: String] = [:],
        secrets: [String: String] = secrets,
        needed: [SecretSetting] = SecretSetting.allCases
    ) throws(ConfigurationError) -> Configuration {
        let all = secrets.merging(variables) { _, newer in newer }
        return try Configuration.load(
            options: options, variables: all.mapValues { Array($0.utf8) }, needed: needed)
    }

    private static func error(
        options: [Setting: String] = [:], _ variables: [String: String] = [:],
        secrets: [String: String] = secrets
    ) -> ConfigurationError? {
        do throws(ConfigurationError) {
            _ = try load(options: options, variables, secrets: secrets)
            return nil
        } catch {
            return error
        }
    }

    @Test func `the defaults are those that are documented`() throws {
        let configuration = try Self.load()
        let texts = Setting.allCases.map { configuration.text(of: $0) }
        #expect(
            texts == [
                "127.0.0.1:8080", "127.0.0.1:8081", "", "", "1", "auto", "on", "54s", "60s", "on",
                "off", "collapse", "1000", "on", "", "", "", "", "30s", "512", "10s", "10s", "5s",
                "same-host", "1000", "100", "100", "4096", "50", "30", "none", "off", "off", "10",
                "auto", "info", "text", "24h",
                "Migrations",
            ])
        #expect(configuration.warnings.isEmpty)
    }

    /// A value for each setting that isn't its default.
    private static let others: [Setting: String] = [
        .listen: "[::1]:0", .adminListen: "0.0.0.0:9", .workers: "8", .maxConnections: "7",
        .tlsCertificate: "/tls.pem", .tlsKey: "/tls.key",
        .membership: "off", .pingInterval: "1s", .readTimeout: "2m30s", .textPing: "off",
        .compression: "on", .slowConsumer: "disconnect", .refetchRate: "off", .queryToken: "off",
        .maxMessageBytes: "64",
        .handshakeTimeout: "10ms", .initTimeout: "24h", .closeTimeout: "1s", .drainSeconds: "0",
        .jwtKey: "a.pem,PS256:/b:c.pem", .jwtKeySet: "/keys.json",
        .jwtIssuer: "https://id.example", .jwtAudience: "devhive,other", .jwtLeeway: "5s",
        .ioUring: "off", .allowOrigin: "https://app.example.com,https://*.example.org",
        .connectionsPerAddress: "off", .connectionsPerUser: "7", .handshakesPerSecond: "1",
        .unauthenticatedConnections: "off", .messagesPerSecond: "10000", .errorsPerMinute: "250",
        .trustedProxies: "10.0.0.0/8,::1", .proxyProtocol: "on", .coreDumps: "on",
        .logLevel: "trace", .logFormat: "json", .eventRetention: "90m", .migrations: "/sql",
    ].merging([.readTimeout: "150s"]) { _, newer in newer }

    @Test func `every setting is read from its option and from its variable`() throws {
        let fromOptions = try Self.load(options: Self.others)
        var variables: [String: String] = [:]
        for (setting, text) in Self.others { variables[setting.variableName] = text }
        let fromVariables = try Self.load(variables)
        let standard = Configuration()
        for setting in Setting.allCases {
            let expected = try #require(Self.others[setting])
            #expect(fromOptions.text(of: setting) == expected)
            #expect(fromVariables.text(of: setting) == expected)
            #expect(standard.text(of: setting) != expected)
        }
    }

    @Test(arguments: [Setting.tlsCertificate, .tlsKey])
    func `a certificate and its key are given together or not at all`(_ given: Setting) throws {
        let failure = #expect(throws: ConfigurationError.self) {
            _ = try Self.load(options: [given: "/file.pem"])
        }
        #expect(failure?.source == given.optionName)
        #expect(failure?.description.contains("go together") == true)
    }

    @Test func `the command line goes before the environment`() throws {
        let configuration = try Self.load(
            options: [.pingInterval: "1s"],
            ["DEVHIVE_PING_INTERVAL": "2s", "DEVHIVE_READ_TIMEOUT": "3s"])
        #expect(configuration.pingInterval == .seconds(1))
        #expect(configuration.readTimeout == .seconds(3))
    }

    @Test func `a wrong variable isn't noticed when the option replaces it`() throws {
        let configuration = try Self.load(
            options: [.listen: "127.0.0.2:1"], ["DEVHIVE_LISTEN": "nonsense"])
        #expect(configuration.listen.host == "127.0.0.2")
    }

    @Test func `an empty variable counts as not given`() throws {
        let configuration = try Self.load([
            "DEVHIVE_LISTEN": "", "DATABASE_URL_FILE": "", "JWT_SECRET_FILE": "",
        ])
        #expect(configuration.listen.port == 8080)
    }

    @Test(
        arguments: [
            (.listen, "8080"), (.adminListen, "[::1]"), (.workers, "0"),
            (.workers, "257"), (.maxConnections, "0"),
            (.maxConnections, "10000001"), (.maxConnections, "+5"), (.maxConnections, ""),
            (.membership, "maybe"), (.pingInterval, "9ms"), (.pingInterval, "54"),
            (.readTimeout, "25h"), (.textPing, "yes"), (.slowConsumer, "drop"),
            (.refetchRate, "0"), (.refetchRate, "1000001"), (.queryToken, "ON"),
            (.maxMessageBytes, "63"), (.maxMessageBytes, "65537"),
            (.handshakeTimeout, "0s"), (.initTimeout, "-1s"), (.closeTimeout, "soon"),
            (.drainSeconds, "3601"), (.drainSeconds, "10s"), (.logLevel, "loud"),
            (.logFormat, "xml"), (.migrations, ""), (.jwtKey, "a.pem,"), (.jwtKey, "PS256:"),
            (.jwtIssuer, ","), (.jwtAudience, "a,,b"), (.jwtLeeway, "301s"),
            (.jwtLeeway, "500ms"), (.jwtLeeway, "30"),
        ] as [(Setting, String)])
    func `a wrong value is refused, with its option, itself and what is allowed`(
        setting: Setting, value: String
    ) throws {
        let error = try #require(Self.error(options: [setting: value]))
        #expect(error.source == setting.optionName)
        #expect(error.value == value)
        #expect(error.reason == setting.allowed)
        #expect(
            error.description
                == "\(setting.optionName): '\(value)' is refused: \(setting.allowed)")
    }

    @Test func `a wrong variable is named as the variable`() throws {
        let error = try #require(Self.error(["DEVHIVE_MAX_MESSAGE_BYTES": "1"]))
        #expect(error.source == "DEVHIVE_MAX_MESSAGE_BYTES")
    }

    @Test func `an error is one line of bounded length, whatever the value holds`() throws {
        let value = "a\nb\u{1B}" + String(repeating: "x", count: 10_000)
        let error = try #require(Self.error(options: [.logLevel: value]))
        #expect(error.description.hasPrefix("--log-level: 'a?b?xxx"))
        #expect(error.description.utf8.count < 300)
    }

    @Test func `the read timeout must exceed the ping interval, and the one that was set is named`()
        throws
    {
        let ping = try #require(Self.error(options: [.pingInterval: "60s"]))
        #expect(ping.source == "--ping-interval")
        let read = try #require(Self.error(["DEVHIVE_READ_TIMEOUT": "54s"]))
        #expect(read.source == "DEVHIVE_READ_TIMEOUT")
        #expect(Self.error(options: [.readTimeout: "54001ms"]) == nil)
    }

    @Test func `both listeners can't be one, except on ports that the kernel chooses`() throws {
        let same = try #require(
            Self.error(options: [.listen: "127.0.0.2:1", .adminListen: "127.0.0.2:1"]))
        #expect(same.source == "--admin-listen")
        let overlapping = Self.error(options: [.listen: "0.0.0.0:1", .adminListen: "127.0.0.1:1"])
        #expect(overlapping?.source == "--admin-listen")
        #expect(Self.error(options: [.listen: "127.0.0.2:0", .adminListen: "127.0.0.2:0"]) == nil)
    }

    @Test func `misspelt variables are reported, those of an orchestrator aren't`() throws {
        let configuration = try Self.load([
            "DEVHIVE_PINGINTERVAL": "1s", "DEVHIVE_SERVICE_HOST": "10.0.0.1",
            "DEVHIVE_PORT": "tcp://10.0.0.1:80", "DEVHIVE_PORT_80_TCP": "tcp://10.0.0.1:80",
        ])
        #expect(configuration.warnings.count == 1)
        #expect(configuration.warnings.first?.hasPrefix("DEVHIVE_PINGINTERVAL ") == true)
    }

    @Test(
        arguments: [
            (64, nil, 32), (65, nil, 33), (128, nil, 64), (129, nil, 65), (1, nil, 1),
            (20_000, nil, 19_936), (UInt64.max, nil, 1_000_000), (64, 32, 32), (20_000, 5, 5),
        ] as [(UInt64, Int?, Int)])
    func `the most connections follow from the descriptor limit`(
        limit: UInt64, asked: Int?, expected: Int
    ) throws {
        var configuration = Configuration()
        configuration.maxConnections = asked
        let settled = try configuration.connectionsMax(descriptorLimit: limit)
        #expect(settled == expected)
    }

    @Test func `more connections than descriptors are refused at the start`() {
        var configuration = Configuration()
        configuration.maxConnections = 33
        #expect(throws: ConfigurationError.self) {
            _ = try configuration.connectionsMax(descriptorLimit: 64)
        }
    }
}
