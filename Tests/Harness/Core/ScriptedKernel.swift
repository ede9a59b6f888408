package import Gateway
package import Reactor

/// What a test lets the kernel do for one connection, and what it saw of it.
package struct ScriptedSocket {
    package let index: ClientIndex
    /// Bytes that the socket takes before it blocks.
    package var capacity = Int.max
    /// Everything that the socket has taken, decrypted.
    package var taken: [UInt8] = []
    /// What of it came encrypted.
    package var opener = MadeUpRecords.Opener()
    /// Ciphertext that the socket didn't take yet.
    package var kept: [UInt8] = []
    /// Whether it was said that nothing more is sent.
    package var hasEnded = false
    /// What the peer has sent while nothing was read.
    package var unread: [UInt8] = []
    /// What the core wants to be told of.
    package var interest: Interest = []
    /// Whether our direction was ended.
    package var isFinished = false
    /// How often the descriptor was given back to be closed.
    package var closeCount = 0

    /// Takes what there is room for.
    package mutating func send(_ bytes: ArraySlice<UInt8>, isSealed: Bool = false) -> SendResult {
        guard capacity > 0 else { return .wouldBlock }
        let part = bytes.prefix(capacity)
        taken += isSealed ? opener.open(Array(part)) : Array(part)
        if capacity != .max { capacity -= part.count }
        return .sent(part.count)
    }
}

/// The kernel's end of the flush: takes what the core sends, as far as each socket has room.
struct ScriptedTransport: ~Copyable {
    private struct Entry {
        let descriptor: Int32
        let bytes: [UInt8]
        let tag: ClientIndex
        var isSealed = false
        var result = SendResult.wouldBlock
    }

    /// The descriptor of each is a thousand more than its number.
    var sockets: [ScriptedSocket] = []
    private var entries: [Entry] = []
    private var write: [UInt8] = []
    private var pieceCount = 0

    @unsafe private static func copy(_ bytes: UnsafeRawPointer, count: Int) -> [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}

extension ScriptedTransport: Transport {
    @unsafe mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) {
        let bytes = unsafe Self.copy(bytes, count: count)
        entries.append(Entry(descriptor: descriptor, bytes: bytes, tag: tag))
    }

    mutating func submit() {
        for position in entries.indices {
            let number = Int(entries[position].descriptor) - 1_000
            entries[position].result = sockets[number].send(
                entries[position].bytes[...], isSealed: entries[position].isSealed)
        }
    }

    mutating func removeAll() { entries.removeAll() }

    var isFull: Bool { entries.count == SendBatch.capacity }
    var count: Int { entries.count }
    func result(at position: Int) -> SendResult { entries[position].result }
    func tag(at position: Int) -> ClientIndex { entries[position].tag }
    func byteCount(at position: Int) -> Int { entries[position].bytes.count }

    mutating func beginWrite() {
        write = []
        pieceCount = 0
    }

    @unsafe mutating func addPiece(_ bytes: UnsafeRawPointer, count: Int) {
        unsafe write += Self.copy(bytes, count: count)
        pieceCount += 1
    }

    var isWriteFull: Bool { pieceCount == GatheredWrite.pieceCountMax }
    var writeByteCount: Int { write.count }

    mutating func sendWrite(to descriptor: Int32) -> SendResult {
        sockets[Int(descriptor) - 1_000].send(write[...])
    }

    mutating func finishSending(_ descriptor: Int32) {
        sockets[Int(descriptor) - 1_000].isFinished = true
    }
}

// Clients that speak TLS, with records that are made up.
extension ScriptedTransport {
    static var encrypts: Bool { true }
    static var recordBytesMax: Int { MadeUpRecords.bytesMax }

    func hasRoom(forRecordOf byteCount: Int) -> Bool { !isFull }

    @unsafe mutating func appendRecord(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) -> Bool {
        let record = MadeUpRecords.seal(unsafe Self.copy(bytes, count: count))
        entries.append(Entry(descriptor: descriptor, bytes: record, tag: tag, isSealed: true))
        return true
    }

    mutating func finishRecord(at position: Int) -> RecordResult {
        let entry = entries[position]
        return keepRest(of: entry.bytes, entry.result, Int(entry.descriptor) - 1_000)
    }

    mutating func sendKept(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        let number = Int(descriptor) - 1_000
        let kept = sockets[number].kept
        return kept.isEmpty ? .sent : send(kept, number)
    }

    func isEstablished(_ index: ClientIndex) -> Bool { true }

    mutating func sendRecord(
        _ bytes: borrowing ByteBuffer, of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult {
        send(MadeUpRecords.seal(bytes.copy()), Int(descriptor) - 1_000)
    }

    mutating func sendEnd(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        let number = Int(descriptor) - 1_000
        guard !sockets[number].hasEnded else { return .sent }
        sockets[number].hasEnded = true
        return send(MadeUpRecords.end, number)
    }

    private mutating func send(_ bytes: [UInt8], _ number: Int) -> RecordResult {
        let result = sockets[number].send(bytes[...], isSealed: true)
        return keepRest(of: bytes, result, number)
    }

    private mutating func keepRest(
        of bytes: [UInt8], _ result: SendResult, _ number: Int
    ) -> RecordResult {
        switch result {
        case .sent(let count):
            sockets[number].kept = Array(bytes.dropFirst(count))
            return count == bytes.count ? .sent : .waits(tookSome: true)
        case .wouldBlock:
            sockets[number].kept = bytes
            return .waits(tookSome: false)
        case .failed: return .failed
        }
    }
}
