package import Logging

/// All settings, checked: what the rest of the program reads. A plain value that doesn't change
/// while the program runs.
///
/// `Setting` lists the same names with their texts; `Configuration.load` fills this in.
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
    /// The most connections of one process on the public listener; `nil` derives it from RLIMIT_NOFILE. See
    /// `connectionsMax(descriptorLimit:)`.
    package var maxConnections: Int?

    // Clients.

    package var membership = Membership.on
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
    /// The folder of the numbered SQL files.
    package var migrationsDirectory = "Migrations"
    /// A libpq connection string. Empty if it wasn't given and isn't needed.
    package var databaseURL = Secret()
    /// The key of HS256. Empty if it wasn't given and isn't needed.
    package var jwtSecret = Secret()
    /// Another key of HS256, for the time of a change. Empty if there is none.
    package var jwtSecretNext = Secret()
    /// The files that secrets were read from, to be read again.
    package var secretFiles: [SecretSetting: String] = [:]

    /// Findings that aren't errors, such as a `DEVHIVE_` variable that nothing reads.
    package var warnings: [String] = []

    /// The defaults.
    package init() {}

    /// Who may subscribe to a project.
    package enum Membership: String, CaseIterable, Sendable {
        /// The project's members, by the table `project_members`.
        case on
        /// Everyone with a valid token.
        case off
    }

    /// Whether io_uring is used.
    package enum IOUringUse: String, CaseIterable, Sendable {
        /// Where the kernel has it and lets us.
        case auto
        /// Not to have it is an error at start.
        case on
        case off
    }

    /// What happens to a client whose queue exceeds its bound.
    package enum SlowConsumerPolicy: String, CaseIterable, Sendable {
        /// The queue becomes one resync of each project concerned.
        case collapse
        /// The connection is closed with 4202.
        case disconnect
    }
}

extension Configuration {
    /// Descriptors that clients can't have: both listeners, epoll, the ring, timers and signals,
    /// two database connections, the log, files that are read, and requests to the admin listener.
    package static let descriptorReserve: UInt64 = 64
    /// The most that the derived limit becomes: hard limits of 2³⁰ are common in containers, and
    /// mean "not limited", not that a process could serve as many.
    package static let derivedConnectionsMax = 1_000_000

    /// The most connections to hold, for RLIMIT_NOFILE `descriptorLimit` as it holds in this
    /// process, already raised.
    ///
    /// Of a limit under twice the reserve, half is kept. Throws if `max-connections` asks for more
    /// than fit: better at the start than with the first client that can't connect.
    package func connectionsMax(descriptorLimit: UInt64) throws(ConfigurationError) -> Int {
        let reserve = min(Self.descriptorReserve, descriptorLimit / 2)
        let most = Int(clamping: descriptorLimit - reserve)
        guard let maxConnections else { return max(1, min(most, Self.derivedConnectionsMax)) }
        guard maxConnections <= most else {
            throw ConfigurationError(
                source: "--max-connections or DEVHIVE_MAX_CONNECTIONS",
                value: String(maxConnections),
                reason: """
                    RLIMIT_NOFILE is \(descriptorLimit), which leaves \(most) for clients; raise \
                    the hard limit (ulimit -Hn, LimitNOFILE=) or choose at most that
                    """)
        }
        return maxConnections
    }
}
