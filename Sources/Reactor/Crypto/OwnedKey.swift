internal import CEpollShim

/// An EVP_PKEY that has yet to be looked at, freed unless it is released.
@safe
struct OwnedKey: ~Copyable {
    private let key: OpaquePointer

    /// What OpenSSL calls it.
    enum Kind {
        case rsa, rsaForPSS, p256, ed25519, other
    }

    @unsafe
    init(adopting key: OpaquePointer) {
        unsafe self.key = unsafe key
    }

    deinit {
        unsafe EVP_PKEY_free(key)
    }

    /// The pointer, which is the caller's from here on.
    @unsafe
    consuming func release() -> OpaquePointer {
        let key = unsafe key
        discard self
        return unsafe key
    }

    var bits: Int { Int(unsafe EVP_PKEY_get_bits(key)) }

    var kind: Kind {
        switch unsafe EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: .rsa
        case EVP_PKEY_RSA_PSS: .rsaForPSS
        case EVP_PKEY_EC: isOnP256 ? .p256 : .other
        case EVP_PKEY_ED25519: .ed25519
        default: .other
        }
    }

    private var isOnP256: Bool {
        var name = InlineArray<32, CChar>(repeating: 0)
        var target = name.mutableSpan
        var count = 0
        let found = unsafe target.withUnsafeMutableBufferPointer { bytes in
            unsafe EVP_PKEY_get_group_name(key, bytes.baseAddress, bytes.count, &count)
        }
        guard found == 1 else {
            ERR_clear_error()
            return false
        }
        let expected: StaticString = "prime256v1"
        guard count == expected.utf8CodeUnitCount else { return false }
        return (0..<count).allSatisfy { index in
            unsafe UInt8(bitPattern: name[index]) == expected.utf8Start[index]
        }
    }

    /// Whether the numbers are a key (EVP_PKEY_check(3)). Leaves words in the error queue if not.
    var isValid: Bool {
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return false }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        return unsafe EVP_PKEY_public_check(context) == 1
    }
}

extension OwnedKey.Kind {
    /// The algorithm for a key of this kind: the one that is wanted, if it fits.
    func algorithm(_ wanted: SignatureAlgorithm?) throws(PublicKeyFailure) -> SignatureAlgorithm {
        let allowed: [SignatureAlgorithm]
        switch self {
        case .rsa: allowed = [.rs256, .ps256]
        case .rsaForPSS: allowed = [.ps256]
        case .p256: allowed = [.es256]
        case .ed25519: allowed = [.edDSA]
        case .other: throw .kindNotSupported
        }
        guard let wanted else { return allowed[0] }
        guard allowed.contains(wanted) else { throw .algorithmMismatch }
        return wanted
    }
}
