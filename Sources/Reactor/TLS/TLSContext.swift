internal import CEpollShim

/// Why a certificate or its key can't be used: for a person, in one line, without a byte of the key.
public struct TLSSetupFailure: Error, Equatable, Sendable {
    /// The file, or the step.
    public let what: String
    public let why: String

    init(what: String, why: String) {
        self.what = what
        self.why = why
    }

    /// A file of it can't be read.
    public init(_ failure: FileFailure) {
        self.init(what: failure.path, why: failure.reason.description)
    }

    /// The first error that OpenSSL noted, which is the cause of the others. Empties its queue.
    static func taken(_ what: String) -> TLSSetupFailure {
        let code = ERR_get_error()
        ERR_clear_error()
        return TLSSetupFailure(what: what, why: words(for: code))
    }

    private static func words(for code: UInt) -> String {
        let reason = ERR_GET_REASON(code)
        if code & systemErrorFlag != 0 { return Errno(code: reason).description }
        guard let text = unsafe ERR_reason_error_string(code) else { return "it can't be used" }
        let words = unsafe String(cString: text)
        return words == "bad password read"
            ? "it is protected by a passphrase, which nobody is here to enter" : words
    }

    /// ERR_SYSTEM_FLAG (err.h): the reason is an errno.
    private static let systemErrorFlag: UInt = 0x8000_0000
}

extension TLSSetupFailure: CustomStringConvertible {
    public var description: String { "\(what): \(why)" }
}

/// What the sessions of one side have in common: the certificate and its key, versions and ciphers
/// (SSL_CTX(3)).
///
/// Each session keeps the context that it was made with alive, so a new certificate is a new context,
/// and those who are connected notice nothing.
@safe
public struct TLSContext: ~Copyable {
    let raw: OpaquePointer
    /// From when on the certificate is valid, in seconds since 1970; `nil` for a client.
    public let notBeforeUnixSeconds: Int64?
    /// When it expires.
    public let notAfterUnixSeconds: Int64?

    /// TLS 1.2 keeps only what TLS 1.3 would offer too: ephemeral keys and authenticated encryption.
    private static let cipherList = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20"
    /// The server's order counts, except for a client that puts ChaCha20 first because it has no
    /// instructions for AES. AES-128 is what browsers prefer as well: a short record costs less, and so
    /// does the handshake's SHA-256.
    static let cipherSuites =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    static let groups = "X25519:P-256:P-384"
    /// A ticket spares a client that comes back the server's signature. Browsers use one once; two,
    /// OpenSSL's default, cost 0.3 ms for 1,000 clients and memory until the second is sent.
    private static let ticketCount = 1

