internal import CEpollShim

/// The keys of a context's tickets (RFC 5077 §4): the one that new tickets are sealed with, and the one
/// before it, which still opens those that it has sealed.
///
/// OpenSSL itself would make one key with the context, for as long as that lives, and it lives as long as
/// any session. Whoever learns a key can resume, or read, what its tickets were made for.
///
/// They lie in the context's own memory, two blocks of a name, a key for AES-256-CBC and one for
/// HMAC-SHA-256 each, so they go when the last session goes.
@unsafe enum TLSTicketKeys {
    private static let nameByteCount = 16
    private static let secretByteCount = 32
    private static let byteCount = nameByteCount + 2 * secretByteCount
    private static let allByteCount = 2 * byteCount

    /// Where a context keeps the address of its keys; negative if OpenSSL has no memory for that.
    private static let place = unsafe CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil
    ) { _, keys, _, _, _, _ in
        unsafe CRYPTO_clear_free(keys, allByteCount, nil, 0)
    }

    private static func keys(of context: OpaquePointer?) -> UnsafeMutablePointer<UInt8>? {
        unsafe SSL_CTX_get_ex_data(context, place)?.assumingMemoryBound(to: UInt8.self)
    }

    /// Gives a context keys of its own.
    static func give(to context: OpaquePointer) throws(TLSSetupFailure) {
        guard let keys = unsafe CRYPTO_malloc(allByteCount, nil, 0) else {
            throw .taken("the keys of tickets")
        }
        guard unsafe SSL_CTX_set_ex_data(context, place, keys) == 1 else {
            unsafe CRYPTO_free(keys, nil, 0)
            throw .taken("the keys of tickets")
        }
        unsafe fill(keys.assumingMemoryBound(to: UInt8.self), allByteCount)
        guard unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(context, useKey) == 1 else {
            throw .taken("the keys of tickets")
        }
    }

    /// The key is the previous one from now on, and what was the previous one is gone.
    static func rotate(_ context: OpaquePointer) {
        guard let keys = unsafe keys(of: context) else { return }
        unsafe memcpy(keys + byteCount, keys, byteCount)
        unsafe fill(keys, byteCount)
    }

    /// No ticket that was made before is good.
    static func replaceAll(_ context: OpaquePointer) {
        guard let keys = unsafe keys(of: context) else { return }
        unsafe fill(keys, allByteCount)
    }

    private static func fill(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) {
        let buffer = unsafe UnsafeMutableBufferPointer(start: bytes, count: count)
        Random.fill(unsafe buffer.mutableSpan)
    }

    // MARK: What OpenSSL calls

    /// Hands the key over by which OpenSSL is to seal a new ticket, or to open one. What it returns is
    /// described in SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
    private static let useKey:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?,
            OpaquePointer?, OpaquePointer?, Int32
        ) -> Int32 = { session, name, nonce, cipher, mac, isNew in
            guard let name = unsafe name, let nonce = unsafe nonce,
                let keys = unsafe keys(of: SSL_get_SSL_CTX(session))
            else { return Answer.failed }
            if isNew == 1 {
                unsafe memcpy(name, keys, nameByteCount)
                let isSet =
                    unsafe RAND_bytes(nonce, EVP_MAX_IV_LENGTH) == 1
                    && EVP_EncryptInit_ex(
                        cipher, EVP_aes_256_cbc(), nil, keys + nameByteCount, nonce) == 1
                    && setKey(of: mac, keys)
                return isSet ? Answer.used : Answer.failed
            }
            let isCurrent = unsafe memcmp(name, keys, nameByteCount) == 0
            let key = unsafe isCurrent ? keys : keys + byteCount
            guard unsafe memcmp(name, key, nameByteCount) == 0 else { return Answer.unknown }
            let isSet =
                unsafe EVP_DecryptInit_ex(
                    cipher, EVP_aes_256_cbc(), nil, key + nameByteCount, nonce) == 1
                && setKey(of: mac, key)
            guard isSet else { return Answer.failed }
            // With TLS 1.3 each connection gets a ticket of its own, as it does by default.
            let isRenewed = unsafe !isCurrent || SSL_version(session) == TLS1_3_VERSION
            return isRenewed ? Answer.usedToBeRenewed : Answer.used
        }

    private enum Answer {
        static let failed: Int32 = -1
        /// There is a full handshake.
        static let unknown: Int32 = 0
        static let used: Int32 = 1
        /// The client gets a new ticket.
        static let usedToBeRenewed: Int32 = 2
    }

    private static func setKey(of mac: OpaquePointer?, _ key: UnsafeMutablePointer<UInt8>) -> Bool {
        // "SHA256" with its NUL; OpenSSL only reads it, its parameter type just isn't const.
        var name: [CChar] = [83, 72, 65, 50, 53, 54, 0]
        return unsafe name.withUnsafeMutableBufferPointer { name in
            let parameters = unsafe [
                OSSL_PARAM_construct_octet_string(
                    ces_OSSL_MAC_PARAM_KEY, key + nameByteCount + secretByteCount,
                    secretByteCount),
                OSSL_PARAM_construct_utf8_string(ces_OSSL_MAC_PARAM_DIGEST, name.baseAddress, 0),
                OSSL_PARAM_construct_end(),
            ]
            return unsafe EVP_MAC_CTX_set_params(mac, parameters) == 1
        }
    }
}

extension TLSContext {
    /// A new key for the tickets to come. Those made by the last one are still good, those before not.
    public mutating func rotateTicketKeys() {
        unsafe TLSTicketKeys.rotate(raw)
    }

    /// No ticket that was made so far is good, though sessions may keep the context alive.
    public mutating func forgetTicketKeys() {
        unsafe TLSTicketKeys.replaceAll(raw)
    }
}
