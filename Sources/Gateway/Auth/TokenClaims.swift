internal import Reactor

/// What a verified token says.
package struct TokenClaims: Equatable, BitwiseCopyable, Sendable {
    /// `sub`.
    package let user: UserID
    /// `exp` in seconds since 1970, a fraction cut off. The leeway isn't added: the token is
    /// accepted, and a connection may live, until `expiresAt + TokenVerifier.leewaySeconds`.
    package let expiresAt: Int64

    package init(user: UserID, expiresAt: Int64) {
        self.user = user
        self.expiresAt = expiresAt
    }

    /// The claims of RFC 7519 §4.1 that are looked at.
    package enum Name: BitwiseCopyable, Sendable {
        case subject, expiry, notBefore, issuedAt

        package var text: StaticString {
            switch self {
            case .subject: "sub"
            case .expiry: "exp"
            case .notBefore: "nbf"
            case .issuedAt: "iat"
            }
        }
    }
}

extension TokenClaims {
    /// Reads the claims of a token whose signature is right, and checks them against the clock.
    init(_ document: borrowing JSONDocument, nowUnixSeconds now: Int64) throws(TokenError) {
        let claims = document.root
        guard claims.kind == .object else { throw .notAnObject(.claims) }
        guard let expiry = try Self.date(.expiry, in: claims) else { throw .missing(.expiry) }
        let notBefore = try Self.date(.notBefore, in: claims)
        _ = try Self.date(.issuedAt, in: claims)  // Only its type matters (RFC 7519 §4.1.6).
        guard let subject = claims.member(Name.subject.text) else { throw .missing(.subject) }
        guard let text = subject.string else { throw .wrongType(.subject) }
        guard let user = UserID(text) else { throw .subjectNotUUID }

        // Dates are of the years 1970 to 9999, so adding the leeway can't overflow.
        guard now < expiry + TokenVerifier.leewaySeconds else { throw .expired(at: expiry) }
        if let notBefore, now < notBefore - TokenVerifier.leewaySeconds {
            throw .notYetValid(from: notBefore)
        }
        self.init(user: user, expiresAt: expiry)
    }

    /// A claim that is a date (RFC 7519 §2, NumericDate): an integer or a fraction, from 1970 to
    /// the end of 9999, whole seconds returned.
    private static func date(_ name: Name, in claims: JSONValue) throws(TokenError) -> Int64? {
        guard let value = claims.member(name.text) else { return nil }
        if let integer = value.integer {
            guard integer >= 0, integer <= lastSecond else { throw .outOfRange(name) }
            return integer
        }
        guard let real = value.real else { throw .wrongType(name) }
        guard real >= 0, real <= Double(lastSecond) else { throw .outOfRange(name) }
        return Int64(real)  // In range, as just seen; and not a NaN, which passes no comparison.
    }

    private static let lastSecond: Int64 = 253_402_300_799  // 9999-12-31T23:59:59Z
}
