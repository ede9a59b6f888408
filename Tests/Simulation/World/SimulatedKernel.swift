internal import Gateway
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

    private mutating func take(_ bytes: [UInt8], _ descriptor: Int32) -> SendResult {
        let number = Int(descriptor)
        let now = now
        let result = unsafe bytes.withUnsafeBytes { bytes in
            unsafe peers[number].take(bytes, now: now)
        }
        if case .sent(let count) = result { takenBytes += count }
        return result
    }

    @unsafe private static func copy(_ bytes: UnsafeRawPointer, count: Int) -> [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}

extension SimulatedKernel: Sender {
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
