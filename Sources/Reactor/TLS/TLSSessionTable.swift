internal import CEpollShim

/// The TLS sessions of one loop, each under the index of its client: what turns ciphertext into
/// bytes and back. Touches no socket but to receive.
///
/// A session takes in all that was received for it before another one's turn, so none holds
/// decrypted bytes back: a loop that waits forgets nobody. What sessions write is in `output`; the
/// caller sends it, or keeps it for this client, and in any case in this order.
@safe
public struct TLSSessionTable: ~Copyable {
    /// One session; zeroed while there is none.
    @unsafe struct Entry: BitwiseCopyable {
        var session: OpaquePointer?
        /// Records without data, and demands for an answer, so far.
        var controlCount: UInt32
        var isEstablished: Bool
        /// Our close_notify or a fatal alert was written: nothing may follow.
        var hasEnded: Bool
        /// OpenSSL takes a short buffer for what is written next.
        var writesShort = false
    }

    /// The most plaintext in one record (RFC 8446 §5.1).
    public static let recordBytesMax = 16_384
    /// More than a record adds to its plaintext: header, nonce, type and tag take 22 to 29 bytes.
    static let recordOverheadMax = 64
    /// Room that is kept for what a session writes besides records: a handshake's certificates,
    /// alerts.
    static let reserveBytes = 32_768
    /// Bytes received for one client at a time.
    private static let inputCapacity = 65_536
    /// Bytes of records that can leave in one batch: a batch of short messages fits into the
    /// processor's cache, and 15 of the longest records fit as well.
    private static let outputCapacity = 262_144 + reserveBytes
    /// Plaintext up to here is sealed in a buffer that malloc(3) has at hand: OpenSSL adds 184 bytes to
    /// it, and glibc keeps blocks of up to 1,032 in a list of the thread's own. Idle sessions keep no
    /// buffer, so each record needs one anew.
    static let shortRecordBytesMax = 768
    /// Key updates, warnings, refused renegotiations and the like in the life of a session. Nobody
    /// needs more than a handful, and each costs as much as hundreds of messages.
    public static let controlsMax = 128

    let entries: UnsafeMutablePointer<Entry>
    let capacity: Int
    let wire: TLSWire
    /// Sessions that are there now.
    public private(set) var count = 0

    public init(capacity: Int) throws(TLSSetupFailure) {
        wire = try TLSWire(
            inputCapacity: Self.inputCapacity, outputCapacity: Self.outputCapacity)
        self.capacity = capacity
        unsafe entries = ReservedMemory.reserve(Entry.self, count: capacity)
    }

    deinit {
        for index in 0..<capacity where count > 0 {
            unsafe SSL_free(entries[index].session)  // Null is nothing to free.
        }
        unsafe ReservedMemory.release(entries, count: capacity)
    }

    // MARK: Sessions

    /// Begins a server's session for a client that has none.
    public mutating func accept(
        _ index: UInt32, _ context: borrowing TLSContext
    ) throws(TLSSetupFailure) {
        unsafe SSL_set_accept_state(try make(index, context))
    }

    /// Begins a client's session.
    public mutating func connect(
        _ index: UInt32, _ context: borrowing TLSContext
    ) throws(TLSSetupFailure) {
        unsafe SSL_set_connect_state(try make(index, context))
    }

    private mutating func make(
        _ index: UInt32, _ context: borrowing TLSContext
    ) throws(TLSSetupFailure) -> OpaquePointer {
        precondition(Int(index) < capacity && !exists(index))
        OpenSSLErrors.forget()
        guard let session = unsafe SSL_new(context.raw) else { throw .taken("a TLS session") }
        // For both directions, each of which takes a reference.
        unsafe BIO_up_ref(wire.bio)
        unsafe BIO_up_ref(wire.bio)
        unsafe SSL_set0_rbio(session, wire.bio)
        unsafe SSL_set0_wbio(session, wire.bio)
        unsafe entries[Int(index)] = Entry(
            session: session, controlCount: 0, isEstablished: false, hasEnded: false)
        count += 1
        return unsafe session
    }

