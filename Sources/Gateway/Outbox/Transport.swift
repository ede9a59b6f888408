package import Reactor

/// Where the flush sends: sockets, TLS sessions in front of them, or what a simulation has in their
/// place.
///
/// A generic parameter, and specialised for each type that the program has: the calls below cost what
/// calls of that type's own functions cost.
package protocol Transport: ~Copyable {
    /// Whether some clients' bytes are encrypted. When not, nothing of the second half is called.
    static var encrypts: Bool { get }

    // MARK: One piece to each of several sockets

    /// Adds a send to the batch, which isn't full.
    ///
    /// The bytes stay in place until the batch has been submitted and emptied.
    @unsafe mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex)

    /// Makes all the sends of the batch; afterwards `result(at:)` tells what became of each.
    mutating func submit()

    mutating func removeAll()

    var isFull: Bool { get }
    var count: Int { get }
    func result(at position: Int) -> SendResult
    func tag(at position: Int) -> ClientIndex
    /// The bytes that were offered.
    func byteCount(at position: Int) -> Int

    // MARK: Several pieces to one socket

    /// Forgets the pieces of the last write.
    mutating func beginWrite()

    /// Adds a piece to the write, which isn't full. The bytes stay in place until it was sent.
    @unsafe mutating func addPiece(_ bytes: UnsafeRawPointer, count: Int)

    var isWriteFull: Bool { get }
    /// Bytes of all its pieces.
    var writeByteCount: Int { get }
    mutating func sendWrite(to descriptor: Int32) -> SendResult

    // MARK: The end

    /// Ends our direction: nothing more will be sent.
    mutating func finishSending(_ descriptor: Int32)

    // MARK: Records

    /// The most bytes that one record takes.
    static var recordBytesMax: Int { get }

    /// Says that the client's session is used next but one, so that its memory is fetched.
    func prefetch(_ index: ClientIndex)

    /// Whether a record of so many bytes can be added to the batch.
    func hasRoom(forRecordOf byteCount: Int) -> Bool

    /// Encrypts bytes for the client and adds the record to the batch. Returns `false`, and adds
    /// nothing, when the session has failed.
    @unsafe mutating func appendRecord(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) -> Bool

    /// After `submit`: keeps what the socket didn't take of the record at `position`. Returns what
    /// became of the record.
    mutating func finishRecord(at position: Int) -> RecordResult

    /// Sends what the session has to say itself, and the rest of a record that waits.
    mutating func sendKept(of index: ClientIndex, to descriptor: Int32) -> RecordResult

    /// Whether the client's handshake is over, and its session can encrypt.
    func isEstablished(_ index: ClientIndex) -> Bool

    /// Encrypts the bytes, at most a record's, and sends them.
    mutating func sendRecord(
        _ bytes: borrowing ByteBuffer, of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult

    /// Says that we send nothing more (close_notify, RFC 8446 §6.1); a second time nothing is said.
    mutating func sendEnd(of index: ClientIndex, to descriptor: Int32) -> RecordResult
}

/// What became of ciphertext.
package enum RecordResult: BitwiseCopyable, Sendable {
    /// The socket has taken it all.
    case sent
    /// The rest is kept, and goes out before anything else. `tookSome`: the socket takes bytes still.
    case waits(tookSome: Bool)
    case failed
}

/// A transport without TLS.
extension Transport where Self: ~Copyable {
    package static var encrypts: Bool { false }
    package static var recordBytesMax: Int { 0 }
    package func prefetch(_ index: ClientIndex) {}
    package func hasRoom(forRecordOf byteCount: Int) -> Bool { false }
    @unsafe package mutating func appendRecord(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) -> Bool { false }
    package mutating func finishRecord(at position: Int) -> RecordResult { .failed }
    package mutating func sendKept(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        .failed
    }
    package func isEstablished(_ index: ClientIndex) -> Bool { false }
    package mutating func sendRecord(
        _ bytes: borrowing ByteBuffer, of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult { .failed }
    package mutating func sendEnd(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        .failed
    }
}
