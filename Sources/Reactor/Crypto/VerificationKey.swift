/// A key that signatures are verified with, of either kind, and the one algorithm it is for.
///
/// A class because keys stand in an array, which can't hold values that aren't copyable; nothing
/// shares one. What it costs, a count up and down a token, is a hundredth of an HMAC.
public final class VerificationKey {
    public let algorithm: SignatureAlgorithm
    private var secret: HMACSHA256?
    private let publicKey: PublicKey?

    /// A key of HS256, copied into OpenSSL's memory.
    public init(secret: borrowing Span<UInt8>) throws(CryptoFailure) {
        algorithm = .hs256
        self.secret = try HMACSHA256(key: secret)
        publicKey = nil
    }

    public init(_ publicKey: consuming PublicKey) {
        algorithm = publicKey.algorithm
        secret = nil
        self.publicKey = consume publicKey
    }

    // Hot path.
    /// Whether `signature`, bytes of any number and content, is that of `signed` under this key.
    public func verify(
        _ signature: borrowing Span<UInt8>, of signed: borrowing Span<UInt8>
    ) throws(CryptoFailure) -> Bool {
        if let code = try secret?.digest(of: signed) {
            return ConstantTime.isEqual(code.span, signature)
        }
        return try publicKey?.verify(signature, of: signed) ?? false
    }
}
