package import Logging

/// All settings, checked: what the rest of the program reads. A plain value that doesn't change
/// while the program runs. The properties' values here are the defaults.
///
/// A new setting is a property here, its description in `Setting.sections` below, and the place that
/// reads the property. `Configuration.load` fills them in.
package struct Configuration: Sendable {
    // Listeners.

    /// Where clients connect.
    package var listen = ListenAddress(host: "127.0.0.1", port: 8080)
    /// Health and metrics. Nothing of it is reachable on the public listener.
    package var adminListen = ListenAddress(host: "127.0.0.1", port: 8081)
    /// A PEM file with the certificate for clients and its issuers', and one with its key; with them
    /// the public listener speaks TLS and nothing else. Both or neither.
    package var tlsCertificate = ""
    package var tlsKey = ""
    /// Processes with a loop each that share the public listener's address. 1 is one process without
    /// a parent.
    package var workers = 1
    /// Whether processes tell each other what they count.
    package var bus = BusUse.auto
    /// What the names of the bus' channels in Redis begin with.
    package var busPrefix = "devhive"
    /// The most connections of one process on the public listener; `nil` derives it from RLIMIT_NOFILE. See
    /// `connectionsMax(descriptorLimit:)`.
    package var maxConnections: Int?

    // Clients.

    package var membership = Membership.on
    /// The time within which memberships in use are looked at again; `nil`: not at all.
    package var membershipRecheck: Duration? = .seconds(600)
    package var presence = PresenceUse.on
    /// The silence after which a ping is sent.
    package var pingInterval = Duration.seconds(54)
    /// The silence after which a connection is closed; longer than `pingInterval`.
    package var readTimeout = Duration.seconds(60)
    /// Whether `{"type":"ping"}` goes out with each ping frame.
    package var textPing = true
    /// Whether permessage-deflate is agreed to (RFC 7692).
    package var compression = false
    package var slowConsumer = SlowConsumerPolicy.collapse
    /// Requests a second that the back end can serve to clients that fetch again what changed; `nil`
    /// asks nobody to wait.
    package var refetchRate: Int? = 1_000
    /// Whether `?token=` is accepted.
    package var queryToken = true
    /// Public keys of tokens.
    package var jwtKeyFiles: [PublicKeyFile] = []
    /// A file with a JSON Web Key Set; `nil` if there is none.
    package var jwtKeySetFile: String?
    /// Of which a token's `iss`, and its `aud`, must be one; empty if any will do.
    package var jwtIssuers: [String] = []
    package var jwtAudiences: [String] = []
    /// How far the clock of a token's issuer may differ. Whole seconds.
    package var jwtLeeway = Duration.seconds(30)
    /// The largest message from an authenticated client.
    package var maxMessageBytes = 512
    /// The time in which a request head must be complete.
    package var handshakeTimeout = Duration.seconds(10)
    /// The time in which a client that gave no token in the handshake must send `init`.
    package var initTimeout = Duration.seconds(10)
    /// The time that a peer gets to answer a close frame.
    package var closeTimeout = Duration.seconds(5)

    // Who comes in.

    /// Limits, origins and proxies.
    package var admission = AdmissionLimits.standard

    // Process.

    /// Whether the kernel may write this process' memory to a file when it crashes, and other
    /// processes of its user may look into it.
    package var coreDumps = false
    /// Whether broadcasts are sent in batches by io_uring.
    package var ioUring = IOUringUse.auto
    /// The time over which a drain spreads the clients' closing.
    package var drainSeconds = 10
    package var logLevel = Logger.Level.info
    package var logFormat = LogFormat.text

    // Database and secrets.

    /// How long the event log keeps events; how long a client may be away and still be told what it
    /// missed.
    package var eventRetention = Duration.seconds(86_400)
    /// Whether workers share the sessions with the database.
    package var databaseSessions = DatabaseSessionUse.process
    /// The folder of the numbered SQL files.
    /// Empty for the files in the program.
    package var migrationsDirectory = ""
    /// A libpq connection string. Empty if it wasn't given and isn't needed.
    package var databaseURL = Secret()
    /// The key of HS256. Empty if it wasn't given and isn't needed.
    package var jwtSecret = Secret()
    /// Another key of HS256, for the time of a change. Empty if there is none.
    package var jwtSecretNext = Secret()
    /// A Redis server's URL. Empty if there is none.
    package var redisURL = Secret()
    /// What gateways that meet there share. Empty if there is none.
    package var busSecret = Secret()
    /// The files that secrets were read from, to be read again.
    package var secretFiles: [SecretSetting: String] = [:]

    /// Findings that aren't errors, such as a `DEVHIVE_` variable that nothing reads.
    package var warnings: [String] = []

    /// The defaults.
    package init() {}
}

