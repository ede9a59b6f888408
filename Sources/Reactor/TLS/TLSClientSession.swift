internal import CEpollShim

extension TLSContext {
    /// Bytes of the certificates that a server may show: each costs 0.1 ms to read, whoever it is of, and
    /// the least that has a key has 0.3 KB. A chain of four with keys of 4,096 bits has 7 KB.
    static let certificateBytesMax = 8_192
    /// Certificates between the server's and one that is trusted: each costs the check of a signature.
    static let intermediatesMax: Int32 = 4

    /// A client's that believes the certificates that this system trusts: its folder of them, or what
    /// SSL_CERT_FILE and SSL_CERT_DIR name (SSL_CTX_set_default_verify_paths(3)). Reads files, so it
    /// blocks.
    public static func verifyingClient() throws(TLSSetupFailure) -> TLSContext {
        ERR_clear_error()
        let context = try unsafe TLSContext(method: TLS_client_method())
        guard unsafe SSL_CTX_set_default_verify_paths(context.raw) == 1 else {
            throw .taken("the system's certificates")
        }
        unsafe SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER, nil)
        unsafe SSL_CTX_set_verify_depth(context.raw, intermediatesMax)
        unsafe ces_SSL_CTX_set_max_cert_list(context.raw, certificateBytesMax)
        return context
    }
}

/// A client's end of one connection with TLS: ciphertext in and out, without a socket.
@safe
public struct TLSClientSession: ~Copyable {
    private let session: OpaquePointer
    // The session frees them.
    private let input: OpaquePointer
    private let output: OpaquePointer
    private var isEstablished = false

    /// - Parameter name: what the certificate must be for, a host's name or an address.
    public init(_ context: borrowing TLSContext, to name: String) throws(RedisFault) {
        OpenSSLErrors.forget()
        guard let session = unsafe SSL_new(context.raw) else { throw .outOfMemory }
        let input = unsafe BIO_new(BIO_s_mem())
        let output = unsafe BIO_new(BIO_s_mem())
        guard let input = unsafe input, let output = unsafe output else {
            unsafe BIO_free(input)
            unsafe BIO_free(output)
            unsafe SSL_free(session)
            throw .outOfMemory
        }
        unsafe SSL_set_bio(session, input, output)
        unsafe SSL_set_connect_state(session)
        guard unsafe Self.expect(name, of: session) else {
            OpenSSLErrors.forget()
            unsafe SSL_free(session)
            throw .secure("no certificate can be for this name")
        }
        unsafe self.session = session
        unsafe self.input = input
        unsafe self.output = output
    }

    deinit {
        unsafe SSL_free(session)
    }

    private static func expect(_ name: String, of session: OpaquePointer) -> Bool {
        if SocketAddress(host: name, port: 0) != nil {
            return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) == 1
        }
        return unsafe SSL_set1_host(session, name) == 1
            && ces_SSL_set_tlsext_host_name(session, name) == 1
    }

    /// Ciphertext has come.
    public mutating func receive(_ bytes: borrowing Span<UInt8>) throws(RedisFault) {
        let taken = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe BIO_write(input, bytes.baseAddress, Int32(bytes.count))
        }
        guard Int(taken) == bytes.count else { throw .outOfMemory }
    }

    /// Goes on with the handshake. Returns whether it is over, and the rest may be called.
    public mutating func establish() throws(RedisFault) -> Bool {
        guard !isEstablished else { return true }
        OpenSSLErrors.forget()
        let status = unsafe SSL_do_handshake(session)
        if status == 1 {
            isEstablished = true
            return true
        }
        guard unsafe SSL_get_error(session, status) == SSL_ERROR_WANT_READ else {
            throw fault()
        }
        return false
    }

    /// Why a call failed: of a certificate that isn't believed, what is wrong with it.
    private func fault() -> RedisFault {
        let verdict = unsafe SSL_get_verify_result(session)
        let fault = TLSFault.taken()
        guard verdict != Int(X509_V_OK), let text = unsafe X509_verify_cert_error_string(verdict)
        else { return .secure(fault.description) }
        return .secure(unsafe String(cString: text))
    }

    /// Encrypts all of it.
    public mutating func send(_ bytes: borrowing Span<UInt8>) throws(RedisFault) {
        guard !bytes.isEmpty else { return }
        OpenSSLErrors.forget()
        let taken = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe SSL_write(session, bytes.baseAddress, Int32(bytes.count))
        }
        guard Int(taken) == bytes.count else { throw fault() }
    }

    /// Appends what can be decrypted. Returns `false` when the peer has ended.
    public mutating func read(into buffer: inout ByteBuffer) throws(RedisFault) -> Bool {
        let chunk = 4_096
        while true {
            OpenSSLErrors.forget()
            let waiting = unsafe BIO_ctrl_pending(input)
            var status: Int32 = 0
            unsafe buffer.append(atMost: chunk) { target in
                status = unsafe SSL_read(session, target, Int32(chunk))
                return max(0, Int(status))
            }
            if status > 0 { continue }
            switch unsafe SSL_get_error(session, status) {
            case SSL_ERROR_WANT_READ:
                // Without SSL_MODE_AUTO_RETRY a call ends at a record without data, and more may be there.
                let left = unsafe BIO_ctrl_pending(input)
                if left == 0 || left == waiting { return true }
            case SSL_ERROR_ZERO_RETURN:
                return false
            default:
                throw fault()
            }
        }
    }

    /// Appends the ciphertext that has to be sent.
    public mutating func takeOutput(into buffer: inout ByteBuffer) {
        let count = unsafe Int(BIO_ctrl_pending(output))
        guard count > 0 else { return }
        unsafe buffer.append(atMost: count) { target in
            unsafe max(0, Int(BIO_read(output, target, Int32(count))))
        }
    }
}
