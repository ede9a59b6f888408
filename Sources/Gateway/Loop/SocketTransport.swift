package import Reactor

/// Sends to sockets, in the clear.
package struct SocketTransport: ~Copyable {
    package var batch: SendBatch
    private var write = GatheredWrite()

    package init(_ batch: consuming SendBatch) {
        precondition(Limits.deliveriesPerTurn <= SendBatch.capacity)
        self.batch = batch
    }

    mutating func flush(_ core: inout Core) { core.flush(to: &self) }
}

// Hot path.
extension SocketTransport: Transport {
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

extension Server {
    /// Notes how bytes leave, which changes when the ring has failed so often that it is given up.
    mutating func noteSendMethod() {
        core.metrics.ringRefusals = plain?.batch.refusals ?? secure?.plain.batch.refusals ?? 0
        let method = plain?.batch.method ?? secure?.plain.batch.method ?? .send
        guard method != core.metrics.sendMethod else { return }
        core.metrics.sendMethod = method
        core.log.sendMethodChanged(to: method.name, because: "io_uring keeps failing")
    }
}
