/// Why a public key isn't taken: for a person, who chose the file.
public enum PublicKeyFailure: Error, Equatable, BitwiseCopyable, Sendable {
    /// No `BEGIN PUBLIC KEY` that OpenSSL can read.
    case unreadable
    /// A private key: it has no business on a host that only verifies.
    case isPrivate
    case isCertificate
    /// RSA under `PublicKey.rsaBitsMin`.
    case rsaTooShort(bits: Int)
    /// RSA over `PublicKey.rsaBitsMax`.
    case rsaTooLong(bits: Int)
    /// Another kind of key, or another curve.
    case kindNotSupported
    /// The key can't be used with the algorithm that is demanded.
    case algorithmMismatch
    /// Numbers that are no key: a point beside the curve, an exponent of 1.
    case invalid
    /// OpenSSL has no memory, or doesn't offer the algorithm here.
    case unavailable
}

extension PublicKeyFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable: "not a public key in PEM form (BEGIN PUBLIC KEY)"
        case .isPrivate:
            "a private key, which only the issuer of tokens may have; write its public part with "
                + "openssl pkey -pubout"
        case .isCertificate:
            "a certificate; write its public key with openssl x509 -pubkey -noout"
        case .rsaTooShort(let bits):
            "an RSA key of \(bits) bits; at least \(PublicKey.rsaBitsMin) are needed "
                + "(RFC 7518 section 3.3)"
        case .rsaTooLong(let bits):
            "an RSA key of \(bits) bits; at most \(PublicKey.rsaBitsMax) are taken"
        case .kindNotSupported: "neither RSA nor P-256 nor Ed25519"
        case .algorithmMismatch: "a key that does not fit its algorithm"
        case .invalid: "not a valid key"
        case .unavailable: "OpenSSL cannot use it here"
        }
    }
}
