import Reactor
import Testing

private typealias Vectors = SignatureVectors

/// A key, what was signed with it, and the signature.
private struct Vector: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let make: @Sendable () throws -> VerificationKey
    let signed: String
    let signature: String

    static let all = [
        Vector(
            testDescription: "HS256, RFC 7515 A.1",
            make: { try VerificationKey(secret: Encoded.bytes(Vectors.hmacKey).span) },
            signed: Vectors.hmacSigned, signature: Vectors.hmacSignature),
        Vector(
            testDescription: "RS256, RFC 7515 A.2",
            make: {
                VerificationKey(
                    try PublicKey(
                        rsaModulus: Encoded.bytes(Vectors.rsaModulus).span,
                        exponent: Encoded.bytes(Vectors.rsaExponent).span))
            }, signed: Vectors.rsaSigned, signature: Vectors.rsaSignature),
        Vector(
            testDescription: "RS256, PEM",
            make: { VerificationKey(try PublicKey(pem: Vectors.rsaPEM.utf8Span.span)) },
            signed: Vectors.rsaSigned, signature: Vectors.rsaSignature),
        Vector(
            testDescription: "PS256, PEM",
            make: {
                VerificationKey(try PublicKey(pem: Vectors.rsaPEM.utf8Span.span, for: .ps256))
            }, signed: Vectors.rsaSigned, signature: Vectors.pssSignature),
        Vector(
            testDescription: "ES256, RFC 7515 A.3",
            make: {
                VerificationKey(
                    try PublicKey(
                        p256X: Encoded.bytes(Vectors.p256X).span,
                        y: Encoded.bytes(Vectors.p256Y).span))
            }, signed: Vectors.p256Signed, signature: Vectors.p256Signature),
        Vector(
            testDescription: "ES256, PEM",
            make: { VerificationKey(try PublicKey(pem: Vectors.p256PEM.utf8Span.span)) },
            signed: Vectors.p256Signed, signature: Vectors.p256Signature),
        Vector(
            testDescription: "EdDSA, RFC 8037 A.4",
            make: {
                VerificationKey(
                    try PublicKey(ed25519: Encoded.bytes(Vectors.ed25519Key).span))
            }, signed: Vectors.ed25519Signed, signature: Vectors.ed25519Signature),
        Vector(
            testDescription: "EdDSA, PEM",
            make: { VerificationKey(try PublicKey(pem: Vectors.ed25519PEM.utf8Span.span)) },
            signed: Vectors.ed25519Signed, signature: Vectors.ed25519Signature),
    ]
}

@Suite struct VerificationKeyBehaviour {
    @Test(arguments: Vector.all)
    private func `accepts the published signature`(vector: Vector) throws {
        let key = try vector.make()
        #expect(try verify(vector.signature, of: vector.signed, by: key))
        #expect(try verify(vector.signature, of: vector.signed, by: key), "a second time")
    }

    @Test(arguments: Vector.all)
    private func `refuses a signature of which one bit was changed`(vector: Vector) throws {
        let key = try vector.make()
        let signature = Encoded.bytes(vector.signature)
        for position in signature.indices {
            var changed = signature
            changed[position] ^= 1 << UInt8(position % 8)
            #expect(try !verify(changed, of: vector.signed, by: key), "byte \(position)")
        }
        #expect(CryptoErrorQueue.isEmpty)
    }

    @Test(arguments: Vector.all)
    private func `refuses the signature of another message`(vector: Vector) throws {
        let key = try vector.make()
        for message in ["", vector.signed + "A", String(vector.signed.dropLast())] {
            #expect(try !verify(vector.signature, of: message, by: key))
        }
        #expect(CryptoErrorQueue.isEmpty)
    }

