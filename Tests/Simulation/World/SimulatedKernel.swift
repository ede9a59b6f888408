internal import Gateway
internal import GatewayHarness
internal import Reactor

/// The kernel: it has the connections, takes what the core sends as far as the peers let it, and
/// counts the bytes.
struct SimulatedKernel: ~Copyable {
    private struct Entry {
        let descriptor: Int32
        let bytes: [UInt8]
        let tag: ClientIndex
        var result = SendResult.wouldBlock
    }

    /// All connections that there ever were; the descriptor of each is its number.
    var peers: [Peer] = []
    var now = Instant(nanoseconds: 0)
    private(set) var takenBytes = 0

    private var entries: [Entry] = []
    private var write: [UInt8] = []
    private var pieceCount = 0

    /// Whether resyncs of slow clients vanish (`PlantedFault`).
    var losesResyncs = false

    private mutating func take(_ bytes: [UInt8], _ descriptor: Int32) -> SendResult {
        let number = Int(descriptor)
        if losesResyncs, Self.isLost(bytes) {
            takenBytes += bytes.count
            return .sent(bytes.count)
        }
        let now = now
        let result = unsafe bytes.withUnsafeBytes { bytes in
            unsafe peers[number].take(bytes, now: now)
        }
        // Of what is encrypted the plaintext counts, in the moment in which it is.
        if !peers[number].greeting.speaksTLS, case .sent(let count) = result {
            takenBytes += count
        }
        return result
    }

    @unsafe private static func copy(_ bytes: UnsafeRawPointer, count: Int) -> [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}

extension SimulatedKernel: Transport {
    @unsafe mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) {
        let bytes = unsafe Self.copy(bytes, count: count)
        entries.append(Entry(descriptor: descriptor, bytes: bytes, tag: tag))
    }

    mutating func submit() {
        for position in entries.indices {
            let result = take(entries[position].bytes, entries[position].descriptor)
            entries[position].result = result
        }
    }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// A small batch, so that a fan-out takes several.
    var isFull: Bool { entries.count == 4 }
    var count: Int { entries.count }
    func result(at position: Int) -> SendResult { entries[position].result }
    func tag(at position: Int) -> ClientIndex { entries[position].tag }
    func byteCount(at position: Int) -> Int { entries[position].bytes.count }

    mutating func beginWrite() {
        write.removeAll(keepingCapacity: true)
        pieceCount = 0
    }

    @unsafe mutating func addPiece(_ bytes: UnsafeRawPointer, count: Int) {
        unsafe write.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
        pieceCount += 1
    }

    var isWriteFull: Bool { pieceCount == GatheredWrite.pieceCountMax }
    var writeByteCount: Int { write.count }

    mutating func sendWrite(to descriptor: Int32) -> SendResult { take(write, descriptor) }

    mutating func finishSending(_ descriptor: Int32) {
        peers[Int(descriptor)].isFinished = true
    }
}

// Connections whose bytes are encrypted, by records that are made up.
extension SimulatedKernel {
    static var encrypts: Bool { true }
    static var recordBytesMax: Int { MadeUpRecords.bytesMax }

    func hasRoom(forRecordOf byteCount: Int) -> Bool { !isFull }

    @unsafe mutating func appendRecord(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) -> Bool {
        let record = MadeUpRecords.seal(unsafe Self.copy(bytes, count: count))
        takenBytes += count
        entries.append(Entry(descriptor: descriptor, bytes: record, tag: tag))
        return true
    }

    mutating func finishRecord(at position: Int) -> RecordResult {
        let entry = entries[position]
        return keepRest(of: entry.bytes, entry.result, entry.descriptor)
    }

    mutating func sendKept(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        let kept = peers[Int(descriptor)].kept
        return kept.isEmpty ? .sent : send(kept, descriptor)
    }

    func isEstablished(_ index: ClientIndex) -> Bool { true }

    mutating func sendRecord(
        _ bytes: borrowing ByteBuffer, of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult {
        takenBytes += bytes.count
        return send(MadeUpRecords.seal(bytes.copy()), descriptor)
    }

    mutating func sendEnd(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        guard !peers[Int(descriptor)].hasEnded else { return .sent }
        peers[Int(descriptor)].hasEnded = true
        return send(MadeUpRecords.end, descriptor)
    }

    private mutating func send(_ bytes: [UInt8], _ descriptor: Int32) -> RecordResult {
        keepRest(of: bytes, take(bytes, descriptor), descriptor)
    }

    private mutating func keepRest(
        of bytes: [UInt8], _ result: SendResult, _ descriptor: Int32
    ) -> RecordResult {
        let number = Int(descriptor)
        switch result {
        case .sent(let count):
            peers[number].kept = Array(bytes.dropFirst(count))
            return count == bytes.count ? .sent : .waits(tookSome: true)
        case .wouldBlock:
            peers[number].kept = bytes
            return .waits(tookSome: false)
        case .failed: return .failed
        }
    }
}
