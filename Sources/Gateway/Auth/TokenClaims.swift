internal import Reactor

/// What a verified token says.
package struct TokenClaims: Equatable, BitwiseCopyable, Sendable {
    /// `sub`.
    package let user: UserID
    /// `exp` in seconds since 1970, a fraction cut off. The leeway isn't added: the token is
    /// accepted, and a connection may live, until `expiresAt + TokenPolicy.leewaySeconds`.
    package let expiresAt: Int64

    package init(user: UserID, expiresAt: Int64) {
        self.user = user
        self.expiresAt = expiresAt
    }

    /// The claims of RFC 7519 §4.1 that are looked at.
    package enum Name: BitwiseCopyable, Sendable {
        case subject, expiry, notBefore, issuedAt, issuer, audience

        package var text: StaticString {
            switch self {
            case .subject: "sub"
            case .expiry: "exp"
            case .notBefore: "nbf"
            case .issuedAt: "iat"
            case .issuer: "iss"
            case .audience: "aud"
            }
        }
    }
}

/// What a token claims, and whether the gateway was meant.
///
/// What is refused at once depends on the token and the clock alone, so that it may be told to a
/// sender whose signature wasn't looked at: it learns nothing that it didn't write. Whether issuer
/// and audience are those that are configured is something else, and is held back.
struct ClaimsReading: BitwiseCopyable {
    let claims: TokenClaims
    /// Why the token is refused if its signature is right.
    let refusal: TokenError?
}

extension ClaimsReading {
    init(
        _ document: borrowing JSONDocument, _ policy: borrowing TokenPolicy,
        nowUnixSeconds now: Int64
    ) throws(TokenError) {
        let root = document.root
        guard root.kind == .object else { throw .notAnObject(.claims) }
        guard let expiry = try Self.date(.expiry, in: root) else { throw .missing(.expiry) }
        let notBefore = try Self.date(.notBefore, in: root)
        _ = try Self.date(.issuedAt, in: root)  // Only its type matters (RFC 7519 §4.1.6).
        guard let subject = root.member(TokenClaims.Name.subject.text) else {
            throw .missing(.subject)
        }
        guard let text = subject.string else { throw .wrongType(.subject) }
        guard let user = UserID(text) else { throw .subjectNotUUID }

        // Dates are of the years 1970 to 9999, so adding the leeway can't overflow.
        guard now < expiry + policy.leewaySeconds else { throw .expired(at: expiry) }
        if let notBefore, now < notBefore - policy.leewaySeconds {
            throw .notYetValid(from: notBefore)
        }
        claims = TokenClaims(user: user, expiresAt: expiry)
        let isIssuerAccepted = try Self.isIssuerAccepted(root, policy)
        let isAudienceAccepted = try Self.isAudienceAccepted(root, policy)
        if !isIssuerAccepted {
            refusal = .notAccepted(.issuer)
        } else {
            refusal = isAudienceAccepted ? nil : .notAccepted(.audience)
        }
    }

    /// A claim that is a date (RFC 7519 §2, NumericDate): an integer or a fraction, from 1970 to
    /// the end of 9999, whole seconds returned.
    private static func date(
        _ name: TokenClaims.Name, in claims: JSONValue
    ) throws(TokenError) -> Int64? {
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

    private static func isIssuerAccepted(
        _ claims: JSONValue, _ policy: borrowing TokenPolicy
    ) throws(TokenError) -> Bool {
        guard let value = claims.member(TokenClaims.Name.issuer.text) else {
            return policy.issuers.isEmpty
        }
        guard let issuer = value.string else { throw .wrongType(.issuer) }
        return policy.issuers.isEmpty || TokenPolicy.contains(policy.issuers, issuer)
    }

    /// `aud` is a string, or an array of strings of which one must be ours (RFC 7519 §4.1.3).
    private static func isAudienceAccepted(
        _ claims: JSONValue, _ policy: borrowing TokenPolicy
    ) throws(TokenError) -> Bool {
        guard let value = claims.member(TokenClaims.Name.audience.text) else {
            return policy.audiences.isEmpty
        }
        if let audience = value.string {
            return policy.audiences.isEmpty || TokenPolicy.contains(policy.audiences, audience)
        }
        guard value.kind == .array else { throw .wrongType(.audience) }
        var isAccepted = policy.audiences.isEmpty
        for position in 0..<value.elementCount {
            guard let audience = value.element(at: position)?.string else {
                throw .wrongType(.audience)
            }
            isAccepted = isAccepted || TokenPolicy.contains(policy.audiences, audience)
        }
        return isAccepted
    }
}
