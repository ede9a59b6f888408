internal import Gateway
internal import Reactor

/// Tokens as an identity provider makes them.
enum Tokens {
    static let secret: [UInt8] = Array("a secret of at least thirty-two bytes".utf8)
    private static let otherSecret: [UInt8] = Array("another secret of thirty-two bytes....".utf8)

    static func make(user: Int, expiresAt: Int64, isForged: Bool = false) -> String {
        do throws(CryptoFailure) {
            return try sign(user, expiresAt, with: isForged ? otherSecret : secret)
        } catch {
            preconditionFailure("no HMAC: \(error)")
        }
    }

    private static func sign(
        _ user: Int, _ expiresAt: Int64, with secret: [UInt8]
    ) throws(CryptoFailure) -> String {
        try TokenSigner.sign(
            user: Names.user(user), expiresAt: expiresAt, secret: secret.span)
    }
}
