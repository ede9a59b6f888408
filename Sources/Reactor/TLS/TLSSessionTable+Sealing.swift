internal import CEpollShim

// Bytes out: from plaintext to records in the output that all sessions share.
extension TLSSessionTable {
    // Hot path.
    /// Says that the session is going to seal soon, so that the processor fetches what that reads
    /// while another one seals. In a large fan-out each session has been out of its caches.
    public func prefetch(_ index: UInt32) {
        precondition(Int(index) < capacity)
        guard let session = unsafe entries[Int(index)].session else { return }
        unsafe ces_prefetch_SSL(session)
    }

    // Hot path.
    /// Encrypts bytes, at most a record's, and appends them to the output, for which there must be
    /// room. Returns `false` when the session has failed; then nothing is appended.
    public mutating func seal(_ bytes: borrowing Span<UInt8>, for index: UInt32) -> Bool {
        precondition(bytes.count > 0 && bytes.count <= Self.recordBytesMax)
        let session = unsafe session(index)
        guard unsafe entries[Int(index)].isEstablished && !entries[Int(index)].hasEnded else {
            return false
        }
        let isShort = bytes.count <= Self.shortRecordBytesMax
        if unsafe entries[Int(index)].writesShort != isShort {
            unsafe ces_SSL_set_max_send_fragment(
                session, isShort ? Self.shortRecordBytesMax : Self.recordBytesMax)
            unsafe entries[Int(index)].writesShort = isShort
        }
        forgetInput()
        OpenSSLErrors.forget()
        let outputBefore = outputCount
        var written = 0
        let status = unsafe bytes.withUnsafeBufferPointer { source in
            unsafe SSL_write_ex(session, source.baseAddress, source.count, &written)
        }
        guard status == 1 else {
            _ = fail(index)
            // An alert that stayed would be taken for the beginning of the next session's output.
            truncateOutput(to: outputBefore)
            return false
        }
        return true
    }

    /// Appends a close_notify: we send nothing more. Nothing when the session can't, or did before.
    public mutating func finish(_ index: UInt32) {
        guard exists(index) else { return }
        guard unsafe entries[Int(index)].isEstablished && !entries[Int(index)].hasEnded else {
            return
        }
        unsafe entries[Int(index)].hasEnded = true
        forgetInput()
        OpenSSLErrors.forget()
        // Zero says that the peer's is yet to come; less, that the session failed meanwhile.
        if unsafe SSL_shutdown(session(index)) < 0 { ERR_clear_error() }
    }

    /// What a session that has failed left unread is nobody else's: OpenSSL reads as well while it
    /// writes, in the middle of a key update.
    private func forgetInput() {
        unsafe wire.state.pointee.inputPosition = wire.state.pointee.inputCount
    }

    /// Whether a record of `count` bytes fits into what is left of the output.
    public func hasRoom(for count: Int) -> Bool {
        let left = unsafe wire.state.pointee.outputCapacity - outputCount
        return count + Self.recordOverheadMax + Self.reserveBytes <= left
    }

    /// Bytes of ciphertext that wait to be sent or kept.
    public var outputCount: Int { unsafe wire.state.pointee.outputCount }

    /// That ciphertext; valid until the next change.
    public var output: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span(_unsafeStart: wire.state.pointee.output, count: outputCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// Where it stands, for system calls. It doesn't move while it grows.
    @unsafe public var outputAddress: UnsafeRawPointer {
        unsafe UnsafeRawPointer(wire.state.pointee.output)
    }

    /// Forgets the output from `count` on.
    public mutating func truncateOutput(to count: Int) {
        precondition(count >= 0 && count <= outputCount)
        unsafe wire.state.pointee.outputCount = count
    }
}
