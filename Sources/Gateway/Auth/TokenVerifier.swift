internal import Reactor

/// Verifies JSON Web Tokens in the compact form (RFC 7519, RFC 7515 §3.1).
///
/// The algorithm is the key's, never the token's: a token is tried with keys that are made for the
/// algorithm that it names, so neither `none` nor a confusion of key kinds can pass. Nothing that
/// a token says is believed before its signature is checked. One verifier belongs to one loop; it
/// keeps its buffers.
package struct TokenVerifier: ~Copyable {
    /// Bytes of a token: what fits into an `init` message or half of a request head. A token of
    /// an identity provider with many groups has 2 to 4 KiB.
    package static let tokenBytesMax = 8 << 10
    /// Bytes of a header, decoded and as it comes: it names an algorithm and a key. What is longer
    /// carries certificates, of which nothing would be believed.
    package static let headerBytesMax = 512
    private static let encodedHeaderBytesMax = (headerBytesMax * 4 + 2) / 3
    /// Bytes of claims, decoded, from which on their values are counted before they are read.
    private static let shortClaimsBytesMax = 1_024

    package let policy: TokenPolicy
    /// How many costly signatures may still be checked before the caller has to do something else.
    package var costlyChecksLeft = Int.max

    private var keys: KeyRing
    /// Those of the keys whose checks are costly.
    private var costlyKeys: KeySelection
    /// The part that is being read, decoded.
    private var scratch = ByteBuffer(capacity: 1 << 10)
    private var signature = ByteBuffer(capacity: 1 << 10)

    /// The header, as it came, of the last token that named keys we have, and which. Issuers write
    /// the same header over and over, and the same bytes lead to the same keys.
    private var lastHeader = ByteBuffer(capacity: encodedHeaderBytesMax)
    private var lastCandidates: KeySelection = []

    package init(keys: consuming KeyRing, policy: TokenPolicy = TokenPolicy()) {
        costlyKeys = keys.costly
        self.keys = keys
        self.policy = policy
    }

    /// Goes on with other keys.
    package mutating func replaceKeys(_ keys: consuming KeyRing) {
        costlyKeys = keys.costly
        self.keys = keys
        lastHeader.removeAll()
    }

    package var keyCount: Int { keys.count }

    // Hot path.
    /// The claims of a token that is valid at `nowUnixSeconds` (POSIX time).
    ///
    /// An HMAC is checked before the claims are looked at. Other signatures cost a hundred times
    /// as much as that look, so there a token that has expired or is nobody's doesn't get so far.
    package mutating func verify(
        _ token: borrowing Span<UInt8>, nowUnixSeconds: Int64
    ) throws(TokenError) -> TokenClaims {
        guard token.count <= Self.tokenBytesMax else { throw .tooLong }
        guard let parts = TokenParts(token) else { throw .notThreeParts }
        let candidates = try candidates(forHeader: token.extracting(parts.header))
        signature.removeAll()
        guard Base64URL.decode(token.extracting(parts.signature), into: &signature) else {
            throw .invalidEncoding(.signature)
        }
        let isCostly = !candidates.isDisjoint(with: costlyKeys)
        if !isCostly { try checkSignature(of: token.extracting(parts.signed), candidates) }
        let reading = try readClaims(token.extracting(parts.claims), nowUnixSeconds)
        if isCostly { try checkSignature(of: token.extracting(parts.signed), candidates) }
        if let refusal = reading.refusal { throw refusal }
        return reading.claims
    }

    private mutating func candidates(
        forHeader text: borrowing Span<UInt8>
    ) throws(TokenError) -> KeySelection {
        if lastHeader.isEqual(to: text) { return lastCandidates }
        guard text.count <= Self.encodedHeaderBytesMax else { throw .headerTooLong }
        try decode(text, .header)
        let candidates = try TokenHeader.candidates(
            try Self.document(scratch.bytes, .header), in: keys)
        lastHeader.removeAll()
        lastHeader.append(text)
        lastCandidates = candidates
        return candidates
    }

    /// Throws unless `signature` is one of the candidates'. There are at most `KeyRing.triesMax`.
    private mutating func checkSignature(
        of signed: borrowing Span<UInt8>, _ candidates: KeySelection
    ) throws(TokenError) {
        var left = candidates
        while let position = left.removeFirst() {
            if costlyKeys.contains(KeySelection(position)) {
                guard costlyChecksLeft > 0 else { throw .overloaded }
                costlyChecksLeft -= 1
            }
            do throws(CryptoFailure) {
                if try keys.verify(signature.bytes, of: signed, at: position) { return }
            } catch {
                throw .unavailable
            }
        }
        throw .signatureMismatch
    }

    private mutating func readClaims(
        _ text: borrowing Span<UInt8>, _ nowUnixSeconds: Int64
    ) throws(TokenError) -> ClaimsReading {
        try decode(text, .claims)
        guard
            scratch.count <= Self.shortClaimsBytesMax
                || !JSONSize.hasMoreValues(than: Limits.claimValuesMax, in: scratch.bytes)
        else { throw .tooManyClaims }
        return try ClaimsReading(
            try Self.document(scratch.bytes, .claims), policy, nowUnixSeconds: nowUnixSeconds)
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

extension TokenVerifier {
    mutating func verify(
        _ token: borrowing ByteBuffer, at wall: Timestamp
    ) throws(TokenError) -> TokenClaims {
        try verify(token.bytes, nowUnixSeconds: wall.unixSeconds)
    }

    /// A verifier of HS256 with one secret, which is copied.
    package init(secret: borrowing Span<UInt8>) throws(KeyRingError) {
        var keys = KeyRing()
        try keys.add(secret: secret)
        self.init(keys: keys)
    }
}
