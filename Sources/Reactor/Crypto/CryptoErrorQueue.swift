internal import CEpollShim

/// OpenSSL's queue of errors, which belongs to the thread: what stays in it would be read as the
/// failure of whatever comes next, such as another connection's TLS session.
public enum CryptoErrorQueue {
    /// Whether nothing stands in it, as it must be after each call of this module.
    public static var isEmpty: Bool { ERR_peek_error() == 0 }
}
