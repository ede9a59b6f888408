internal import CEpollShim

// Keys of the numbers that a JSON Web Key spells out (EVP_PKEY_fromdata(3)).
extension OwnedKey {
    /// An RSA key of its modulus and its exponent, big-endian.
    static func rsa(
        modulus: borrowing Span<UInt8>, exponent: borrowing Span<UInt8>
    ) throws(PublicKeyFailure) -> OwnedKey {
        let modulus = unsafe number(modulus)
        let exponent = unsafe number(exponent)
        let builder = unsafe OSSL_PARAM_BLD_new()
        defer {
            // Each of them takes a null pointer for nothing to do.
            unsafe OSSL_PARAM_BLD_free(builder)
            unsafe BN_free(modulus)
            unsafe BN_free(exponent)
        }
        guard let modulus = unsafe modulus, let exponent = unsafe exponent,
            let builder = unsafe builder,
            unsafe OSSL_PARAM_BLD_push_BN(builder, ces_OSSL_PKEY_PARAM_RSA_N, modulus) == 1,
            unsafe OSSL_PARAM_BLD_push_BN(builder, ces_OSSL_PKEY_PARAM_RSA_E, exponent) == 1
        else { throw .taken(.unavailable) }
        return unsafe try make("RSA", of: builder)
    }

    /// A key on P-256 of its point, in the form of SEC 1 §2.3.3.
    static func p256(point: borrowing Span<UInt8>) throws(PublicKeyFailure) -> OwnedKey {
        guard let builder = unsafe OSSL_PARAM_BLD_new() else { throw .taken(.unavailable) }
        defer { unsafe OSSL_PARAM_BLD_free(builder) }
        let group: StaticString = "prime256v1"
        // The builder keeps the addresses until the key is made: one is a constant, the other one
        // the caller's.
        let isBuilt = unsafe group.utf8Start.withMemoryRebound(to: CChar.self, capacity: 11) {
            unsafe OSSL_PARAM_BLD_push_utf8_string(builder, ces_OSSL_PKEY_PARAM_GROUP_NAME, $0, 0)
                == 1
        }
        let isPushed = unsafe point.withUnsafeBufferPointer { bytes in
            unsafe OSSL_PARAM_BLD_push_octet_string(
                builder, ces_OSSL_PKEY_PARAM_PUB_KEY, bytes.baseAddress, bytes.count) == 1
        }
        guard isBuilt, isPushed else { throw .taken(.unavailable) }
        return unsafe try make("EC", of: builder)
    }

    /// An Ed25519 key of its 32 bytes.
    static func ed25519(_ bytes: borrowing Span<UInt8>) throws(PublicKeyFailure) -> OwnedKey {
        let key = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe EVP_PKEY_new_raw_public_key(
                EVP_PKEY_ED25519, nil, bytes.baseAddress, bytes.count)
        }
        guard let key = unsafe key else { throw .taken(.invalid) }
        return unsafe OwnedKey(adopting: key)
    }

    private static func number(_ bytes: borrowing Span<UInt8>) -> OpaquePointer? {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe BN_bin2bn(bytes.baseAddress, Int32(bytes.count), nil)
        }
    }

    private static func make(
        _ kind: String, of builder: OpaquePointer
    ) throws(PublicKeyFailure) -> OwnedKey {
        let parameters = unsafe OSSL_PARAM_BLD_to_param(builder)
        let context = unsafe EVP_PKEY_CTX_new_from_name(nil, kind, nil)
        defer {
            unsafe OSSL_PARAM_free(parameters)
            unsafe EVP_PKEY_CTX_free(context)
        }
        guard let parameters = unsafe parameters, let context = unsafe context,
            unsafe EVP_PKEY_fromdata_init(context) == 1
        else { throw .taken(.unavailable) }
        var key: OpaquePointer?
        let isMade = unsafe EVP_PKEY_fromdata(
            context, &key, ces_EVP_PKEY_PUBLIC_KEY, parameters)
        guard isMade == 1, let key = unsafe key else { throw .taken(.invalid) }
        return unsafe OwnedKey(adopting: key)
    }
}
