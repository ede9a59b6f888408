internal import Reactor

/// Why the connections to Redis were lost, or not made.
enum RedisLoss: Equatable, Sendable {
    /// The host's name wasn't resolved.
    case unresolved(String)
    case timeout
    case broken(RedisFault)
    /// The server's word: a wrong password, a right that is missing.
    case refused(String)
    /// It is a replica: what is published there, others don't hear.
    case replica
    /// What this process said didn't come back.
    case deaf
}

extension RedisLoss: CustomStringConvertible {
    /// Of the server's words at most 200 bytes, and nothing of the password.
    var description: String {
        switch self {
        case .unresolved(let reason): "host name not resolved: \(reason)"
        case .timeout: "not connected in time"
        case .broken(let fault): fault.description
        case .refused(let reason): "refused: \(reason)"
        case .replica: "it is a replica"
        case .deaf: "what was published didn't come back"
        }
    }

    /// What an operator can do about it; `nil` where that is unknown.
    var advice: String? {
        switch self {
        case .unresolved: "correct the host in REDIS_URL, or the resolver of this host"
        case .timeout: "check the host and port in REDIS_URL, and the firewalls on the way"
        case .broken(.secure):
            "check that the server speaks TLS, and that this system trusts its certificate"
                + " (SSL_CERT_FILE names others)"
        case .broken: "check that Redis runs where REDIS_URL leads; devhive-gateway doctor tries it"
        case .refused(let reason) where reason.hasPrefix("NOPERM"):
            "the user needs +publish +subscribe +role, and the channels &PREFIX:*"
        case .refused: "check the user and password in REDIS_URL"
        case .replica: "let REDIS_URL lead to the primary"
        case .deaf: nil
        }
    }
}
