/// The algorithms of JSON Web Signatures that are understood (RFC 7518 §3.1, RFC 8037 §3.1).
public enum SignatureAlgorithm: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    /// HMAC with SHA-256: who can verify can sign.
    case hs256
    /// RSA, PKCS #1 v1.5, SHA-256.
    case rs256
    /// RSA, PSS, SHA-256 in both places, a salt as long as the digest.
    case ps256
    /// ECDSA on P-256 with SHA-256.
    case es256
    /// Ed25519.
    case edDSA

    /// As `alg` names it. Case matters.
    public var name: StaticString {
        switch self {
        case .hs256: "HS256"
        case .rs256: "RS256"
        case .ps256: "PS256"
        case .es256: "ES256"
        case .edDSA: "EdDSA"
        }
    }

    /// Whether a check costs a hundred times that of an HMAC: 20 µs (RSA), 70 (P-256) or
    /// 120 (Ed25519).
    public var isCostly: Bool { self != .hs256 }
}