    /// A server's.
    ///
    /// - Parameters:
    ///   - certificatePath: a PEM file with the certificate and those that it was issued by, in that
    ///     order.
    ///   - keyPath: a PEM file with its key, without a passphrase.
    ///
    /// Reads both files, so it blocks.
    public static func server(
        certificatePath: String, keyPath: String
    ) throws(TLSSetupFailure) -> TLSContext {
        ERR_clear_error()
        let context = try unsafe TLSContext(method: TLS_server_method())
        let raw = unsafe context.raw
        // It would be asked for on the terminal.
        unsafe SSL_CTX_set_default_passwd_cb(raw) { _, _, _, _ in -1 }
        guard unsafe SSL_CTX_use_certificate_chain_file(raw, certificatePath) == 1 else {
            throw .taken(certificatePath)
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(raw, keyPath, SSL_FILETYPE_PEM) == 1 else {
            throw .taken(keyPath)
        }
        guard unsafe SSL_CTX_check_private_key(raw) == 1 else {
            throw .taken("\(keyPath) and \(certificatePath)")
        }
        _ = unsafe SSL_CTX_set_options(raw, ces_tls_server_options)
        unsafe SSL_CTX_set_num_tickets(raw, ticketCount)
        unsafe SSL_CTX_set_alpn_select_cb(raw, selectProtocol, nil)
        try unsafe TLSTicketKeys.give(to: raw)
        // The certificate was just set, so it is there.
        let certificate = unsafe SSL_CTX_get0_certificate(raw)
        return unsafe TLSContext(
            retaining: raw, notBefore: unixSeconds(X509_get0_notBefore(certificate)),
            notAfter: unixSeconds(X509_get0_notAfter(certificate)))
    }

    /// A client's that trusts whoever it meets and offers `http/1.1`: for load generators and tests.
    public static func trustingClient(maximum: TLSVersion = .v1_3) throws(TLSSetupFailure)
        -> TLSContext
    {
        ERR_clear_error()
        let context = try unsafe TLSContext(method: TLS_client_method())
        let offer: [UInt8] = [8] + Array("http/1.1".utf8)
        // This one returns zero for success.
        guard unsafe SSL_CTX_set_alpn_protos(context.raw, offer, UInt32(offer.count)) == 0,
            unsafe ces_SSL_CTX_set_max_proto_version(context.raw, maximum.number) == 1
        else { throw .taken("a client's TLS context") }
        return context
    }

    @unsafe init(method: OpaquePointer?) throws(TLSSetupFailure) {
        guard let raw = unsafe SSL_CTX_new(method) else { throw .taken("a TLS context") }
        guard unsafe ces_SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) == 1,
            unsafe SSL_CTX_set_cipher_list(raw, Self.cipherList) == 1,
            unsafe SSL_CTX_set_ciphersuites(raw, Self.cipherSuites) == 1,
            unsafe ces_SSL_CTX_set1_groups_list(raw, Self.groups) == 1
        else {
            unsafe SSL_CTX_free(raw)
            throw .taken("the TLS versions and ciphers")
        }
        // An idle session owns no buffers: 14 KB instead of 47.
        unsafe ces_SSL_CTX_set_mode(raw, Int(SSL_MODE_RELEASE_BUFFERS))
        // A call returns after each record without data, so that those are counted.
        unsafe ces_SSL_CTX_clear_mode(raw, Int(SSL_MODE_AUTO_RETRY))
        // Resumption is by tickets, which the clients keep.
        unsafe ces_SSL_CTX_set_session_cache_mode(raw, Int(SSL_SESS_CACHE_OFF))
        unsafe self.raw = raw
        notBeforeUnixSeconds = nil
        notAfterUnixSeconds = nil
    }

    @unsafe private init(retaining raw: OpaquePointer, notBefore: Int64?, notAfter: Int64?) {
        unsafe SSL_CTX_up_ref(raw)
        unsafe self.raw = raw
        notBeforeUnixSeconds = notBefore
        notAfterUnixSeconds = notAfter
    }

    deinit {
        unsafe SSL_CTX_free(raw)
    }

    @unsafe private static func unixSeconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var fields = unsafe tm()
        // Its name promises a `tm` in GMT.
        guard unsafe ASN1_TIME_to_tm(time, &fields) == 1 else { return nil }
        return Int64(unsafe timegm(&fields))
    }

    /// ALPN (RFC 7301): `http/1.1` when the client offers it. One that offers only others gets the
    /// alert `no_application_protocol`, as §3.2 demands; one that offers none isn't asked for any.
    private static let selectProtocol:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
            UnsafeMutablePointer<UInt8>?, UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
        ) -> Int32 = { _, selected, selectedCount, offer, offerCount, _ in
            guard let selected = unsafe selected, let selectedCount = unsafe selectedCount,
                let offer = unsafe offer
            else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            let names = unsafe UnsafeBufferPointer(start: offer, count: Int(offerCount))
            var start = 0
            while start < names.count {
                // OpenSSL has checked the lengths; a name that ended outside would end the search.
                let count = unsafe Int(names[start])
                let end = start + 1 + count
                guard end <= names.count else { break }
                if unsafe names[start + 1..<end].elementsEqual("http/1.1".utf8) {
                    unsafe selected.pointee = offer + start + 1
                    unsafe selectedCount.pointee = UInt8(count)
                    return SSL_TLSEXT_ERR_OK
                }
                start = end
            }
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }
}

/// Versions of the protocol that are spoken.
public enum TLSVersion: Sendable, CaseIterable {
    case v1_2
    case v1_3

    var number: Int32 { self == .v1_2 ? TLS1_2_VERSION : TLS1_3_VERSION }
}
