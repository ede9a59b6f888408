internal import CEpollShim

/// Why a TLS session can't go on. The peer's doing, as a rule.
public struct TLSFault: Equatable, BitwiseCopyable, Sendable {
    public enum Kind: UInt8, CaseIterable, BitwiseCopyable, Sendable {
        /// An HTTP request came where a ClientHello was due.
        case plaintext
        /// No version, cipher, group or application protocol that both sides speak.
        case unsupported
        /// The peer sent an alert: it doesn't trust the certificate, for example.
        case alert
        /// What came isn't TLS, or breaks its rules.
        case malformed
        /// Records without data, or demands on the protocol itself, beyond all need.
        case flood
    }

    public let kind: Kind
    /// OpenSSL's number for the reason; zero for none.
    let code: UInt

    /// What OpenSSL noted first about the call that has just failed. Empties its queue of errors.
    static func taken() -> TLSFault {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        return TLSFault(kind: Kind(reason: ERR_GET_REASON(code)), code: code)
    }

    static var flood: TLSFault { TLSFault(kind: .flood, code: 0) }
}

extension TLSFault: CustomStringConvertible {
    /// OpenSSL's words, such as "no shared cipher". Never bytes of the peer.
    public var description: String {
        if kind == .flood { return "too many records without data" }
        guard code != 0, let text = unsafe ERR_reason_error_string(code) else {
            return "the connection broke off"
        }
        return unsafe String(cString: text)
    }
}

extension TLSFault.Kind {
    /// Reasons from here on are alerts of the peer (SSL_AD_REASON_OFFSET, ssl.h).
    private static let alertOffset: Int32 = 1_000

    fileprivate init(reason: Int32) {
        switch reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
            self = .plaintext
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_SHARED_CIPHER, SSL_R_NO_APPLICATION_PROTOCOL,
            SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SUITABLE_GROUPS, SSL_R_VERSION_TOO_LOW,
            SSL_R_UNSUPPORTED_SSL_VERSION, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
            SSL_R_NO_SHARED_GROUPS, SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
            self = .unsupported
        case Self.alertOffset...:
            self = .alert
        default:
            self = .malformed
        }
    }
}

/// OpenSSL keeps errors in a queue of the thread, which all sessions and all other users of the
/// library share. Whatever is found there after a failed call must be of that call, so what others
/// left behind goes first.
enum OpenSSLErrors {
    // Hot path: almost always there is nothing, which is a look at one word.
    @inline(__always)
    static func forget() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }
}
