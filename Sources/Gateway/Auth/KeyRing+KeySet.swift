internal import Reactor

// JSON Web Key Sets (RFC 7517 §5).
extension KeyRing {
    /// Adds the keys of a set that verify signatures with an algorithm that is understood. The
    /// others are passed over (RFC 7517 §5 wants it so), each with a sentence.
    ///
    /// What is meant to be used and can't be is an error: a short key, a private one.
    package mutating func add(
        keySet text: borrowing Span<UInt8>
    ) throws(KeyRingError) -> [String] {
        let document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(text)
        } catch {
            throw .notAKeySet
        }
        return try add(document)
    }

    private mutating func add(
        _ document: borrowing JSONDocument
    ) throws(KeyRingError) -> [String] {
        guard let keys = document.root.member("keys"), keys.kind == .array else {
            throw .notAKeySet
        }
        var skipped: [String] = []
        let countBefore = count
        for position in 0..<keys.elementCount {
            guard let member = keys.element(at: position) else { break }
            guard member.kind == .object else { throw .notAKeySet }
            // RFC 7518 §6.2.2, §6.3.2: every private key of every kind has this member.
            guard member.member("d") == nil else { throw .keyOfSet(position + 1, .isPrivate) }
            let key: WebKey
            do throws(WebKey.Unusable) {
                key = try WebKey(member)
            } catch {
                skipped.append("key \(position + 1) of the set is not used: \(error)")
                continue
            }
            let made: PublicKey
            do throws(PublicKeyFailure) {
                made = try key.make()
            } catch {
                throw .keyOfSet(position + 1, error)
            }
            try add(VerificationKey(made), keyID: key.keyID)
        }
        guard count > countBefore else { throw .nothingUsable }
        return skipped
    }
}

/// A public key as JSON spells it (RFC 7517 §4), of which nothing but the form was checked.
private struct WebKey {
    enum Numbers {
        case rsa(modulus: [UInt8], exponent: [UInt8])
        case p256(x: [UInt8], y: [UInt8])
        case ed25519([UInt8])
    }

    /// Why a key isn't one of ours, which is no fault of it.
    enum Unusable: Error {
        case use, kind, curve, algorithm, secret, malformed
    }

    let keyID: [UInt8]?
    let algorithm: SignatureAlgorithm
    let numbers: Numbers

    init(_ value: borrowing JSONValue) throws(Unusable) {
        try Self.checkUse(value)
        if let name = value.member("kid")?.string {
            keyID = Array(name)
        } else {
            keyID = nil
        }
        guard let kind = value.member("kty")?.string else { throw .malformed }
        if kind.isEqual(to: "RSA") {
            algorithm = try Self.algorithm(of: value, [.rs256, .ps256])
            numbers = .rsa(
                modulus: try Self.bytes("n", of: value), exponent: try Self.bytes("e", of: value))
        } else if kind.isEqual(to: "EC") {
            try Self.checkCurve(value, "P-256")
            algorithm = try Self.algorithm(of: value, [.es256])
            numbers = .p256(x: try Self.bytes("x", of: value), y: try Self.bytes("y", of: value))
        } else if kind.isEqual(to: "OKP") {
            try Self.checkCurve(value, "Ed25519")
            algorithm = try Self.algorithm(of: value, [.edDSA])
            numbers = .ed25519(try Self.bytes("x", of: value))
        } else {
            throw kind.isEqual(to: "oct") ? .secret : .kind
        }
    }

    func make() throws(PublicKeyFailure) -> PublicKey {
        switch numbers {
        case .rsa(let modulus, let exponent):
            try PublicKey(
                rsaModulus: modulus.span, exponent: exponent.span, for: algorithm)
        case .p256(let x, let y): try PublicKey(p256X: x.span, y: y.span)
        case .ed25519(let bytes): try PublicKey(ed25519: bytes.span)
        }
    }

    /// `use` and `key_ops`, which are optional, must allow it to verify (RFC 7517 §4.2, §4.3).
    private static func checkUse(_ value: borrowing JSONValue) throws(Unusable) {
        if let use = value.member("use") {
            guard let text = use.string, text.isEqual(to: "sig") else { throw .use }
        }
        guard let operations = value.member("key_ops") else { return }
        for position in 0..<operations.elementCount {
            if let operation = operations.element(at: position)?.string,
                operation.isEqual(to: "verify")
            {
                return
            }
        }
        throw .use
    }

    private static func checkCurve(
        _ value: borrowing JSONValue, _ name: StaticString
    ) throws(Unusable) {
        guard let curve = value.member("crv")?.string, curve.isEqual(to: name) else {
            throw .curve
        }
    }

    /// What `alg` says, or the first of those that are possible.
    private static func algorithm(
        of value: borrowing JSONValue, _ possible: [SignatureAlgorithm]
    ) throws(Unusable) -> SignatureAlgorithm {
        guard let member = value.member("alg") else { return possible[0] }
        guard let name = member.string else { throw .malformed }
        for algorithm in possible where name.isEqual(to: algorithm.name) { return algorithm }
        throw .algorithm
    }

    private static func bytes(
        _ name: StaticString, of value: borrowing JSONValue
    ) throws(Unusable) -> [UInt8] {
        guard let text = value.member(name)?.string else { throw .malformed }
        var decoded = ByteBuffer(capacity: 512)
        guard Base64URL.decode(text, into: &decoded) else { throw .malformed }
        return decoded.copy()
    }
}

extension WebKey.Unusable: CustomStringConvertible {
    var description: String {
        switch self {
        case .use: "it is not for verifying signatures"
        case .kind: "its kty is neither RSA nor EC nor OKP"
        case .curve: "its curve is neither P-256 nor Ed25519"
        case .algorithm: "its alg is not one of RS256, PS256, ES256 and EdDSA"
        case .secret: "it is a secret (oct), which belongs into JWT_SECRET"
        case .malformed: "a member is missing or malformed"
        }
    }
}

extension Array where Element == UInt8 {
    fileprivate init(_ span: Span<UInt8>) {
        self = span.indices.map { span[$0] }
    }
}
