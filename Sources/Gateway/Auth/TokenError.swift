package import Reactor

/// Why a token is refused. It holds nothing of the token but its dates.
package enum TokenError: Error, Equatable, BitwiseCopyable, Sendable {
    package enum Part: BitwiseCopyable, Sendable {
        case header, claims, signature

        package var name: StaticString {
            switch self {
            case .header: "header"
            case .claims: "claims"
            case .signature: "signature"
            }
        }
    }

    case tooLong
    case headerTooLong
    /// More values than anybody has to say, whose reading would cost others their time.
    case tooManyClaims
    /// Not exactly three parts, or an empty one.
    case notThreeParts
    /// A part isn't strict base64url.
    case invalidEncoding(Part)
    case invalidJSON(Part, JSONError.Reason)
    case notAnObject(Part)
    /// `alg` is missing, or no string.
    case algorithmMissing
    /// `alg` is `none`, or one that there is no key for.
    case algorithmNotAllowed
    /// `crit` asks for extensions, of which the gateway understands none (RFC 7515 §4.1.11).
    case criticalExtension
    /// There is no key with the `kid`.
    case keyUnknown
    /// There is no `kid`, and there are more keys than are tried.
    case keyNotNamed
    case signatureMismatch
    case missing(TokenClaims.Name)
    case wrongType(TokenClaims.Name)
    /// A date before 1970 or after 9999.
    case outOfRange(TokenClaims.Name)
    case subjectNotUUID
    case expired(at: Int64)
    case notYetValid(from: Int64)
    /// `iss` or `aud` isn't one of those that are configured.
    case notAccepted(TokenClaims.Name)
    /// OpenSSL failed; the token may be right. To be answered as temporary.
    case unavailable
    /// So many signatures were checked that others have to be served first. Likewise.
    case overloaded

    /// Whether the token may be right all the same.
    package var isTemporary: Bool { self == .unavailable || self == .overloaded }

    /// Appends a sentence for the answer: plain ASCII without quotes and backslashes, so that it
    /// can stand in JSON and in a header's quoted string.
    package func writeMessage(to buffer: inout ByteBuffer) {
        switch self {
        case .tooLong: buffer.append("token is too long")
        case .headerTooLong: buffer.append("token header is too long")
        case .tooManyClaims: buffer.append("token has too many claims")
        case .notThreeParts: buffer.append("token does not have three parts")
        case .invalidEncoding(let part):
            Self.writePart(part, "is not base64url", to: &buffer)
        case .invalidJSON(let part, let reason):
            Self.writePart(part, "can not be read: ", to: &buffer)
            buffer.append(JSONError(reason: reason, position: 0).summary)
        case .notAnObject(let part):
            Self.writePart(part, "is not a JSON object", to: &buffer)
        case .algorithmMissing: buffer.append("token names no algorithm")
        case .algorithmNotAllowed: buffer.append("token algorithm is not allowed")
        case .criticalExtension: buffer.append("token needs an extension that is not supported")
        case .keyUnknown: buffer.append("token names a key that is not known here")
        case .keyNotNamed: buffer.append("token names no key")
        case .signatureMismatch: buffer.append("token signature does not match")
        case .missing(let claim): Self.writeClaim(claim, "is missing", to: &buffer)
        case .wrongType(let claim):
            Self.writeClaim(claim, claim.expectedType, to: &buffer)
        case .outOfRange(let claim): Self.writeClaim(claim, "is out of range", to: &buffer)
        case .subjectNotUUID: Self.writeClaim(.subject, "is not a UUID", to: &buffer)
        case .expired(let second):
            buffer.append("token expired at ")
            Timestamp(unixSeconds: second).writeWithoutFraction(to: &buffer)
        case .notYetValid(let second):
            buffer.append("token is not valid before ")
            Timestamp(unixSeconds: second).writeWithoutFraction(to: &buffer)
        case .notAccepted(let claim):
            Self.writeClaim(claim, "is not accepted here", to: &buffer)
        case .unavailable: buffer.append("tokens can not be verified at the moment")
        case .overloaded: buffer.append("too many tokens wait to be verified")
        }
    }

    private static func writePart(
        _ part: Part, _ text: StaticString, to buffer: inout ByteBuffer
    ) {
        buffer.append("token ")
        buffer.append(part.name)
        buffer.append(" ")
        buffer.append(text)
    }

    private static func writeClaim(
        _ claim: TokenClaims.Name, _ text: StaticString, to buffer: inout ByteBuffer
    ) {
        buffer.append("token claim ")
        buffer.append(claim.text)
        buffer.append(" ")
        buffer.append(text)
    }
}

extension TokenClaims.Name {
    /// What a claim of another type isn't.
    fileprivate var expectedType: StaticString {
        switch self {
        case .expiry, .notBefore, .issuedAt: "is not a number"
        case .subject, .issuer: "is not a string"
        case .audience: "is neither a string nor an array of strings"
        }
    }
}

extension TokenError: CustomStringConvertible {
    /// The same sentence; for logs and tests.
    package var description: String {
        var buffer = ByteBuffer()
        writeMessage(to: &buffer)
        return String(decoding: buffer)
    }
}
