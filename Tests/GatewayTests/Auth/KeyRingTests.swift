import Gateway
import Reactor
import Testing

private typealias Tokens = SignedTokens

/// Before the tokens of others expire.
private let now = Tokens.expiry - 60

/// A ring of the PEM files that are given, with the algorithm that each is for.
private func makeRing(
    _ pems: [(String, SignatureAlgorithm?)], secrets: [String] = [], keySet: String? = nil
) throws -> KeyRing {
    var ring = KeyRing()
    for secret in secrets { try ring.add(secret: secret.utf8Span.span) }
    for (pem, algorithm) in pems { try ring.add(pem: pem.utf8Span.span, for: algorithm) }
    if let keySet { _ = try ring.add(keySet: keySet.utf8Span.span) }
    return ring
}

private func whyRefused(
    _ token: String, by verifier: inout TokenVerifier, at second: Int64 = now
) -> TokenError? {
    do throws(TokenError) {
        let claims = try verifier.verify(token.utf8Span.span, nowUnixSeconds: second)
        #expect(claims.user.description == Tokens.user)
        return nil
    } catch {
        return error
    }
}

private let secret = "a secret of at least thirty-two bytes"
private let allPEMs: [(String, SignatureAlgorithm?)] = [
    (Tokens.rsaPEM, nil), (Tokens.rsaPEM, .ps256), (Tokens.p256PEM, nil), (Tokens.ed25519PEM, nil),
]

@Suite struct KeyRingBehaviour {
    @Test(arguments: Tokens.all)
    func `tokens that PyJWT made are taken with keys of PEM files`(
        tokens: SignedTokens.Tokens
    ) throws {
        var verifier = TokenVerifier(keys: try makeRing(allPEMs, secrets: [secret]))
        #expect(whyRefused(tokens.plain, by: &verifier) == nil)
        // Keys of files have no name, so one that nobody has doesn't matter.
        #expect(whyRefused(tokens.named, by: &verifier) == nil)
    }

    @Test(arguments: Tokens.all)
    func `and with keys of a set, by name or without one`(tokens: SignedTokens.Tokens) throws {
        var verifier = TokenVerifier(keys: try makeRing([], keySet: Tokens.keySet))
        #expect(whyRefused(tokens.named, by: &verifier) == nil)
        #expect(whyRefused(tokens.plain, by: &verifier) == nil)
    }

    @Test(arguments: Tokens.all)
    func `an algorithm without a key is refused, whatever the token says`(
        tokens: SignedTokens.Tokens
    ) throws {
        var hmacOnly = TokenVerifier(keys: try makeRing([], secrets: [secret]))
        #expect(whyRefused(tokens.plain, by: &hmacOnly) == .algorithmNotAllowed)
        let others = allPEMs.filter { pem, algorithm in
            let isOwn = pem == (tokens.algorithm == "ES256" ? Tokens.p256PEM : Tokens.ed25519PEM)
            switch tokens.algorithm {
            case "RS256": return algorithm == .ps256 || pem != Tokens.rsaPEM
            case "PS256": return algorithm == nil
            default: return !isOwn
            }
        }
        var verifier = TokenVerifier(keys: try makeRing(others))
        #expect(whyRefused(tokens.plain, by: &verifier) == .algorithmNotAllowed)
    }

