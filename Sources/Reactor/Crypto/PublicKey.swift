internal import CEpollShim

/// A public key for one algorithm, by OpenSSL's EVP_PKEY.
///
/// The algorithm belongs to the key, not to what is verified (RFC 8725 §3.1). Only checked keys
/// exist: of a kind that fits, long enough, and numbers that are a key.
@safe
public struct PublicKey: ~Copyable {
    /// What RFC 7518 §3.3 demands.
    public static let rsaBitsMin = 2_048
    /// A check of 8,192 bits takes 0.4 ms; nobody uses longer ones, and one would hold up the loop.
    public static let rsaBitsMax = 8_192

    public let algorithm: SignatureAlgorithm
    private let key: OpaquePointer

    /// Reads `BEGIN PUBLIC KEY` (SubjectPublicKeyInfo, RFC 7468 §13).
    ///
    /// - Parameter algorithm: what the key is for; `nil` for what its kind suggests: RS256 for RSA,
    ///   PS256 for RSA that is marked as for PSS alone, ES256, EdDSA.
    public init(
        pem text: borrowing Span<UInt8>, for algorithm: SignatureAlgorithm? = nil
    ) throws(PublicKeyFailure) {
        try self.init(try Self.read(pem: text), for: algorithm)
    }

    /// An RSA key of its modulus and exponent, big-endian (RFC 7518 §6.3.1).
    public init(
        rsaModulus modulus: borrowing Span<UInt8>, exponent: borrowing Span<UInt8>,
        for algorithm: SignatureAlgorithm = .rs256
    ) throws(PublicKeyFailure) {
        // Longer numbers than those of the longest key aren't even looked at.
        guard modulus.count <= Self.rsaBitsMax / 8 + 1, exponent.count <= 8 else { throw .invalid }
        try self.init(
            try OwnedKey.rsa(modulus: modulus, exponent: exponent), for: algorithm)
    }

    /// A key on P-256 of its point's coordinates, 32 bytes each (RFC 7518 §6.2.1).
    public init(
        p256X x: borrowing Span<UInt8>, y: borrowing Span<UInt8>
    ) throws(PublicKeyFailure) {
        guard x.count == 32, y.count == 32 else { throw .invalid }
        var point = ByteBuffer(capacity: 65)
        point.append(0x04)  // Uncompressed (SEC 1 §2.3.3).
        point.append(x)
        point.append(y)
        try self.init(try OwnedKey.p256(point: point.bytes), for: .es256)
    }

    /// An Ed25519 key of its 32 bytes (RFC 8037 §2).
    public init(ed25519 bytes: borrowing Span<UInt8>) throws(PublicKeyFailure) {
        guard bytes.count == 32 else { throw .invalid }
        try self.init(try OwnedKey.ed25519(bytes), for: .edDSA)
    }

    private init(
        _ owned: consuming OwnedKey, for algorithm: SignatureAlgorithm?
    ) throws(PublicKeyFailure) {
        self.algorithm = try Self.check(owned, for: algorithm)
        unsafe key = unsafe owned.release()
    }

    deinit {
        unsafe EVP_PKEY_free(key)
    }

    /// Whether `signature` is the key's, of `message`. A signature of any length and content is
    /// taken; what isn't one is a `false`.
    public func verify(
        _ signature: borrowing Span<UInt8>, of message: borrowing Span<UInt8>
    ) throws(CryptoFailure) -> Bool {
        guard algorithm == .es256 else { return try verifyEncoded(signature, of: message) }
        var encoded = ByteBuffer(capacity: 80)
        guard try ECDSASignature.append(raw: signature, to: &encoded) else { return false }
        return try verifyEncoded(encoded.bytes, of: message)
    }

    private func verifyEncoded(
        _ signature: borrowing Span<UInt8>, of message: borrowing Span<UInt8>
    ) throws(CryptoFailure) -> Bool {
        guard let context = unsafe EVP_MD_CTX_new() else { throw .taken() }
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe begin(context) else { throw .taken() }
        let status = unsafe signature.withUnsafeBufferPointer { signature in
            unsafe message.withUnsafeBufferPointer { message in
                unsafe EVP_DigestVerify(
                    context, signature.baseAddress, signature.count, message.baseAddress,
                    message.count)
            }
        }
        if status == 1 { return true }
        // The thread's queue may hold a word about it, which is nobody else's.
        ERR_clear_error()
        return false
    }

    private func begin(_ context: OpaquePointer) -> Bool {
        var parameters: OpaquePointer?
        // Ed25519 does its own hashing (RFC 8032 §5.1).
        let digest = unsafe algorithm == .edDSA ? nil : EVP_sha256()
        guard unsafe EVP_DigestVerifyInit(context, &parameters, digest, nil, key) == 1 else {
            return false
        }
        switch algorithm {
        case .rs256:
            return unsafe EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PADDING) == 1
        case .ps256:
            // RFC 7518 §3.5: the digest's length of salt, and the same hash for MGF1.
            return unsafe EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1
                && EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, digest) == 1
        case .es256, .edDSA:
            return true
        case .hs256:
            preconditionFailure("a public key was made for HMAC")
        }
    }
}

// MARK: Reading and checking

extension PublicKey {
    private static func read(
        pem text: borrowing Span<UInt8>
    ) throws(PublicKeyFailure) -> OwnedKey {
        if text.contains("PRIVATE KEY-----") { throw .isPrivate }
        if text.contains("-----BEGIN CERTIFICATE") { throw .isCertificate }
        let key: OpaquePointer? = unsafe text.withUnsafeBufferPointer { bytes in
            guard let source = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else {
                return nil
            }
            defer { unsafe BIO_free(source) }
            // Without a callback OpenSSL would ask the terminal for the password of a text that
            // claims to be encrypted.
            return unsafe PEM_read_bio_PUBKEY(source, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let key = unsafe key else { throw .taken(.unreadable) }
        return unsafe OwnedKey(adopting: key)
    }

    /// The algorithm that the key is good for.
    private static func check(
        _ owned: borrowing OwnedKey, for wanted: SignatureAlgorithm?
    ) throws(PublicKeyFailure) -> SignatureAlgorithm {
        let algorithm = try owned.kind.algorithm(wanted)
        if algorithm == .rs256 || algorithm == .ps256 {
            let bits = owned.bits
            guard bits >= rsaBitsMin else { throw .rsaTooShort(bits: bits) }
            guard bits <= rsaBitsMax else { throw .rsaTooLong(bits: bits) }
        }
        guard owned.isValid else { throw .taken(.invalid) }
        return algorithm
    }
}

extension PublicKeyFailure {
    /// Empties the thread's error queue, so that the cause isn't taken for one of a TLS session.
    static func taken(_ failure: PublicKeyFailure) -> PublicKeyFailure {
        ERR_clear_error()
        return failure
    }
}

extension Span<UInt8> {
    /// Whether `text` stands anywhere in it. For short texts at the start of the program.
    fileprivate func contains(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count >= length else { return false }
        return (0...(count - length)).contains { start in
            (0..<length).allSatisfy { offset in
                unsafe self[start + offset] == text.utf8Start[offset]
            }
        }
    }
}
