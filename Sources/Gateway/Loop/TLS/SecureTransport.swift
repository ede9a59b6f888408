internal import Reactor

/// Sends through TLS sessions. Who came in through the admin listener is sent to in the clear.
///
/// The records of a batch stand one behind the other in the sessions' output, which stays where it is
/// until the batch is emptied.
struct SecureTransport: ~Copyable {
    var plain: SendBatch
    var clients: SecureClients
    /// Where the next record begins whose result is asked for.
    private var position = 0

    init(_ plain: consuming SendBatch, _ clients: consuming SecureClients) {
        self.plain = plain
        self.clients = clients
    }

    /// The client is freed.
    mutating func forget(_ index: ClientIndex) { clients.forget(index) }

    mutating func returnMemory(from first: Int) { clients.returnMemory(from: first) }

    /// Sends all of the output, which is one client's, and keeps what its socket doesn't take.
    private mutating func sendOutput(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        let count = clients.sessions.outputCount
        guard count > 0 else { return .sent }
        let result = ClientSocket.send(clients.sessions.output, to: descriptor)
        let outcome = keepRest(result, of: 0..<count, index)
        clients.sessions.truncateOutput(to: 0)
        return outcome
    }

    // Hot path.
    /// Keeps what a socket didn't take of a part of the output.
    private mutating func keepRest(
        _ result: SendResult, of range: Range<Int>, _ index: ClientIndex
    ) -> RecordResult {
        switch result {
        case .sent(range.count): return .sent
        case .sent(let count):
            let isKept = clients.keep(range.dropFirst(count), of: index)
            return isKept ? .waits(tookSome: true) : .failed
        case .wouldBlock:
            return clients.keep(range, of: index) ? .waits(tookSome: false) : .failed
        case .failed: return .failed
        }
    }
}

// Hot path.
extension SecureTransport: Transport {
    static var encrypts: Bool { true }
    static var recordBytesMax: Int { TLSSessionTable.recordBytesMax }

    // MARK: In the clear

    @unsafe mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) {
        unsafe plain.append(descriptor: descriptor, bytes: bytes, count: count, tag: tag)
    }

    mutating func submit() {
        plain.submit()
        position = 0
    }

    mutating func removeAll() {
        plain.removeAll()
        clients.sessions.truncateOutput(to: 0)
    }

    var isFull: Bool { plain.isFull }
    var count: Int { plain.count }
    func result(at position: Int) -> SendResult { plain.result(at: position) }
    func tag(at position: Int) -> ClientIndex { plain.tag(at: position) }
    func byteCount(at position: Int) -> Int { plain.byteCount(at: position) }

    mutating func beginWrite() { plain.beginWrite() }

    @unsafe mutating func addPiece(_ bytes: UnsafeRawPointer, count: Int) {
        unsafe plain.addPiece(bytes, count: count)
    }

    var isWriteFull: Bool { plain.isWriteFull }
    var writeByteCount: Int { plain.writeByteCount }
    mutating func sendWrite(to descriptor: Int32) -> SendResult { plain.sendWrite(to: descriptor) }
    mutating func finishSending(_ descriptor: Int32) { plain.finishSending(descriptor) }

    // MARK: Records

    func prefetch(_ index: ClientIndex) { clients.sessions.prefetch(index) }

    func hasRoom(forRecordOf byteCount: Int) -> Bool {
        clients.sessions.hasRoom(for: byteCount)
    }

    @unsafe mutating func appendRecord(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) -> Bool {
        let start = clients.sessions.outputCount
        let plaintext = unsafe Span<UInt8>(
            _unsafeStart: bytes.assumingMemoryBound(to: UInt8.self), count: count)
        guard clients.sessions.seal(plaintext, for: tag) else { return false }
        unsafe plain.append(
            descriptor: descriptor, bytes: clients.sessions.outputAddress + start,
            count: clients.sessions.outputCount - start, tag: tag)
        return true
    }

    /// Records that failed to be sealed left nothing behind, so each begins where the one before it
    /// ends.
    mutating func finishRecord(at position: Int) -> RecordResult {
        let start = self.position
        self.position += plain.byteCount(at: position)
        return keepRest(
            plain.result(at: position), of: start..<self.position, plain.tag(at: position))
    }

    mutating func sendKept(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        clients.sendKept(of: index, to: descriptor)
    }

    func isEstablished(_ index: ClientIndex) -> Bool { clients.sessions.isEstablished(index) }

    mutating func sendRecord(
        _ bytes: borrowing ByteBuffer, of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult {
        guard clients.sessions.seal(bytes.bytes, for: index) else { return .failed }
        return sendOutput(of: index, to: descriptor)
    }

    mutating func sendEnd(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        clients.sessions.finish(index)
        return sendOutput(of: index, to: descriptor)
    }
}