    @Test func `an HMAC made with a public key as the secret is refused (RFC 8725 §2.1)`() throws {
        var verifier = TokenVerifier(keys: try makeRing(allPEMs))
        var both = TokenVerifier(keys: try makeRing(allPEMs, secrets: [secret]))
        for pem in [Tokens.rsaPEM, Tokens.p256PEM, Tokens.ed25519PEM] {
            let key = pem + "\n"
            let claims = #"{"sub":"\#(Tokens.user)","exp":\#(Tokens.expiry)}"#
            let forged = try TokenSigner.sign(
                header: #"{"alg":"HS256"}"#, claims: claims, secret: key.utf8Span.span)
            #expect(whyRefused(forged, by: &verifier) == .algorithmNotAllowed)
            #expect(whyRefused(forged, by: &both) == .signatureMismatch)
            let relabelled = try TokenSigner.sign(
                header: #"{"alg":"RS256"}"#, claims: claims, secret: key.utf8Span.span)
            #expect(whyRefused(relabelled, by: &verifier) == .signatureMismatch)
        }
    }

    @Test func `during a rotation both secrets are good, and afterwards one`() throws {
        let next = "the next secret of thirty-two bytes"
        let user = try #require(UUID(text: Tokens.user))
        let old = try TokenSigner.sign(
            user: user, expiresAt: Tokens.expiry, secret: secret.utf8Span.span)
        let new = try TokenSigner.sign(
            user: user, expiresAt: Tokens.expiry, secret: next.utf8Span.span)
        var verifier = TokenVerifier(keys: try makeRing([], secrets: [secret, next]))
        for token in [old, new, old, new] { #expect(whyRefused(token, by: &verifier) == nil) }
        verifier.replaceKeys(try makeRing([], secrets: [next]))
        #expect(whyRefused(old, by: &verifier) == .signatureMismatch)
        #expect(whyRefused(new, by: &verifier) == nil)
    }

    @Test func `a header that was remembered is forgotten with the keys it led to`() throws {
        var verifier = TokenVerifier(keys: try makeRing(allPEMs))
        #expect(whyRefused(Tokens.es256.plain, by: &verifier) == nil)
        verifier.replaceKeys(try makeRing([(Tokens.rsaPEM, nil)]))
        #expect(whyRefused(Tokens.es256.plain, by: &verifier) == .algorithmNotAllowed)
        verifier.replaceKeys(try makeRing([(Tokens.ed25519PEM, nil), (Tokens.p256PEM, nil)]))
        #expect(whyRefused(Tokens.es256.plain, by: &verifier) == nil)
    }

    @Test func `headers in turn lead to their own keys`() throws {
        var verifier = TokenVerifier(
            keys: try makeRing(allPEMs, secrets: [secret], keySet: Tokens.keySet))
        for _ in 0..<3 {
            for tokens in Tokens.all {
                #expect(whyRefused(tokens.plain, by: &verifier) == nil)
                #expect(whyRefused(tokens.named, by: &verifier) == nil)
                #expect(whyRefused(tokens.named, by: &verifier) == nil)
            }
        }
    }

    @Test func `a name that nobody has is refused where all keys have names`() throws {
        var verifier = TokenVerifier(keys: try makeRing([], keySet: Tokens.keySet))
        for keyID in [
            #""other""#, #""../../etc/passwd""#, #""es256-1\u0020""#, "7", "null", #""""#,
        ] {
            let token = try TokenSigner.sign(
                header: #"{"alg":"ES256","kid":\#(keyID)}"#, claims: "{}",
                secret: secret.utf8Span.span)
            #expect(whyRefused(token, by: &verifier) == .keyUnknown)
        }
    }

    @Test(arguments: Tokens.all)
    func `an old token costs no signature, a good one does, and none is left in the end`(
        tokens: SignedTokens.Tokens
    ) throws {
        var verifier = TokenVerifier(keys: try makeRing(allPEMs))
        verifier.costlyChecksLeft = 2
        #expect(
            whyRefused(tokens.old, by: &verifier) == .expired(at: Tokens.expiryOfOld))
        let untouched = verifier.costlyChecksLeft
        #expect(untouched == 2)
        #expect(whyRefused(tokens.plain, by: &verifier) == nil)
        let oneLess = verifier.costlyChecksLeft
        #expect(oneLess == 1)
        #expect(whyRefused(tokens.plain, by: &verifier) == nil)
        #expect(whyRefused(tokens.plain, by: &verifier) == .overloaded)
        #expect(TokenError.overloaded.isTemporary)
        let user = try #require(UUID(text: Tokens.user))
        let cheap = try TokenSigner.sign(
            user: user, expiresAt: Tokens.expiry, secret: secret.utf8Span.span)
        verifier.replaceKeys(try makeRing(allPEMs, secrets: [secret]))
        #expect(whyRefused(cheap, by: &verifier) == nil, "HMACs go on")
    }

    @Test func `a short key is refused, in a file and in a set, with its length`() {
        let short = #"{"keys":[{"kty":"RSA","e":"AQAB","n":"\#(Tokens.shortModulus)"}]}"#
        #expect(error(pem: Tokens.rsa1024PEM) == .key(.rsaTooShort(bits: 1_024)))
        #expect(error(keySet: short) == .keyOfSet(1, .rsaTooShort(bits: 1_024)))
        #expect(
            KeyRingError.keyOfSet(1, .rsaTooShort(bits: 1_024)).description
                == "key 1 of the set: an RSA key of 1024 bits; at least 2048 are needed "
                + "(RFC 7518 section 3.3)")
    }

    @Test(arguments: [
        (#"{"kty":"EC","crv":"P-256","use":"enc"}"#, "not for verifying"),
        (#"{"kty":"EC","crv":"P-256","use":7}"#, "not for verifying"),
        (#"{"kty":"EC","crv":"P-256","key_ops":["sign"]}"#, "not for verifying"),
        (#"{"kty":"EC","crv":"P-384"}"#, "curve"), (#"{"kty":"OKP","crv":"X25519"}"#, "curve"),
        (#"{"kty":"oct","k":"AAAA"}"#, "secret"), (#"{"kty":"quantum"}"#, "kty"),
        (#"{"kty":"RSA","alg":"RS512","n":"AQAB","e":"AQAB"}"#, "alg"),
        (#"{"kty":"RSA","alg":"HS256","n":"AQAB","e":"AQAB"}"#, "alg"),
        (#"{"kty":"EC","crv":"P-256","alg":"RS256"}"#, "alg"), (#"{"kid":"x"}"#, "malformed"),
        (#"{"kty":"RSA","n":"AQAB"}"#, "malformed"),
        (#"{"kty":"RSA","n":"=","e":"AQAB"}"#, "malformed"),
    ])
    func `keys of a set that are for something else are passed over with a word`(
        key: String, word: String
    ) throws {
        let good =
            #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        var ring = KeyRing()
        let warnings = try ring.add(keySet: #"{"keys":[\#(key),\#(good)]}"#.utf8Span.span)
        let keyCount = ring.count
        #expect(warnings.count == 1 && keyCount == 1)
        #expect(warnings.first?.contains(word) == true, "\(warnings)")
        #expect(error(keySet: #"{"keys":[\#(key)]}"#) == .nothingUsable)
    }

    @Test(arguments: [
        ("", KeyRingError.notAKeySet), ("[]", .notAKeySet), ("{}", .notAKeySet),
        (#"{"keys":{}}"#, .notAKeySet), (#"{"keys":[7]}"#, .notAKeySet),
        (#"{"keys":[],"keys":[]}"#, .notAKeySet), (#"{"keys":[]}"#, .nothingUsable),
        (#"{"keys":[{"kty":"OKP","crv":"Ed25519","d":"AA","x":"AA"}]}"#, .keyOfSet(1, .isPrivate)),
        (#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}"#, .keyOfSet(1, .invalid)),
    ])
    func `what is no set of public keys is refused`(text: String, expected: KeyRingError) {
        #expect(error(keySet: text) == expected)
    }

    @Test func `there are bounds to keys, to those without names, and to equal names`() throws {
        let point = #""crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#
        func set(_ count: Int) -> String {
            let keys = (0..<count).map { #"{"kty":"OKP","kid":"\#($0)",\#(point)}"# }
            return #"{"keys":[\#(keys.joined(separator: ","))]}"#
        }
        #expect(error(keySet: set(KeyRing.keysMax)) == nil)
        #expect(error(keySet: set(KeyRing.keysMax + 1)) == .tooManyKeys)
        let twice = #"{"kty":"OKP","kid":"x",\#(point)}"#
        #expect(error(keySet: #"{"keys":[\#(twice),\#(twice)]}"#) == .duplicateID(.edDSA))
        var ring = KeyRing()
        for _ in 0..<KeyRing.triesMax { try ring.add(secret: secret.utf8Span.span) }
        #expect(throws: KeyRingError.tooManyWithoutID(.hs256)) {
            var ring = KeyRing()
            for _ in 0...KeyRing.triesMax { try ring.add(secret: secret.utf8Span.span) }
        }
        // More keys than are tried, and no name: which one is meant?
        var verifier = TokenVerifier(keys: try Self.ring(ofSet: set(KeyRing.triesMax + 1)))
        #expect(whyRefused(Tokens.edDSA.plain, by: &verifier) == .keyNotNamed)
        verifier.replaceKeys(try Self.ring(ofSet: set(KeyRing.triesMax)))
        #expect(whyRefused(Tokens.edDSA.plain, by: &verifier) == nil)
    }

    private static func ring(ofSet text: String) throws -> KeyRing {
        try makeRing([], keySet: text)
    }

    private func error(pem: String? = nil, keySet: String? = nil) -> KeyRingError? {
        var ring = KeyRing()
        do throws(KeyRingError) {
            if let pem { try ring.add(pem: pem.utf8Span.span, for: nil) }
            if let keySet { _ = try ring.add(keySet: keySet.utf8Span.span) }
            return nil
        } catch {
            return error
        }
    }
}

@Suite struct TokenPolicyBehaviour {
    @Test(arguments: [
        ("", true, true), (#","iss":"https://id.example""#, true, true),
        (#","iss":"https://id.example/""#, false, true), (#","aud":"devhive""#, true, true),
        (#","aud":"other""#, true, false), (#","aud":["other","devhive"]"#, true, true),
        (#","aud":["other"]"#, true, false), (#","aud":[]"#, true, false),
        (#","iss":"https://id.example","aud":["devhive"]"#, true, true),
    ])
    func `issuer and audience must be among those that are configured`(
        more: String, issuerFits: Bool, audienceFits: Bool
    ) throws {
        let token = try token(more)
        #expect(refusal(token, TokenPolicy()) == nil)
        var policy = TokenPolicy()
        policy.issuers = [Array("https://id.example".utf8), Array("second".utf8)]
        #expect(
            refusal(token, policy)
                == (more.contains("iss") && issuerFits ? nil : .notAccepted(.issuer)))
        policy = TokenPolicy()
        policy.audiences = [Array("first".utf8), Array("devhive".utf8)]
        #expect(
            refusal(token, policy)
                == (more.contains("aud") && audienceFits ? nil : .notAccepted(.audience)))
    }

    @Test(arguments: [
        (#","iss":7"#, TokenError.wrongType(.issuer)), (#","iss":null"#, .wrongType(.issuer)),
        (#","aud":7"#, .wrongType(.audience)), (#","aud":{}"#, .wrongType(.audience)),
        (#","aud":["devhive",7]"#, .wrongType(.audience)),
    ])
    func `issuer and audience of another type are refused, wanted or not`(
        more: String, expected: TokenError
    ) throws {
        #expect(refusal(try token(more), TokenPolicy()) == expected)
    }

    @Test(arguments: [Int64(0), 1, 300])
    func `the leeway is what was configured`(leeway: Int64) throws {
        var policy = TokenPolicy()
        policy.leewaySeconds = leeway
        let token = try token("")
        #expect(refusal(token, policy, at: Tokens.expiry + leeway - 1) == nil)
        #expect(
            refusal(token, policy, at: Tokens.expiry + leeway) == .expired(at: Tokens.expiry))
        let later = try self.token(#","nbf":\#(now)"#)
        #expect(refusal(later, policy, at: now - leeway) == nil)
        #expect(refusal(later, policy, at: now - leeway - 1) == .notYetValid(from: now))
    }

    @Test func `who didn't sign learns nothing of what is configured`() throws {
        var policy = TokenPolicy()
        policy.audiences = [Array("devhive".utf8)]
        var verifier = TokenVerifier(keys: try makeRing([(Tokens.p256PEM, nil)]), policy: policy)
        // The right claims for somebody else, with the signature of other claims.
        let parts = Tokens.es256.plain.split(separator: ".")
        var claims = ByteBuffer()
        let text = #"{"sub":"\#(Tokens.user)","exp":\#(Tokens.expiry),"aud":"other"}"#
        Base64URL.encode(text.utf8Span.span, into: &claims)
        let forged = "\(parts[0]).\(String(decoding: claims)).\(parts[2])"
        #expect(whyRefused(forged, by: &verifier) == .signatureMismatch)
        #expect(whyRefused(Tokens.es256.plain, by: &verifier) == .notAccepted(.audience))
    }

    private func token(_ more: String) throws -> String {
        try TokenSigner.sign(
            header: #"{"alg":"HS256"}"#,
            claims: #"{"sub":"\#(Tokens.user)","exp":\#(Tokens.expiry)\#(more)}"#,
            secret: secret.utf8Span.span)
    }

    private func refusal(_ token: String, _ policy: TokenPolicy, at second: Int64 = now)
        -> TokenError?
    {
        do {
            var verifier = TokenVerifier(keys: try makeRing([], secrets: [secret]), policy: policy)
            return whyRefused(token, by: &verifier, at: second)
        } catch {
            return .unavailable
        }
    }
}
