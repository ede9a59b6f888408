package import Reactor

/// Verifies JSON Web Tokens in the compact form (RFC 7519, RFC 7515 §3.1) that are signed with
/// HS256 under one secret.
///
/// The algorithm is the verifier's, never the token's: a token that names another one is refused,
/// so neither `none` nor a confusion of key kinds can pass. Nothing that a token says is believed
/// before its signature is checked. One verifier belongs to one loop; it keeps its buffer.
package struct TokenVerifier: ~Copyable {
    /// Bytes of a token: what fits into an `init` message or half of a request head. A token of
    /// an identity provider with many groups has 2 to 4 KiB.
    package static let tokenBytesMax = 8 << 10

    /// How far the clocks of issuer and gateway may differ, in seconds.
    package static let leewaySeconds: Int64 = 30

    private var mac: HMACSHA256
    /// The part that is being read, decoded.
    private var scratch = ByteBuffer(capacity: 1 << 10)

    /// Copies `secret`, whose length the configuration has checked.
    package init(secret: borrowing Span<UInt8>) throws(CryptoFailure) {
        mac = try HMACSHA256(key: secret)
    }

    /// The claims of a token that is valid at `nowUnixSeconds` (POSIX time).
    package mutating func verify(
        _ token: borrowing Span<UInt8>, nowUnixSeconds: Int64
    ) throws(TokenError) -> TokenClaims {
        guard token.count <= Self.tokenBytesMax else { throw .tooLong }
        guard let parts = TokenParts(token) else { throw .notThreeParts }
        try checkHeader(token.extracting(parts.header))
        try checkSignature(
            token.extracting(parts.signature), of: token.extracting(parts.signed))
        try decode(token.extracting(parts.claims), .claims)
        let document = try Self.document(scratch.bytes, .claims)
        return try TokenClaims(document, nowUnixSeconds: nowUnixSeconds)
    }

    private mutating func checkHeader(_ text: borrowing Span<UInt8>) throws(TokenError) {
        try decode(text, .header)
        try Self.checkHeader(try Self.document(scratch.bytes, .header))
    }

    private static func checkHeader(_ document: borrowing JSONDocument) throws(TokenError) {
        let header = document.root
        guard header.kind == .object else { throw .notAnObject(.header) }
        guard let algorithm = header.member("alg")?.string else { throw .algorithmMissing }
        guard algorithm.isEqual(to: "HS256") else { throw .algorithmNotAllowed }
        guard header.member("crit") == nil else { throw .criticalExtension }
    }

    private mutating func checkSignature(
        _ text: borrowing Span<UInt8>, of signed: borrowing Span<UInt8>
    ) throws(TokenError) {
        try decode(text, .signature)
        let code: InlineArray<32, UInt8>
        do throws(CryptoFailure) {
            code = try mac.digest(of: signed)
        } catch {
            throw .unavailable
        }
        guard ConstantTime.isEqual(code.span, scratch.bytes) else { throw .signatureMismatch }
    }

    /// Leaves the decoded part in `scratch`.
    private mutating func decode(
        _ text: borrowing Span<UInt8>, _ part: TokenError.Part
    ) throws(TokenError) {
        scratch.removeAll()
        guard Base64URL.decode(text, into: &scratch) else { throw .invalidEncoding(part) }
    }

    private static func document(
        _ text: borrowing Span<UInt8>, _ part: TokenError.Part
    ) throws(TokenError) -> JSONDocument {
        do throws(JSONError) {
            return try JSONDocument(text)
        } catch {
            throw error.reason == .outOfMemory ? .unavailable : .invalidJSON(part, error.reason)
        }
    }
}

/// Where the parts of a token are in its text.
private struct TokenParts {
    let header: Range<Int>
    let claims: Range<Int>
    let signature: Range<Int>

    /// What the signature is over: header, point and claims as they came.
    var signed: Range<Int> { header.lowerBound..<claims.upperBound }

    /// `nil` unless there are exactly two points and something at each side of both.
    init?(_ token: borrowing Span<UInt8>) {
        var first: Int?
        var second: Int?
        for index in 0..<token.count where token[index] == UInt8(ascii: ".") {
            guard second == nil else { return nil }
            if first == nil { first = index } else { second = index }
        }
        guard let first, let second, first > 0, second > first + 1, second + 1 < token.count
        else { return nil }
        header = 0..<first
        claims = (first + 1)..<second
        signature = (second + 1)..<token.count
    }
}
