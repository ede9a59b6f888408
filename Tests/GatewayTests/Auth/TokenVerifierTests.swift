import Gateway
import Reactor
import Testing

private let secret: [UInt8] = Array("a secret of at least thirty-two bytes".utf8)
private let now: Int64 = 1_767_323_045  // 2026-01-02T03:04:05Z
private let userText = "3f333df6-90a4-4fda-8dd3-9485d27cee36"
private let header = #"{"alg":"HS256","typ":"JWT"}"#

@Suite struct TokenVerifierBehaviour {
    @Test func `a token that was signed with the secret gives user and expiry`() throws {
        let user = try #require(UUID(text: userText))
        let token = try TokenSigner.sign(
            user: user, expiresAt: now + 60, issuedAt: now, secret: secret.span)
        let claims = try verify(token)
        #expect(claims == TokenClaims(user: user, expiresAt: now + 60))
    }

    @Test func `one verifier takes good and bad tokens in any order`() throws {
        let user = try #require(UUID(text: userText))
        let good = try TokenSigner.sign(user: user, expiresAt: now + 60, secret: secret.span)
        let long = try token(more: #","x":"\#(String(repeating: "x", count: 4_000))""#)
        var verifier = try TokenVerifier(secret: secret.span)
        for text in [good, "a.b.c", long, good, "", good] {
            do throws(TokenError) {
                let claims = try verifier.verify(text.utf8Span.span, nowUnixSeconds: now)
                #expect(claims.user == user)
            } catch {
                #expect(text != good && text != long)
            }
        }
    }

    @Test func `the example of RFC 7515 A.1 has the right signature`() throws {
        let keyText =
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
        let text =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
            + ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb"
            + "290Ijp0cnVlfQ"
        let signature = ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        var key = ByteBuffer()
        let isKey = Base64URL.decode(keyText.utf8Span.span, into: &key)
        #expect(isKey)
        // It names no user; that this is noticed shows that the signature was right.
        var verifier = try TokenVerifier(secret: key.bytes)
        let example = text + signature
        #expect(refusal(example, by: &verifier, at: 1_300_819_379) == .missing(.subject))
        let other = text + ".eBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        #expect(refusal(other, by: &verifier, at: 1_300_819_379) == .signatureMismatch)
    }

    @Test(arguments: [
        #"{"alg":"none"}"#, #"{"alg":"None"}"#, #"{"alg":"NONE"}"#, #"{"alg":"hs256"}"#,
        #"{"alg":"HS256 "}"#, #"{"alg":"HS384"}"#, #"{"alg":"HS512"}"#, #"{"alg":"RS256"}"#,
        #"{"alg":"ES256"}"#, #"{"alg":"EdDSA"}"#, #"{"alg":"PS256"}"#, #"{"alg":""}"#,
        #"{"alg":"n\u006fne"}"#, #"{"alg":"dir","enc":"A128GCM"}"#,
    ])
    func `with a secret alone every algorithm but HS256 is refused, even with the right signature`(
        header: String
    ) throws {
        #expect(refusal(try token(header: header)) == .algorithmNotAllowed)
    }

    @Test func `a token without a signature is refused`() throws {
        let unsigned = try unsignedToken(header: #"{"alg":"none"}"#)
        #expect(refusal(unsigned + ".") == .notThreeParts)
        #expect(refusal(unsigned) == .notThreeParts)
        #expect(refusal(unsigned + ".AA") == .algorithmNotAllowed)
        let hidden = try unsignedToken(header: header)
        #expect(refusal(hidden + ".") == .notThreeParts)
        #expect(refusal(hidden + ".AA") == .signatureMismatch)
    }

    @Test func `an HMAC made with a public key is refused`() throws {
        let publicKey = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n"
        let claims = #"{"sub":"\#(userText)","exp":\#(now + 60)}"#
        let forged = try TokenSigner.sign(
            header: header, claims: claims, secret: publicKey.utf8Span.span)
        #expect(refusal(forged) == .signatureMismatch)
    }

    @Test(arguments: [
        ("{}", TokenError.algorithmMissing), (#"{"alg":null}"#, .algorithmMissing),
        (#"{"alg":256}"#, .algorithmMissing), (#"{"alg":["HS256"]}"#, .algorithmMissing),
        ("[]", .notAnObject(.header)), ("HS256", .invalidJSON(.header, .invalidSyntax)),
        (#"{"alg":"HS256"} {}"#, .invalidJSON(.header, .trailingBytes)),
        (#"{"alg":"none","alg":"HS256"}"#, .invalidJSON(.header, .duplicateKey)),
        (#"{"alg":"none","\u0061lg":"HS256"}"#, .invalidJSON(.header, .duplicateKey)),
        (#"{"alg":"HS256\u0000"}"#, .invalidJSON(.header, .nullCharacter)),
        (#"{"alg":"HS256","crit":["b64"],"b64":false}"#, .criticalExtension),
        (#"{"alg":"HS256","crit":[]}"#, .criticalExtension),
        (#"{"alg":"HS256","crit":null}"#, .criticalExtension),
    ])
    func `headers that aren't understood in full are refused`(
        header: String, expected: TokenError
    ) throws {
        #expect(refusal(try token(header: header)) == expected)
    }

    @Test(arguments: [
        #"{"alg":"HS256"}"#, #"{"typ":7,"alg":"HS256"}"#, #"{"alg":"\u0048S256"}"#,
        #"{"alg":"HS256","kid":"../../etc/passwd"}"#, " {\r\n\"alg\" : \"HS256\" } ",
    ])
    func `type and key id don't matter, nor how the header is written`(header: String) throws {
        #expect(refusal(try token(header: header)) == nil)
    }

    @Test func `each changed letter of a token is noticed`() throws {
        let good = Array(try token().utf8)
        #expect(refusal(String(decoding: good, as: UTF8.self)) == nil)
        for index in good.indices {
            var changed = good
            changed[index] =
                changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(refusal(String(decoding: changed, as: UTF8.self)) != nil)
        }
    }

    @Test func `every beginning of a token is refused, and every longer text`() throws {
        let good = try token()
        for count in 0..<good.utf8.count {
            #expect(refusal(String(good.prefix(count))) != nil)
        }
        for tail in ["A", "=", ".", ".AA", " ", "\n"] {
            #expect(refusal(good + tail) != nil)
            #expect(refusal(tail + good) != nil)
        }
    }

    @Test(arguments: ["", ".", "..", "...", "a", "a.b", ".a.b", "a..b", "a.b.", "a.b.c.d", "....."])
    func `exactly three parts with content are wanted`(text: String) {
        #expect(refusal(text) == .notThreeParts)
    }

    @Test func `each part must be strict base64url`() throws {
        let parts = try token().split(separator: ".").map { String($0) }
        let paddedHeader = "\(parts[0])=.\(parts[1]).\(parts[2])"
        #expect(refusal(paddedHeader) == .invalidEncoding(.header))
        let paddedSignature = "\(parts[0]).\(parts[1]).\(parts[2])="
        #expect(refusal(paddedSignature) == .invalidEncoding(.signature))
        // 32 bytes leave two spare bits in the last letter; the next letter only sets one of them.
        let last = try #require(parts[2].utf8.last)
        let spare = String(parts[2].dropLast()) + String(UnicodeScalar(last + 1))
        #expect(refusal("\(parts[0]).\(parts[1]).\(spare)") == .invalidEncoding(.signature))
    }

    @Test func `claims that aren't base64url are refused although the signature is right`() throws {
        var text = ByteBuffer()
        Base64URL.encode(header.utf8Span.span, into: &text)
        text.append(".e30=")
        var mac = try HMACSHA256(key: secret.span)
        let code = try mac.digest(of: text.bytes)
        text.append(".")
        Base64URL.encode(code.span, into: &text)
        let token = String(decoding: text)
        #expect(refusal(token) == .invalidEncoding(.claims))
    }

    @Test func `the length is limited to 8 KiB before anything is read`() throws {
        // Base64 grows in steps; a header of the right length makes up for it.
        let exact = try paddedToken(count: TokenVerifier.tokenBytesMax)
        #expect(refusal(exact) == nil)
        #expect(refusal(try paddedToken(count: TokenVerifier.tokenBytesMax - 1)) == nil)
        #expect(refusal(try paddedToken(count: TokenVerifier.tokenBytesMax + 1)) == .tooLong)
        #expect(refusal(String(repeating: "A", count: 1 << 20)) == .tooLong)
    }

    @Test(arguments: [
        (-31, false), (-30, false), (-29, true), (-1, true), (0, true), (1, true),
    ])
    func `a token is taken until 30 s after its expiry`(offset: Int64, accepted: Bool) throws {
        let found = refusal(try token(expiry: "\(now + offset)"))
        #expect(found == (accepted ? nil : .expired(at: now + offset)))
    }

    @Test(arguments: [(29, true), (30, true), (31, false), (-5, true)])
    func `a token is taken from 30 s before its nbf on`(offset: Int64, accepted: Bool) throws {
        let found = refusal(try token(more: #","nbf":\#(now + offset)"#))
        #expect(found == (accepted ? nil : .notYetValid(from: now + offset)))
    }

    @Test(arguments: [
        ("1767323105.75", Int64(1_767_323_105)), ("1767323105.0", 1_767_323_105),
        ("1.767323105e9", 1_767_323_105), ("253402300799", 253_402_300_799),
        ("253402300799.0", 253_402_300_799),
    ])
    func `a date may be an integer or a fraction`(expiry: String, second: Int64) throws {
        #expect(try verify(try token(expiry: expiry)).expiresAt == second)
    }

    @Test(arguments: [
        (#""1767323105""#, TokenError.wrongType(.expiry)), ("null", .wrongType(.expiry)),
        ("true", .wrongType(.expiry)), ("[1767323105]", .wrongType(.expiry)),
        ("{}", .wrongType(.expiry)), ("-1", .outOfRange(.expiry)), ("-0.5", .outOfRange(.expiry)),
        ("253402300800", .outOfRange(.expiry)), ("253402300799.5", .outOfRange(.expiry)),
        ("9223372036854775807", .outOfRange(.expiry)),
        ("9223372036854775808", .invalidJSON(.claims, .numberOutOfRange)),
        ("9223372036854775808.0", .outOfRange(.expiry)), ("1e300", .outOfRange(.expiry)),
        ("1e999", .invalidJSON(.claims, .numberOutOfRange)),
        ("-9223372036854775808", .outOfRange(.expiry)),
        ("NaN", .invalidJSON(.claims, .invalidSyntax)),
        ("Infinity", .invalidJSON(.claims, .invalidSyntax)),
        ("0", .expired(at: 0)), ("0.9", .expired(at: 0)), ("-0.0", .expired(at: 0)),
    ])
    func `an expiry of another kind or out of range is refused`(
        expiry: String, expected: TokenError
    ) throws {
        #expect(refusal(try token(expiry: expiry)) == expected)
    }

    @Test(arguments: [
        (#","nbf":"0""#, TokenError.wrongType(.notBefore)),
        (#","nbf":null"#, .wrongType(.notBefore)),
        (#","nbf":-1"#, .outOfRange(.notBefore)), (#","iat":"0""#, .wrongType(.issuedAt)),
        (#","iat":1e300"#, .outOfRange(.issuedAt)),
        (#","exp":9999999999"#, .invalidJSON(.claims, .duplicateKey)),
        (#","\u0073ub":"x""#, .invalidJSON(.claims, .duplicateKey)),
        (#","x":{"y":1,"y":2}"#, .invalidJSON(.claims, .duplicateKey)),
    ])
    func `other claims of the wrong kind and claims that stand twice are refused`(
        more: String, expected: TokenError
    ) throws {
        #expect(refusal(try token(more: more)) == expected)
    }

    @Test(arguments: [
        ("[]", TokenError.notAnObject(.claims)), ("{}", .missing(.expiry)),
        (#"{"sub":"\#(userText)"}"#, .missing(.expiry)),
        (#"{"exp":1767323105}"#, .missing(.subject)),
        (#"{"exp":1767323105,"sub":7}"#, .wrongType(.subject)),
        (#"{"exp":1767323105,"sub":null}"#, .wrongType(.subject)),
        (#"{"exp":1767323105,"sub":""}"#, .subjectNotUUID),
        (#"{"exp":1767323105,"sub":"admin"}"#, .subjectNotUUID),
        (#"{"exp":1767323105,"sub":"\#(userText) "}"#, .subjectNotUUID),
    ])
    func `expiry and a UUID as the subject are required`(
        claims: String, expected: TokenError
    ) throws {
        let text = try TokenSigner.sign(header: header, claims: claims, secret: secret.span)
        #expect(refusal(text) == expected)
    }

    @Test func `nothing is said about the claims of a token with another signature`() throws {
        let otherSecret = Array("another secret of more than 32 bytes".utf8)
        let expired = try TokenSigner.sign(
            header: header, claims: #"{"exp":1}"#, secret: otherSecret.span)
        #expect(refusal(expired) == .signatureMismatch)
    }

    @Test func `the answer says when the token expired or begins`() {
        #expect(TokenError.expired(at: now).description == "token expired at 2026-01-02T03:04:05Z")
        #expect(
            TokenError.notYetValid(from: now).description
                == "token is not valid before 2026-01-02T03:04:05Z")
        #expect(
            TokenError.invalidJSON(.claims, .duplicateKey).description
                == "token claims can not be read: a key stands twice in one object")
        #expect(TokenError.wrongType(.expiry).description == "token claim exp is not a number")
    }

    private func token(
        header: String = header, expiry: String = "\(now + 60)", more: String = ""
    ) throws(CryptoFailure) -> String {
        try TokenSigner.sign(
            header: header, claims: #"{"sub":"\#(userText)","exp":\#(expiry)\#(more)}"#,
            secret: secret.span)
    }

    @Test func `a header of more than 512 bytes is refused before it is read`() throws {
        let fixed = #"{"alg":"HS256","x":""}"#
        let longest = #"{"alg":"HS256","x":"\#(String(repeating: "x", count: 512 - fixed.count))"}"#
        #expect(longest.utf8.count == TokenVerifier.headerBytesMax)
        #expect(refusal(try token(header: longest)) == nil)
        let zeros = Array(repeating: "0", count: 300).joined(separator: ",")
        for header in [longest + " ", "[\(zeros)]", String(repeating: "[", count: 513)] {
            #expect(refusal(try token(header: header)) == .headerTooLong)
        }
    }

    @Test func `claims that are long have no more values than anybody needs`() throws {
        let groups = (0..<200).map { "\"group-\($0)\"" }.joined(separator: ",")
        #expect(refusal(try token(more: ",\"groups\":[\(groups)]")) == nil)
        let zeros = Array(repeating: "0", count: 600).joined(separator: ",")
        #expect(refusal(try token(more: ",\"groups\":[\(zeros)]")) == .tooManyClaims)
    }

    private func unsignedToken(header: String) throws(CryptoFailure) -> String {
        let parts = try token(header: header).split(separator: ".")
        return "\(parts[0]).\(parts[1])"
    }

    /// A valid token of exactly `count` bytes: white space in both objects fills it up.
    private func paddedToken(count: Int) throws -> String {
        for spaces in 0...3 {
            let wide = header + String(repeating: " ", count: spaces)
            let base = try TokenSigner.sign(
                header: wide, claims: #"{"sub":"\#(userText)","exp":\#(now + 60)}"#,
                secret: secret.span)
            let missing = count - base.utf8.count
            for filler in (missing * 3 / 4 - 3)...(missing * 3 / 4 + 3) {
                let claims =
                    #"{"sub":"\#(userText)","exp":\#(now + 60)}"#
                    + String(repeating: " ", count: filler)
                let text = try TokenSigner.sign(header: wide, claims: claims, secret: secret.span)
                if text.utf8.count == count { return text }
            }
        }
        Issue.record("no token of \(count) bytes")
        return ""
    }

    private func verify(_ token: String) throws -> TokenClaims {
        var verifier = try TokenVerifier(secret: secret.span)
        return try verifier.verify(token.utf8Span.span, nowUnixSeconds: now)
    }

    private func refusal(_ token: String) -> TokenError? {
        do throws(KeyRingError) {
            var verifier = try TokenVerifier(secret: secret.span)
            return refusal(token, by: &verifier, at: now)
        } catch {
            return .unavailable
        }
    }

    private func refusal(
        _ token: String, by verifier: inout TokenVerifier, at second: Int64
    ) -> TokenError? {
        do throws(TokenError) {
            _ = try verifier.verify(token.utf8Span.span, nowUnixSeconds: second)
            return nil
        } catch {
            return error
        }
    }
}
