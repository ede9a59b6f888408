package import Reactor

/// Sends to sockets, in the clear: one piece to each of several by the batch itself, several pieces to
/// one by its write.
extension SendBatch: Transport {
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
        core.metrics.ringRefusals = plain?.refusals ?? secure?.plain.refusals ?? 0
        let method = plain?.method ?? secure?.plain.method ?? .send
        guard method != core.metrics.sendMethod else { return }
        core.metrics.sendMethod = method
        core.log.sendMethodChanged(to: method.name, because: "io_uring keeps failing")
    }
}
