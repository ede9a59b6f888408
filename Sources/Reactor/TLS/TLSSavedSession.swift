internal import CEpollShim

/// What a client keeps of a session, with the ticket that it was given: for tests.
@safe
public struct TLSSavedSession: ~Copyable {
    private let raw: OpaquePointer

    /// A copy: OpenSSL marks the original as not to be resumed when its connection ends unannounced.
    fileprivate init?(of session: OpaquePointer) {
        guard let original = unsafe SSL_get_session(session),
            let raw = unsafe SSL_SESSION_dup(original)
        else { return nil }
        unsafe self.raw = raw
    }

    deinit {
        unsafe SSL_SESSION_free(raw)
    }

    /// Has a session offer it, once more as a copy.
    fileprivate func offer(in session: OpaquePointer) -> Bool {
        guard let copy = unsafe SSL_SESSION_dup(raw) else { return false }
        defer { unsafe SSL_SESSION_free(copy) }
        return unsafe SSL_set_session(session, copy) == 1
    }
}

extension TLSSessionTable {
    public func savedSession(_ index: UInt32) -> TLSSavedSession? {
        unsafe TLSSavedSession(of: session(index))
    }

    /// Begins a client's session that offers to resume an earlier one.
    public mutating func connect(
        _ index: UInt32, _ context: borrowing TLSContext, resuming saved: borrowing TLSSavedSession
    ) throws(TLSSetupFailure) {
        try connect(index, context)
        guard unsafe saved.offer(in: session(index)) else { throw .taken("a TLS session") }
    }
}