    /// Ends the session without a word, and frees it. Nothing when there is none.
    public mutating func remove(_ index: UInt32) {
        guard exists(index) else { return }
        unsafe SSL_free(entries[Int(index)].session)
        unsafe entries[Int(index)] = Entry(
            session: nil, controlCount: 0, isEstablished: false, hasEnded: false)
        count -= 1
    }

    public func exists(_ index: UInt32) -> Bool {
        precondition(Int(index) < capacity)
        return unsafe entries[Int(index)].session != nil
    }

    /// Whether the handshake is over and nothing has ended it since.
    public func isEstablished(_ index: UInt32) -> Bool {
        precondition(Int(index) < capacity)
        return unsafe entries[Int(index)].isEstablished
    }

    /// Whether the handshake resumed an earlier session.
    public func isResumed(_ index: UInt32) -> Bool {
        unsafe SSL_session_reused(session(index)) == 1
    }

    /// The protocol's name, such as "TLSv1.3".
    public func version(_ index: UInt32) -> String {
        guard let name = unsafe SSL_get_version(session(index)) else { return "" }
        return unsafe String(cString: name)
    }

    /// Gives the memory of the entries from `first` on back to the kernel.
    public mutating func returnMemory(from first: Int) {
        unsafe ReservedMemory.discard(entries, from: first, count: capacity)
    }

    // MARK: The handshake

    public enum HandshakeResult: Equatable, Sendable {
        case established
        /// Everything received was taken in; the peer has to say more.
        case needsMore
        case failed(TLSFault)
    }

    /// Goes on with the handshake, with what was received.
    public mutating func handshake(_ index: UInt32) -> HandshakeResult {
        let session = unsafe session(index)
        OpenSSLErrors.forget()
        let status = unsafe SSL_do_handshake(session)
        if status == 1 {
            unsafe entries[Int(index)].isEstablished = true
            return .established
        }
        if unsafe SSL_get_error(session, status) == SSL_ERROR_WANT_READ { return .needsMore }
        return .failed(fail(index))
    }

    // MARK: Bytes in

    /// One recv(2) for the client whose session is read next, of at most so many bytes.
    public mutating func receive(
        from descriptor: Int32, atMost bytesMax: Int = .max
    ) -> ReceiveResult {
        precondition(bytesMax > 0)
        let state = unsafe wire.state
        unsafe state.pointee.inputPosition = 0
        unsafe state.pointee.inputCount = 0
        while true {
            let received = unsafe recv(
                descriptor, state.pointee.input, min(bytesMax, state.pointee.inputCapacity), 0)
            if received > 0 {
                unsafe state.pointee.inputCount = received
                return .bytes(received)
            }
            if received == 0 { return .endOfStream }
            switch Errno.current {
            case .interrupted: continue
            case .wouldBlock: return .wouldBlock
            case let errno: return .failed(errno)
            }
        }
    }

