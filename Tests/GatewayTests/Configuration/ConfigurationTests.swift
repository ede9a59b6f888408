import Gateway
import Testing

@Suite struct ConfigurationBehaviour {
    private static let key = String(repeating: "k", count: 32)
    private static let secrets = [
        "DATABASE_URL": "postgresql://user:password@localhost/devhive", "JWT_SECRET": key,
    ]

    private static func load(
        options: [String: String] = [:], _ variables: [String: String] = [:],
        secrets: [String: String] = secrets,
        needed: [SecretSetting] = SecretSetting.allCases
    ) throws(ConfigurationError) -> Configuration {
        let all = secrets.merging(variables) { _, newer in newer }
        return try Configuration.load(
            options: options, variables: all.mapValues { Array($0.utf8) }, needed: needed)
    }

    private static func error(
        options: [String: String] = [:], _ variables: [String: String] = [:],
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
        let texts = Setting.all.map { $0.text(in: configuration) }
        #expect(
            texts == [
                "127.0.0.1:8080", "127.0.0.1:8081", "", "", "1", "auto", "devhive", "auto", "on",
                "10m", "on",
                "54s", "60s", "on", "off", "collapse", "1000", "on", "", "", "", "", "30s", "512",
                "10s", "10s", "5s",
                "same-host", "1000", "100", "100", "4096", "50", "30", "none", "off", "off", "10",
                "auto", "info", "text", "24h", "process",
                "",
            ])
        #expect(configuration.warnings.isEmpty)
    }

    /// A value for each setting that isn't its default.
    private static let others: [String: String] = [
        "listen": "[::1]:0", "admin-listen": "0.0.0.0:9", "workers": "8", "bus": "off",
        "bus-prefix": "staging:devhive",
        "max-connections": "7",
        "tls-cert": "/tls.pem", "tls-key": "/tls.key",
        "membership": "off", "membership-recheck": "off", "presence": "count",
        "ping-interval": "1s",
        "read-timeout": "150s", "text-ping": "off",
        "compression": "on", "slow-consumer": "disconnect", "refetch-rate": "off",
        "query-token": "off",
        "max-message-bytes": "64",
        "handshake-timeout": "10ms", "init-timeout": "24h", "close-timeout": "1s",
        "drain-seconds": "0",
        "jwt-key": "a.pem,PS256:/b:c.pem", "jwt-jwks": "/keys.json",
        "jwt-issuer": "https://id.example", "jwt-audience": "devhive,other", "jwt-leeway": "5s",
        "io-uring": "off", "allow-origin": "https://app.example.com,https://*.example.org",
        "connections-per-address": "off", "connections-per-user": "7", "handshakes-per-second": "1",
        "unauthenticated-connections": "off", "messages-per-second": "10000",
        "errors-per-minute": "250",
        "trusted-proxies": "10.0.0.0/8,::1", "proxy-protocol": "on", "core-dumps": "on",
        "log-level": "trace", "log-format": "json", "event-retention": "90m",
        "database-sessions": "host", "migrations": "/sql",
    ]

    @Test func `every setting is read from its option and from its variable`() throws {
        let fromOptions = try Self.load(options: Self.others)
        var variables: [String: String] = [:]
        for setting in Setting.all { variables[setting.variableName] = Self.others[setting.name] }
        let fromVariables = try Self.load(variables)
        for setting in Setting.all {
            let expected = try #require(Self.others[setting.name])
            #expect(setting.text(in: fromOptions) == expected)
            #expect(setting.text(in: fromVariables) == expected)
            #expect(setting.standard != expected)
        }
    }

    @Test func `names, variables and properties are each of one setting`() {
        let count = Setting.all.count
        #expect(Set(Setting.all.map(\.name)).count == count)
        #expect(Set(Setting.all.map(\.variableName)).count == count)
        for setting in Setting.all {
            var configuration = Configuration()
            let other = Self.others[setting.name] ?? ""
            #expect(throws: Never.self) {
                try setting.set(&configuration, to: other, source: "a test")
            }
            let changed = Setting.all.filter { $0.text(in: configuration) != $0.standard }
            #expect(changed.map(\.name) == [setting.name])
        }
    }

    @Test func `a setting is found by the property that it fills`() {
        #expect(Setting[\.pingInterval].variableName == "DEVHIVE_PING_INTERVAL")
        #expect(Setting[\.admission.origins].optionName == "--allow-origin")
    }

    @Test(arguments: ["tls-cert", "tls-key"])
    func `a certificate and its key are given together or not at all`(_ given: String) throws {
        let failure = #expect(throws: ConfigurationError.self) {
            _ = try Self.load(options: [given: "/file.pem"])
        }
        #expect(failure?.source == "--\(given)")
        #expect(failure?.description.contains("go together") == true)
    }

    @Test func `the command line goes before the environment`() throws {
        let configuration = try Self.load(
            options: ["ping-interval": "1s"],
            ["DEVHIVE_PING_INTERVAL": "2s", "DEVHIVE_READ_TIMEOUT": "3s"])
        #expect(configuration.pingInterval == .seconds(1))
        #expect(configuration.readTimeout == .seconds(3))
    }

    @Test func `a wrong variable isn't noticed when the option replaces it`() throws {
        let configuration = try Self.load(
            options: ["listen": "127.0.0.2:1"], ["DEVHIVE_LISTEN": "nonsense"])
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
            ("listen", "8080"), ("admin-listen", "[::1]"), ("workers", "0"),
            ("workers", "257"), ("max-connections", "0"),
            ("max-connections", "10000001"), ("max-connections", "+5"), ("max-connections", ""),
            ("membership", "maybe"), ("ping-interval", "9ms"), ("ping-interval", "54"),
            ("read-timeout", "25h"), ("text-ping", "yes"), ("slow-consumer", "drop"),
            ("refetch-rate", "0"), ("refetch-rate", "1000001"), ("query-token", "ON"),
            ("max-message-bytes", "63"), ("max-message-bytes", "65537"),
            ("handshake-timeout", "0s"), ("init-timeout", "-1s"), ("close-timeout", "soon"),
            ("drain-seconds", "3601"), ("drain-seconds", "10s"), ("log-level", "loud"),
            ("log-format", "xml"), ("migrations", ""), ("jwt-key", "a.pem,"), ("jwt-key", "PS256:"),
            ("jwt-issuer", ","), ("jwt-audience", "a,,b"), ("jwt-leeway", "301s"),
            ("jwt-leeway", "500ms"), ("jwt-leeway", "30"),
        ] as [(String, String)])
    func `a wrong value is refused, with its option, itself and what is allowed`(
        name: String, value: String
    ) throws {
        let setting = try #require(Setting.all.first { $0.name == name })
        let error = try #require(Self.error(options: [name: value]))
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
        let error = try #require(Self.error(options: ["log-level": value]))
        #expect(error.description.hasPrefix("--log-level: 'a?b?xxx"))
        #expect(error.description.utf8.count < 300)
    }

    @Test func `the read timeout must exceed the ping interval, and the one that was set is named`()
        throws
    {
        let ping = try #require(Self.error(options: ["ping-interval": "60s"]))
        #expect(ping.source == "--ping-interval")
        let read = try #require(Self.error(["DEVHIVE_READ_TIMEOUT": "54s"]))
        #expect(read.source == "DEVHIVE_READ_TIMEOUT")
        #expect(Self.error(options: ["read-timeout": "54001ms"]) == nil)
    }

    @Test func `both listeners can't be one, except on ports that the kernel chooses`() throws {
        let same = try #require(
            Self.error(options: ["listen": "127.0.0.2:1", "admin-listen": "127.0.0.2:1"]))
        #expect(same.source == "--admin-listen")
        let overlapping = Self.error(options: [
            "listen": "0.0.0.0:1", "admin-listen": "127.0.0.1:1",
        ])
        #expect(overlapping?.source == "--admin-listen")
        #expect(
            Self.error(options: ["listen": "127.0.0.2:0", "admin-listen": "127.0.0.2:0"]) == nil)
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
            (64, nil, 32), (65, nil, 33), (256, nil, 128), (257, nil, 129), (1, nil, 1),
            (20_000, nil, 19_872), (UInt64.max, nil, 1_000_000), (64, 32, 32), (20_000, 5, 5),
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
