internal import Reactor

/// Why the connections to Redis were lost, or not made.
indirect enum RedisLoss: Equatable, Sendable {
    /// The host's name wasn't resolved.
    case unresolved(String)
    case timeout
    case broken(RedisFault)
    /// The server's word: a wrong password, a right that is missing.
    case refused(String)
    /// It is a replica: what is published there, others don't hear.
    case replica
    /// It passes nothing on.
    case isSentinel
    /// What this process said didn't come back.
    case deaf
    /// No Sentinel said where it is: why, of each.
    case sentinels(report: String, advice: String?)
    /// This happened at what Sentinel has named.
    case primary(String, RedisLoss)
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
        case .isSentinel: "it is a Sentinel"
        case .deaf: "what was published didn't come back"
        case .sentinels(let report, _): "no Sentinel says where the primary is: \(report)"
        case .primary(let place, let reason): "primary \(place): \(reason)"
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
        case .isSentinel: "let REDIS_URL say redis+sentinel://host:26379/name"
        case .deaf: nil
        case .sentinels(_, let advice): advice
        case .primary(_, let reason): reason.adviceBehindSentinel
        }
    }

    /// The same where Sentinel has led there: it is asked again by itself, another one first.
    private var adviceBehindSentinel: String? {
        switch self {
        case .refused, .broken(.secure): advice
        case .unresolved:
            "let this host resolve the names that the Sentinels announce, or let them announce addresses"
        case .timeout, .broken:
            "a failover takes a while; if it stays so, check that the address which the Sentinels name can"
                + " be reached from here"
        case .replica:
            "a failover takes a while; if it stays so, look at what the Sentinels say and log"
        case .isSentinel, .deaf, .sentinels, .primary: nil
        }
    }

    /// The same of a Sentinel that was asked.
    var ofSentinel: SentinelFault {
        switch self {
        case .unresolved(let reason): .unresolved(reason)
        case .timeout: .timeout
        case .broken(let fault): .broken(fault)
        case .refused(let reason): .refused(reason)
        case .replica, .isSentinel, .deaf, .sentinels, .primary: .odd
        }
    }
}
