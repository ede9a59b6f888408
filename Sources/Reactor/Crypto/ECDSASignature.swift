internal import CEpollShim

/// Signatures of ECDSA on P-256, from the form of JSON Web Signatures to OpenSSL's.
enum ECDSASignature {
    /// Bytes of r and s, one behind the other (RFC 7518 §3.4).
    static let rawCount = 64
    /// The most bytes that DER makes of it: two headers and signs of 3 bytes, and one of 2.
    private static let encodedCountMax = 72

    /// Appends the DER form of `raw` (ECDSA-Sig-Value, RFC 3279 §2.2.3). Returns `false` for what
    /// hasn't exactly `rawCount` bytes.
    static func append(
        raw: borrowing Span<UInt8>, to buffer: inout ByteBuffer
    ) throws(CryptoFailure) -> Bool {
        guard raw.count == rawCount else { return false }
        guard let signature = unsafe ECDSA_SIG_new() else { throw .taken() }
        defer { unsafe ECDSA_SIG_free(signature) }
        let half = rawCount / 2
        let r = unsafe number(raw.extracting(0..<half))
        let s = unsafe number(raw.extracting(half..<rawCount))
        // The numbers become the signature's, unless one of them is missing.
        guard unsafe ECDSA_SIG_set0(signature, r, s) == 1 else {
            unsafe BN_free(r)
            unsafe BN_free(s)
            throw .taken()
        }
        var encoded = InlineArray<72, UInt8>(repeating: 0)
        var target = encoded.mutableSpan
        let count = unsafe target.withUnsafeMutableBufferPointer { bytes in
            guard unsafe i2d_ECDSA_SIG(signature, nil) <= Int32(encodedCountMax) else { return 0 }
            var end = bytes.baseAddress
            return Int(unsafe i2d_ECDSA_SIG(signature, &end))
        }
        guard count > 0 else { throw .taken() }
        buffer.append(encoded.span.extracting(0..<count))
        return true
    }

    private static func number(_ bytes: borrowing Span<UInt8>) -> OpaquePointer? {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe BN_bin2bn(bytes.baseAddress, Int32(bytes.count), nil)
        }
    }
}
