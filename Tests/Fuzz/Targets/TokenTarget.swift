internal import Gateway
internal import GatewayHarness
internal import Reactor

/// `TokenVerifier` with fixed keys. The first byte chooses: a token as it comes; or header and
/// claims, each on a line, which are signed first, so that what lies behind the signature is
/// reached too. And whether there are public keys, which cost more than all the rest.
enum TokenTarget {
    private static let now: Int64 = 1_767_323_045

    static func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let choice = input.byte()
        let bytes = input.rest()
        let token = choice & 1 == 1 ? sign(bytes) : bytes
        var verifier = TokenVerifier(keys: keys(withPublic: choice & 2 == 2))
        let verdict = Verdict(of: token, by: &verifier)
        // What a verifier remembers of the tokens before mustn't matter.
        precondition(verdict == Verdict(of: token, by: &verifier), "another the second time")
        guard case .accepted = Verdict(of: example, by: &verifier) else {
            preconditionFailure("the example is refused after this token")
        }
        precondition(verdict == Verdict(of: token, by: &verifier), "the token before matters")
        guard case .accepted = verdict else { return }
        var changed = token
        changed[token.cut % token.count] ^= 1 << UInt8(token.count % 7)
        guard case .refused = Verdict(of: changed, by: &verifier) else {
            preconditionFailure("accepted with a bit changed")
        }
    }

    private enum Verdict: Equatable {
        case accepted(TokenClaims)
        case refused(String)

        init(of token: [UInt8], by verifier: inout TokenVerifier) {
            do throws(TokenError) {
                self = .accepted(try verifier.verify(token.span, nowUnixSeconds: now))
            } catch {
                let text = error.description
                precondition(text.utf8.allSatisfy { 0x20..<0x7F ~= $0 }, text)
                self = .refused(text)
            }
        }
    }

    /// A token that is good.
    private static let example = sign(
        Array(
            (#"{"alg":"HS256","typ":"JWT"}"# + "\n"
                + #"{"sub":"3f333df6-90a4-4fda-8dd3-9485d27cee36","exp":1767323105}"#).utf8))

    private static func sign(_ lines: [UInt8]) -> [UInt8] {
        let parts = lines.split(
            separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        let secret = CoreHarness.secret
        var token = ByteBuffer()
        Base64URL.encode(Array(parts[0]).span, into: &token)
        token.append(".")
        Base64URL.encode(Array(parts.dropFirst().first ?? []).span, into: &token)
        do throws(CryptoFailure) {
            var mac = try HMACSHA256(key: secret.span)
            let code = try mac.digest(of: token.bytes)
            token.append(".")
            Base64URL.encode(code.span, into: &token)
        } catch {
            preconditionFailure("\(error)")
        }
        return token.copy()
    }

    private static func keys(withPublic: Bool) -> KeyRing {
        var keys = KeyRing()
        do throws(KeyRingError) {
            let secret = CoreHarness.secret
            try keys.add(secret: secret.span)
            guard withPublic else { return keys }
            try keys.add(pem: SignedTokens.p256PEM.utf8Span.span, for: nil)
            try keys.add(pem: SignedTokens.ed25519PEM.utf8Span.span, for: nil)
        } catch {
            preconditionFailure("\(error)")
        }
        return keys
    }
}