    @Test(arguments: Vector.all)
    private func `refuses a signature of any other length`(vector: Vector) throws {
        let key = try vector.make()
        let signature = Encoded.bytes(vector.signature)
        for count in 0..<signature.count {
            #expect(try !verify(Array(signature[..<count]), of: vector.signed, by: key))
        }
        for tail in [1, 64, 8_192] {
            let longer = signature + [UInt8](repeating: 0, count: tail)
            #expect(try !verify(longer, of: vector.signed, by: key))
            let shifted = [UInt8](repeating: 0, count: tail) + signature
            #expect(try !verify(shifted, of: vector.signed, by: key))
        }
        #expect(CryptoErrorQueue.isEmpty)
    }

    @Test func `a signature of zeros is nobody's (CVE-2022-21449)`() throws {
        for vector in Vector.all {
            let zeros = [UInt8](repeating: 0, count: Encoded.bytes(vector.signature).count)
            #expect(try !verify(zeros, of: vector.signed, by: try vector.make()))
        }
        #expect(CryptoErrorQueue.isEmpty)
    }

    @Test func `ES256 takes r and s only, not the form of certificates (RFC 7518 §3.4)`() throws {
        let key = VerificationKey(try PublicKey(pem: Vectors.p256PEM.utf8Span.span))
        #expect(try !verify(Vectors.p256SignatureDER, of: Vectors.p256Signed, by: key))
    }

    @Test func `one RSA key takes what its one algorithm makes (RFC 8725 §3.1)`() throws {
        let rs256 = VerificationKey(try PublicKey(pem: Vectors.rsaPEM.utf8Span.span, for: .rs256))
        let ps256 = VerificationKey(try PublicKey(pem: Vectors.rsaPEM.utf8Span.span, for: .ps256))
        #expect(try verify(Vectors.rsaSignature, of: Vectors.rsaSigned, by: rs256))
        #expect(try !verify(Vectors.rsaSignature, of: Vectors.rsaSigned, by: ps256))
        #expect(try !verify(Vectors.pssSignature, of: Vectors.rsaSigned, by: rs256))
    }

    @Test(arguments: [Vectors.pssSignatureShortSalt, Vectors.pssSignatureOtherMask])
    func `PS256 wants a salt of 32 bytes and SHA-256 in both places (RFC 7518 §3.5)`(
        signature: String
    ) throws {
        let key = VerificationKey(try PublicKey(pem: Vectors.rsaPEM.utf8Span.span, for: .ps256))
        #expect(try !verify(signature, of: Vectors.rsaSigned, by: key))
    }

    private func verify(_ text: String, of signed: String, by key: VerificationKey) throws -> Bool {
        try verify(Encoded.bytes(text), of: signed, by: key)
    }

    private func verify(
        _ signature: [UInt8], of signed: String, by key: VerificationKey
    ) throws -> Bool {
        try key.verify(signature.span, of: signed.utf8Span.span)
    }
}

@Suite struct PublicKeyBehaviour {
    @Test(arguments: [
        (Vectors.rsaPEM, SignatureAlgorithm.rs256), (Vectors.p256PEM, .es256),
        (Vectors.ed25519PEM, .edDSA),
    ])
    func `a file's kind of key says what it is for`(
        pem: String, algorithm: SignatureAlgorithm
    ) throws {
        let key = try PublicKey(pem: pem.utf8Span.span)
        let found = key.algorithm
        #expect(found == algorithm)
    }

