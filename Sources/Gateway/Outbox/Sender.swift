package import Reactor

/// Where the flush sends: sockets, or what a simulation has in their place.
///
/// A generic parameter, and specialised for the one type that the program has: the calls below cost
/// what calls of that type's own functions cost.
package protocol Sender: ~Copyable {
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
}

/// Sends to sockets.
package struct SocketSender: ~Copyable {
    package var batch: SendBatch
    private var write = GatheredWrite()

    package init(_ batch: consuming SendBatch) {
        self.batch = batch
    }
}

// Hot path.
extension SocketSender: Sender {
    @unsafe package mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) {
        unsafe batch.append(descriptor: descriptor, bytes: bytes, count: count, tag: tag)
    }

    package mutating func submit() {
        if !batch.isEmpty { batch.submit() }
    }

    package mutating func removeAll() { batch.removeAll() }

    package var isFull: Bool { batch.isFull }
    package var count: Int { batch.count }
    package func result(at position: Int) -> SendResult { batch.result(at: position) }
    package func tag(at position: Int) -> ClientIndex { batch.tag(at: position) }
    package func byteCount(at position: Int) -> Int { batch.byteCount(at: position) }

    package mutating func beginWrite() { write.removeAll() }

    @unsafe package mutating func addPiece(_ bytes: UnsafeRawPointer, count: Int) {
        unsafe write.append(bytes, count: count)
    }

    package var isWriteFull: Bool { write.isFull }
    package var writeByteCount: Int { write.byteCount }

    package mutating func sendWrite(to descriptor: Int32) -> SendResult {
        write.send(to: descriptor)
    }

    package mutating func finishSending(_ descriptor: Int32) {
        ClientSocket.finishSending(descriptor)
    }
}