// MARK: The table

extension Setting {
    /// Every setting. Their order is that of `--help`, of `check` and of docs/configuration.md.
    package static let sections: [SettingSection] = [
        listening, clients, tokens, messages, admission, process, database,
    ]

    private static let listening = SettingSection(
        "Listeners",
        [
            Setting("listen", \.listen, .address, "Address for clients"),
            Setting(
                "admin-listen", \.adminListen, .address, "Address for health checks and metrics",
                remark: "Keep it private: nobody has to say there who they are."),
            Setting(
                "tls-cert", \.tlsCertificate,
                .path(allowed: "a PEM file, the server's certificate first, then its issuers'"),
                "Certificate with which clients are spoken to by TLS (wss)",
                remark: """
                    With it, clients are spoken to by TLS 1.2 or 1.3 alone. SIGHUP reads both files \
                    again: [tls.md](tls.md).
                    """),
            Setting(
                "tls-key", \.tlsKey, .path(allowed: "a PEM file without a passphrase"),
                "Key of that certificate"),
            Setting(
                "workers", \.workers, .number(1...256),
                "Processes that share the address for clients",
                remark: """
                    More than 1: with a parent. [How many](deployment.md#how-many-workers).
                    """),
            Setting(
                "bus", \.bus,
                .choice("auto/off", allowed: "auto (with workers, REDIS_URL or BUS_SECRET) or off"),
                "Whether processes tell each other how many clients they have",
                remark: """
                    Without it a project's status is that of one process: \
                    [several hosts](several-hosts.md).
                    """),
            Setting(
                "bus-prefix", \.busPrefix, .channelPrefix,
                "What the names of the bus' channels begin with",
                remark: "Gateways that serve the same database have the same."),
            Setting(
                "max-connections", \.maxConnections, .number(1...10_000_000, or: "auto"),
                "Most client connections of one process",
                remark: "`auto` is what the descriptor limit allows. Beyond it: 503."),
        ])

    private static let clients = SettingSection(
        "Clients",
        [
            Setting(
                "membership", \.membership, .choice("on/off"),
                "Whether a user must be a member of a project to subscribe to it",
                remark: "By the table `project_members`; `off` is for trusted networks."),
            Setting(
                "membership-recheck", \.membershipRecheck,
                .duration(.seconds(1)...(.seconds(86_400)), or: "off", examples: "90s or 10m"),
                "Time within which memberships in use are looked up again",
                remark: "So that a removal that nobody announced doesn't last longer."),
            Setting(
                "presence", \.presence, .choice("on/count/off"),
                "What clients that ask are told of who is present in their project",
                remark: """
                    `on` is who is, `count` how many are, `off` nothing: \
                    [presence](protocol.md#who-is-present).
                    """),
            Setting(
                "ping-interval", \.pingInterval, .duration,
                "Silence after which a client is pinged"),
            Setting(
                "read-timeout", \.readTimeout, .duration,
                "Silence after which a client is disconnected",
                remark: "It must be longer than `--ping-interval`."),
            Setting(
                "text-ping", \.textPing, .toggle, "Whether pings are sent as messages too",
                remark: "`{\"type\":\"ping\"}` beside each ping frame."),
            Setting(
                "compression", \.compression, .toggle,
                "Whether clients are offered compression (permessage-deflate)",
                remark: "An event becomes about a fifth smaller."),
            Setting(
                "slow-consumer", \.slowConsumer, .choice("policy"),
                "What happens to a client that reads too slowly",
                remark: """
                    `collapse` replaces what waits for it by one "fetch everything again"; \
                    `disconnect` closes it with 4202.
                    """),
            Setting(
                "refetch-rate", \.refetchRate, .number(1...1_000_000, or: "off"),
                "Requests a second of the back end, which refetches are spread to",
                unit: "requests/s",
                remark: "Events to many clients ask them to wait a random time (`spread_ms`)."),
        ])

    private static let tokens = SettingSection(
        "Tokens",
        introduction:
            "SIGHUP reads the files again: [how to change keys](deployment.md#keys-of-tokens).",
        [
            Setting(
                "query-token", \.queryToken, .toggle, "Whether a token in the URL is accepted"),
            Setting("jwt-key", \.jwtKeyFiles, .keyFiles, "Public keys of tokens, PEM files"),
            Setting(
                "jwt-jwks", \.jwtKeySetFile, .path, "Public keys of tokens, a JSON Web Key Set"),
            Setting("jwt-issuer", \.jwtIssuers, .names, "Who must have issued a token (iss)"),
            Setting("jwt-audience", \.jwtAudiences, .names, "Whom a token must be for (aud)"),
            Setting(
                // Clocks that differ by more are broken.
                "jwt-leeway", \.jwtLeeway, .wholeSeconds(atMost: .seconds(300)),
                "Clock difference that is forgiven to the issuer"),
        ])