    /// The same with bytes that are here already.
    public mutating func receive(_ bytes: borrowing Span<UInt8>) {
        let state = unsafe wire.state
        precondition(unsafe bytes.count <= state.pointee.inputCapacity)
        unsafe bytes.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress else { return }
            unsafe state.pointee.input.update(from: start, count: source.count)
        }
        unsafe state.pointee.inputPosition = 0
        unsafe state.pointee.inputCount = bytes.count
    }

    public enum ReadResult: Equatable, Sendable {
        /// So many decrypted bytes more in the area: those of one record.
        case bytes(Int)
        /// A record without data: read on.
        case control
        /// Everything received was taken in.
        case needsMore
        /// The peer's close_notify: it sends nothing more.
        case endOfStream
        case failed(TLSFault)
    }

    // Hot path.
    /// Decrypts the next record that was received, behind what is in `area`.
    public mutating func read(_ index: UInt32, into area: inout ReceiveArea) -> ReadResult {
        let session = unsafe session(index)
        let outputBefore = outputCount
        let positionBefore = unsafe wire.state.pointee.inputPosition
        OpenSSLErrors.forget()
        var read = unsafe decrypt(session, into: &area)
        if read == 0, unsafe isWithinRecord(session, since: positionBefore) {
            // A record behind a key update may have been taken in and not been acted on.
            read = unsafe decrypt(session, into: &area)
        }
        let answered = outputCount - outputBefore
        if answered > 0 {
            // Not only as often as a call returned: one may have answered many.
            guard countControls(1 + answered / Self.recordOverheadMax, of: index) else {
                return .failed(.flood)
            }
        }
        if read > 0 {
            assert(unsafe SSL_pending(session) == 0)
            return .bytes(read)
        }
        switch unsafe SSL_get_error(session, 0) {
        case SSL_ERROR_WANT_READ:
            guard unsafe isAtRecordBorder(session, since: positionBefore) else { return .needsMore }
            if answered == 0, !countControls(1, of: index) { return .failed(.flood) }
            return .control
        case SSL_ERROR_ZERO_RETURN:
            return .endOfStream
        default:
            return .failed(fail(index))
        }
    }

    /// One call of SSL_read_ex(3). Returns how many bytes it brought.
    @unsafe private func decrypt(_ session: OpaquePointer, into area: inout ReceiveArea) -> Int {
        unsafe area.append { target, capacity in
            var count = 0
            guard unsafe SSL_read_ex(session, target, capacity, &count) == 1 else { return 0 }
            return count
        }
    }

    /// Whether a call that brought no data has taken in a record to its end, instead of a part of one.
    @unsafe private func isAtRecordBorder(_ session: OpaquePointer, since position: Int) -> Bool {
        // A call returns after a record; only with nothing left it may have stopped within one. The
        // first of a record may as well take in nothing: it ends the key update that came before.
        if hasInput { return true }
        return unsafe wire.state.pointee.inputPosition > position && expectsHeader(session)
    }

    /// Whether the call took in all that was left, and a part of a record came last.
    @unsafe private func isWithinRecord(_ session: OpaquePointer, since position: Int) -> Bool {
        unsafe !hasInput && wire.state.pointee.inputPosition > position
            && SSL_get_error(session, 0) == SSL_ERROR_WANT_READ && !expectsHeader(session)
    }

    private var hasInput: Bool {
        unsafe wire.state.pointee.inputPosition < wire.state.pointee.inputCount
    }

    @unsafe private func expectsHeader(_ session: OpaquePointer) -> Bool {
        // "RH": a header is expected; and no bytes of it are there (SSL_rstate_string(3)).
        guard let state = unsafe SSL_rstate_string(session) else { return false }
        return unsafe state[1] == CChar(UInt8(ascii: "H")) && SSL_has_pending(session) == 0
    }

    /// Returns `false` when it is too much.
    private mutating func countControls(_ count: Int, of index: UInt32) -> Bool {
        unsafe entries[Int(index)].controlCount += UInt32(count)
        guard unsafe entries[Int(index)].controlCount > UInt32(Self.controlsMax) else {
            return true
        }
        unsafe entries[Int(index)].isEstablished = false
        unsafe entries[Int(index)].hasEnded = true
        return false
    }

    // MARK: Parts

    func session(_ index: UInt32) -> OpaquePointer {
        precondition(Int(index) < capacity)
        guard let session = unsafe entries[Int(index)].session else {
            preconditionFailure("the client has no TLS session")
        }
        return unsafe session
    }

    mutating func fail(_ index: UInt32) -> TLSFault {
        unsafe entries[Int(index)].isEstablished = false
        unsafe entries[Int(index)].hasEnded = true
        return .taken()
    }
}
