internal import CEpollShim

/// Comparison of secrets.
public enum ConstantTime {
    /// Whether both hold the same bytes, in a time that depends on their lengths only
    /// (CRYPTO_memcmp(3)), so that a peer can't guess a code byte by byte. Lengths aren't secret.
    public static func isEqual(
        _ left: borrowing Span<UInt8>, _ right: borrowing Span<UInt8>
    ) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe left.withUnsafeBufferPointer { left in
            unsafe right.withUnsafeBufferPointer { right in
                guard let first = left.baseAddress, let second = right.baseAddress else {
                    return true  // Both are empty.
                }
                return unsafe CRYPTO_memcmp(first, second, left.count) == 0
            }
        }
    }
}