    @Test func `a text before the key and line ends of Windows don't matter`() throws {
        let text = "the key of our provider\n" + Vectors.p256PEM
        let windows = text.split(separator: "\n").joined(separator: "\r\n") + "\r\n"
        for variant in [text, windows] { #expect(refusal(variant) == nil) }
    }

    @Test(arguments: [
        (Vectors.rsa1024PEM, PublicKeyFailure.rsaTooShort(bits: 1_024)),
        (Vectors.rsa2047PEM, .rsaTooShort(bits: 2_047)),
        (Vectors.p384PEM, .kindNotSupported), (Vectors.secp256k1PEM, .kindNotSupported),
        ("", .unreadable), ("nonsense", .unreadable),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", .unreadable),
        ("-----BEGIN PUBLIC KEY-----\n", .unreadable),
        (String(Vectors.rsaPEM.dropLast(60)), .unreadable),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", .isPrivate),
        ("-----BEGIN RSA PRIVATE KEY-----\n", .isPrivate),
        (Vectors.rsaPEM + "\n-----BEGIN EC PRIVATE KEY-----\n", .isPrivate),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", .isCertificate),
        // Nobody is asked for the password.
        (
            "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\n"
                + "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
                + "-----END PUBLIC KEY-----\n", .unreadable
        ),
    ])
    func `other files are refused, each with its reason`(
        text: String, expected: PublicKeyFailure
    ) {
        #expect(refusal(text) == expected)
        #expect(CryptoErrorQueue.isEmpty)
    }

    @Test(arguments: [
        (Vectors.rsaPEM, SignatureAlgorithm.es256), (Vectors.rsaPEM, .edDSA),
        (Vectors.rsaPEM, .hs256), (Vectors.p256PEM, .rs256), (Vectors.p256PEM, .hs256),
        (Vectors.ed25519PEM, .es256), (Vectors.ed25519PEM, .hs256),
    ])
    func `a key can't be used for what its kind doesn't do`(
        pem: String, algorithm: SignatureAlgorithm
    ) {
        #expect(refusal(pem, for: algorithm) == .algorithmMismatch)
    }

    @Test func `numbers that are no key are refused`() {
        let modulus = Encoded.bytes(Vectors.rsaModulus)
        let x = Encoded.bytes(Vectors.p256X)
        let y = Encoded.bytes(Vectors.p256Y)
        let zeros = [UInt8](repeating: 0, count: 32)
        let attempts: [() throws -> Bool] = [
            // With an exponent of 1 every message is its own signature.
            { try rsa(modulus, [1]) }, { try rsa(modulus, [0]) }, { try rsa(modulus, []) },
            { try rsa([], [1, 0, 1]) }, { try rsa(zeros, [1, 0, 1]) },
            { try rsa(modulus, [UInt8](repeating: 0xFF, count: 9)) },
            { try rsa([UInt8](repeating: 0xFF, count: 2_048), [1, 0, 1]) },
            // Beside the curve, at infinity, and too short.
            { try p256(x, x) }, { try p256(zeros, zeros) }, { try p256(Array(x.dropLast()), y) },
            { try p256(x + [0], y) }, { try ed25519([]) }, { try ed25519(zeros + [0]) },
        ]
        for (number, attempt) in attempts.enumerated() {
            #expect(throws: PublicKeyFailure.self, "attempt \(number)") { try attempt() }
        }
        #expect(CryptoErrorQueue.isEmpty)
    }

    private func rsa(_ modulus: [UInt8], _ exponent: [UInt8]) throws -> Bool {
        let key = try PublicKey(rsaModulus: modulus.span, exponent: exponent.span)
        return key.algorithm == .rs256
    }

    private func p256(_ x: [UInt8], _ y: [UInt8]) throws -> Bool {
        let key = try PublicKey(p256X: x.span, y: y.span)
        return key.algorithm == .es256
    }

    private func ed25519(_ bytes: [UInt8]) throws -> Bool {
        let key = try PublicKey(ed25519: bytes.span)
        return key.algorithm == .edDSA
    }

    private func refusal(
        _ pem: String, for algorithm: SignatureAlgorithm? = nil
    ) -> PublicKeyFailure? {
        do throws(PublicKeyFailure) {
            _ = try PublicKey(pem: pem.utf8Span.span, for: algorithm)
            return nil
        } catch {
            return error
        }
    }
}

/// Base64url, decoded by the simplest means, so that nothing is tested against itself.
private enum Encoded {
    static func bytes(_ text: String) -> [UInt8] {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var bits: [Bool] = []
        for character in text.utf8 {
            let value = alphabet.firstIndex(of: character) ?? 0
            for place in (0..<6).reversed() { bits.append(value >> place & 1 == 1) }
        }
        return (0..<(bits.count / 8)).map { index in
            bits[(index * 8)..<(index * 8 + 8)].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
        }
    }
}
