package import Reactor

/// Why a Sentinel didn't say where the primary is.
package enum SentinelFault: Error, Equatable, Sendable {
    /// Its name wasn't resolved.
    case unresolved(String)
    case timeout
    case broken(RedisFault)
    /// Its word: it wants a password, or isn't a Sentinel.
    case refused(String)
    /// It watches no primary of that name.
    case unknownName
    /// What it said is no address.
    case odd
}

extension SentinelFault: CustomStringConvertible {
    /// Of its words at most 200 bytes.
    package var description: String {
        switch self {
        case .unresolved(let reason): "host name not resolved: \(reason)"
        case .timeout: "no answer in time"
        case .broken(let fault): fault.description
        case .refused(let reason): "refused: \(reason)"
        case .unknownName: "watches no primary of that name"
        case .odd: "answered with something that is no address"
        }
    }

    /// What an operator can do about it.
    var advice: String {
        switch self {
        case .unresolved:
            "correct the Sentinels' hosts in REDIS_URL, or the resolver of this host"
        case .timeout, .broken(.failed), .broken(.closed):
            "check the Sentinels' hosts and ports in REDIS_URL (26379 where none stands), and the firewalls on the way"
        case .broken(.secure):
            "check that the Sentinels speak TLS, and that this system trusts their certificates"
                + " (SSL_CERT_FILE names others); redis+sentinel:// is without"
        case .refused(let reason) where reason.hasPrefix("NOAUTH"):
            "the Sentinels want a password: with ?sentinel-auth=same in REDIS_URL they are told that of Redis"
        case .refused(let reason) where reason.hasPrefix("NOPERM"):
            "the user needs +sentinel|get-master-addr-by-name on the Sentinels"
        case .refused(let reason) where reason.hasPrefix("ERR unknown command"):
            "let REDIS_URL name Sentinels: what answers there is none"
        case .refused: "check the Sentinels' log, and the user and password if they are told one"
        case .unknownName:
            "correct the name in REDIS_URL: it is that of the Sentinels' line \"sentinel monitor\""
        case .broken, .odd:
            "let REDIS_URL name Sentinels of Redis: what answers there speaks otherwise"
        }
    }

    /// How much it says about what is wrong: of several Sentinels' faults the first of the most telling
    /// gives the advice.
    var weight: Int {
        switch self {
        case .timeout, .broken(.failed), .broken(.closed): 0
        case .unresolved: 1
        case .broken, .odd: 2
        case .refused: 3
        case .unknownName: 4
        }
    }
}
