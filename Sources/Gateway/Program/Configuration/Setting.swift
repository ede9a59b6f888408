/// The settings that are options and variables; secrets are variables only, see `SecretSetting`.
///
/// The raw value is the option's name without its dashes.
package enum Setting: String, CaseIterable, Sendable {
    case listen
    case adminListen = "admin-listen"
    case tlsCertificate = "tls-cert"
    case tlsKey = "tls-key"
    case workers
    case maxConnections = "max-connections"
    case membership
    case pingInterval = "ping-interval"
    case readTimeout = "read-timeout"
    case textPing = "text-ping"
    case compression
    case slowConsumer = "slow-consumer"
    case refetchRate = "refetch-rate"
    case queryToken = "query-token"
    case jwtKey = "jwt-key"
    case jwtKeySet = "jwt-jwks"
    case jwtIssuer = "jwt-issuer"
    case jwtAudience = "jwt-audience"
    case jwtLeeway = "jwt-leeway"
    case maxMessageBytes = "max-message-bytes"
    case handshakeTimeout = "handshake-timeout"
    case initTimeout = "init-timeout"
    case closeTimeout = "close-timeout"
    case allowOrigin = "allow-origin"
    case connectionsPerAddress = "connections-per-address"
    case connectionsPerUser = "connections-per-user"
    case handshakesPerSecond = "handshakes-per-second"
    case unauthenticatedConnections = "unauthenticated-connections"
    case messagesPerSecond = "messages-per-second"
    case errorsPerMinute = "errors-per-minute"
    case trustedProxies = "trusted-proxies"
    case proxyProtocol = "proxy-protocol"
    case coreDumps = "core-dumps"
    case drainSeconds = "drain-seconds"
    case ioUring = "io-uring"
    case logLevel = "log-level"
    case logFormat = "log-format"
    case eventRetention = "event-retention"
    case migrations

    /// `--ping-interval`.
    package var optionName: String { "--" + rawValue }

    /// `DEVHIVE_PING_INTERVAL`.
    package var variableName: String {
        Self.variablePrefix
            + rawValue.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    package static let variablePrefix = "DEVHIVE_"

    /// What the setting is, for `--help`.
    package var summary: String {
        switch self {
        case .listen: "Address for clients"
        case .adminListen: "Address for health checks and metrics"
        case .tlsCertificate: "Certificate with which clients are spoken to by TLS (wss)"
        case .tlsKey: "Key of that certificate"
        case .workers: "Processes that share the address for clients"
        case .maxConnections: "Most client connections of one process"
        case .membership: "Whether a user must be a member of a project to subscribe to it"
        case .pingInterval: "Silence after which a client is pinged"
        case .readTimeout: "Silence after which a client is disconnected"
        case .textPing: "Whether pings are sent as messages too"
        case .compression: "Whether clients are offered compression (permessage-deflate)"
        case .slowConsumer: "What happens to a client that reads too slowly"
        case .refetchRate: "Requests a second of the back end, which refetches are spread to"
        case .queryToken: "Whether a token in the URL is accepted"
        case .jwtKey: "Public keys of tokens, PEM files"
        case .jwtKeySet: "Public keys of tokens, a JSON Web Key Set"
        case .jwtIssuer: "Who must have issued a token (iss)"
        case .jwtAudience: "Whom a token must be for (aud)"
        case .jwtLeeway: "Clock difference that is forgiven to the issuer"
        case .maxMessageBytes: "Largest message from a client"
        case .handshakeTimeout: "Time for a request to arrive"
        case .initTimeout: "Time for a client without a token to send one"
        case .closeTimeout: "Time for a client to answer a close"
        case .allowOrigin: "Sites whose scripts may connect"
        case .connectionsPerAddress: "Most connections of one address"
        case .connectionsPerUser: "Most connections of one user"
        case .handshakesPerSecond: "Most handshakes of one address in a second"
        case .unauthenticatedConnections: "Most connections that have yet to show a token"
        case .messagesPerSecond: "Most messages of one connection in a second"
        case .errorsPerMinute: "Most wrong messages of one connection in a minute"
        case .trustedProxies: "Proxies whose word about a client's address is believed"
        case .proxyProtocol: "Whether connections begin with a PROXY header"
        case .coreDumps: "Whether this process' memory may be dumped and traced"
        case .ioUring: "Whether broadcasts are sent in batches by io_uring"
        case .drainSeconds: "Seconds over which clients are closed at shutdown"
        case .logLevel: "Least important lines that are logged"
        case .logFormat: "Form of the log lines"
        case .eventRetention: "How long missed events are kept"
        case .migrations: "Folder of the SQL files that migrate applies"
        }
    }

    /// What is allowed, for `--help` and for errors.
    package var allowed: String {
        switch self {
        case .listen, .adminListen:
            "an address as IPv4:port or [IPv6]:port, port 0 for any free one"
        case .tlsCertificate: "a PEM file, the server's certificate first, then its issuers'"
        case .tlsKey: "a PEM file without a passphrase"
        case .workers: "a number from 1 to 256"
        case .maxConnections: "'auto', or a number from 1 to 10000000"
        case .pingInterval, .readTimeout, .handshakeTimeout, .initTimeout, .closeTimeout:
            "a duration such as 500ms, 54s, 1m or 1h, from 10ms to 24h"
        case .jwtKey:
            """
            paths with commas between; PS256:PATH for a key of RSA that is for PS256, not RS256
            """
        case .jwtKeySet: "a path"
        case .jwtIssuer, .jwtAudience: "names, with commas between, of which one is enough"
        case .jwtLeeway: "whole seconds such as 0s, 30s or 2m, at most 5m"
        case .membership, .textPing, .compression, .queryToken, .proxyProtocol, .coreDumps:
            "on or off"
        case .allowOrigin:
            "same-host, *, null, https://app.example.com or https://*.example.com, or several of "
                + "them between commas"
        case .connectionsPerAddress, .connectionsPerUser, .unauthenticatedConnections:
            "off, or a number from 1 to 10000000"
        case .handshakesPerSecond: "off, or a number from 1 to 100000"
        case .messagesPerSecond: "off, or a number from 1 to 10000"
        case .errorsPerMinute: "off, or a number from 1 to 250"
        case .trustedProxies: "none, or up to 64 addresses and blocks such as 10.0.0.0/8"
        case .slowConsumer: "collapse or disconnect"
        case .refetchRate: "'off', or a number from 1 to 1000000"
        case .maxMessageBytes: "a number from 64 to 65536"
        case .ioUring: "auto (where the kernel lets us), on or off"
        case .drainSeconds: "a number from 0 to 3600"
        case .logLevel: "trace, debug, info, notice, warning, error or critical"
        case .logFormat: "text or json"
        case .eventRetention: "a duration such as 90m or 24h, from 1m to 720h"
        case .migrations: "a path"
        }
    }
}

/// The secrets: read from a variable, or from the file that the variable with `_FILE` names. Not
/// from the command line, which every user of the machine can read.
package enum SecretSetting: String, CaseIterable, Sendable {
    case databaseURL = "DATABASE_URL"
    case jwtSecret = "JWT_SECRET"
    /// The key that tokens are signed with next, or were until now.
    case jwtSecretNext = "JWT_SECRET_NEXT"

    package var variableName: String { rawValue }
    package var fileVariableName: String { rawValue + "_FILE" }
}