    private static let messages = SettingSection(
        "Messages and deadlines",
        [
            Setting(
                "max-message-bytes", \.maxMessageBytes, .number(64...65_536),
                "Largest message from a client", unit: "bytes"),
            Setting(
                "handshake-timeout", \.handshakeTimeout, .duration, "Time for a request to arrive"),
            Setting(
                "init-timeout", \.initTimeout, .duration,
                "Time for a client without a token to send one"),
            Setting(
                "close-timeout", \.closeTimeout, .duration,
                "Time for a client to answer a close"),
        ])

    private static let admission = SettingSection(
        "Who comes in",
        introduction: """
            What each is for is in [SECURITY.md](../SECURITY.md), and how to choose the limits in \
            [deployment.md](deployment.md#limits). All count in one \
            process, but for [a user's](several-hosts.md#limits-of-a-user).
            """,
        [
            Setting(
                "allow-origin", \.admission.origins, .origins, "Sites whose scripts may connect"),
            Setting(
                "connections-per-address", \.admission.connectionsPerAddress,
                .number(1...10_000_000, or: "off"), "Most connections of one address",
                remark: """
                    An IPv4 address or an IPv6 /64. Beyond it: 429. Behind a proxy see \
                    `--trusted-proxies`.
                    """),
            Setting(
                "connections-per-user", \.admission.connectionsPerUser,
                .number(1...10_000_000, or: "off"), "Most connections of one user",
                remark: "Beyond it: 429, or 4302."),
            Setting(
                "handshakes-per-second", \.admission.handshakesPerSecond,
                .number(1...100_000, or: "off"), "Most handshakes of one address in a second",
                remark: "Ten times as many at once. Beyond it: 429."),
            Setting(
                "unauthenticated-connections", \.admission.unauthenticatedConnections,
                .number(1...10_000_000, or: "off"),
                "Most connections that have yet to show a token",
                remark: "By `init`. Beyond it: 503."),
            Setting(
                // This and the next are kept in the few bits of a client's record.
                "messages-per-second", \.admission.messagesPerSecond,
                .number(1...10_000, or: "off"), "Most messages of one connection in a second",
                remark: "Four times as many at once. Beyond it: 4301."),
            Setting(
                "errors-per-minute", \.admission.errorsPerMinute, .number(1...250, or: "off"),
                "Most wrong messages of one connection in a minute", remark: "Then: 4301."),
            Setting(
                "trusted-proxies", \.admission.trustedProxies, .proxies,
                "Proxies whose word about a client's address is believed",
                remark: "By `X-Forwarded-For`, or by a PROXY header."),
            Setting(
                "proxy-protocol", \.admission.expectsProxyHeader, .toggle,
                "Whether connections begin with a PROXY header",
                remark: "Version 1 or 2, of a trusted proxy."),
        ])

    private static let process = SettingSection(
        "Process and log",
        [
            Setting(
                "core-dumps", \.coreDumps, .toggle,
                "Whether this process' memory may be dumped and traced"),
            Setting(
                "drain-seconds", \.drainSeconds, .number(0...3_600),
                "Seconds over which clients are closed at shutdown", unit: "seconds",
                remark: "SIGTERM begins it."),
            Setting(
                "io-uring", \.ioUring,
                .choice("auto/on/off", allowed: "auto (where the kernel lets us), on or off"),
                "Whether broadcasts are sent in batches by io_uring"),
            Setting(
                "log-level", \.logLevel, .choice("level"), "Least important lines that are logged",
                remark: "To standard error. No token is ever in it."),
            Setting(
                "log-format", \.logFormat, .choice("format"), "Form of the log lines",
                remark: "`json` is one object a line."),
        ])

    private static let database = SettingSection(
        "Database",
        [
            Setting(
                "event-retention", \.eventRetention,
                .duration(.seconds(60)...(.seconds(30 * 86_400)), examples: "90m or 24h"),
                "How long missed events are kept",
                remark: "In the event log, from which clients that come back resume."),
            Setting(
                "database-sessions", \.databaseSessions,
                .choice(
                    "host/process",
                    allowed: "host (one worker's, for all workers) or process (each has its own)"),
                "Whose sessions with the database workers have",
                remark: """
                    `host` has three sessions in all, whatever `--workers` says: \
                    [database sessions](deployment.md#database-sessions).
                    """),
            Setting(
                "migrations", \.migrationsDirectory, .path(),
                "Folder of SQL files for migrate to apply, instead of those in the program"),
        ])
}
