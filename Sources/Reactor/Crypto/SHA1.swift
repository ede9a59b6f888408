internal import CEpollShim

/// SHA-1 (FIPS 180-4) in one call. Only for the WebSocket handshake, which needs it as a checksum;
/// it protects nothing.
public enum SHA1 {
    public enum Failure: Error {
        /// OpenSSL doesn't offer the algorithm here (a FIPS provider alone) or has no memory.
        case unavailable
    }

    /// The digest of `message`.
    public static func digest(
        _ message: borrowing Span<UInt8>
    ) throws(Failure) -> InlineArray<20, UInt8> {
        var digest = InlineArray<20, UInt8>(repeating: 0)
        var span = digest.mutableSpan
        let status = unsafe message.withUnsafeBufferPointer { input in
            unsafe span.withUnsafeMutableBufferPointer { output in
                unsafe EVP_Digest(
                    input.baseAddress, input.count, output.baseAddress, nil, EVP_sha1(), nil)
            }
        }
        guard status == 1 else {
            // The queue belongs to the thread: what stays in it would be read as the failure of
            // another connection's TLS session.
            ERR_clear_error()
            throw .unavailable
        }
        return digest
    }
}
