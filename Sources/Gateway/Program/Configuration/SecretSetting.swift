/// The secrets: read from a variable, or from the file that the variable with `_FILE` names. Not
/// from the command line, which every user of the machine can read.
package enum SecretSetting: String, CaseIterable, Sendable {
    case databaseURL = "DATABASE_URL"
    case jwtSecret = "JWT_SECRET"
    /// The key that tokens are signed with next, or were until now.
    case jwtSecretNext = "JWT_SECRET_NEXT"
    /// Where gateways of several hosts meet.
    case redisURL = "REDIS_URL"
    /// By which they know each other there.
    case busSecret = "BUS_SECRET"

    /// How much of a secret may be shown.
    package enum Sensitivity: Sendable {
        /// How many bytes it has.
        case whole
        /// Everything but the passwords in a connection string.
        case passwords
    }

    package var variableName: String { rawValue }
    package var fileVariableName: String { rawValue + "_FILE" }

    /// The name in what `check` prints: `jwt-secret`.
    package var name: String {
        rawValue.lowercased().map { $0 == "_" ? "-" : String($0) }.joined()
    }

    package var sensitivity: Sensitivity {
        switch self {
        case .databaseURL, .redisURL: .passwords
        case .jwtSecret, .jwtSecretNext, .busSecret: .whole
        }
    }

    /// What it is, for the documentation, in Markdown.
    package var summary: String {
        switch self {
        case .databaseURL: "The connection string of PostgreSQL, as libpq takes it. Required."
        case .jwtSecret:
            """
            The key of HS256 tokens, \(Configuration.jwtSecretBytesMin) bytes or more. This or a \
            public key (`--jwt-key`, `--jwt-jwks`) is required.
            """
        case .jwtSecretNext:
            """
            A second one, while it is changed: see [how to change \
            keys](deployment.md#keys-of-tokens).
            """
        case .redisURL:
            """
            The Redis server by which gateways of several hosts count together, such as \
            `rediss://user:password@host:6379`, or Sentinels that know where it is, \
            `redis+sentinel://host,host,host/name`: [several hosts](several-hosts.md). SIGHUP reads its file \
            again, and another one is [connected to at \
            once](several-hosts.md#another-redis-another-secret).
            """
        case .busSecret:
            """
            What these gateways share, and nobody else knows, \(Configuration.busSecretBytesMin) bytes \
            or more. Required unless `REDIS_URL` names a loopback address or a Unix socket (Sentinels may name \
            any host). Without \
            `REDIS_URL` they meet in the database with it. SIGHUP reads its file again, and the former \
            one [counts for 10 minutes more](several-hosts.md#another-redis-another-secret).
            """
        }
    }

    /// Where it is kept.
    var property: WritableKeyPath<Configuration, Secret> {
        switch self {
        case .databaseURL: \.databaseURL
        case .jwtSecret: \.jwtSecret
        case .jwtSecretNext: \.jwtSecretNext
        case .redisURL: \.redisURL
        case .busSecret: \.busSecret
        }
    }
}
