package import Gateway
package import Reactor

/// What was given to a kernel that is made up: a batch of sends, and one write of several pieces.
package struct MadeUpBatch {
    fileprivate struct Entry {
        let descriptor: Int32
        let bytes: [UInt8]
        let tag: ClientIndex
        var isSealed = false
        var result = SendResult.wouldBlock
    }

    fileprivate var entries: [Entry] = []
    fileprivate var write: [UInt8] = []
    fileprivate var pieceCount = 0

    package init() {}
}

/// A kernel in memory: what sockets take is for those that conform to say; the batch, the write and the
/// encrypted connections, with records that are made up, are the same for all.
package protocol MadeUpKernel: Transport, ~Copyable {
    var batch: MadeUpBatch { get set }
    /// The most sends of one batch.
    static var batchMax: Int { get }

    /// What the socket takes of these bytes; `isSealed`: they are records.
    mutating func take(_ bytes: [UInt8], _ descriptor: Int32, isSealed: Bool) -> SendResult

    /// Ciphertext that the socket didn't take yet.
    func kept(_ descriptor: Int32) -> [UInt8]
    mutating func keep(_ bytes: [UInt8], _ descriptor: Int32)

    /// Remembers that nothing more will be sent; false when that was said before.
    mutating func noteEnd(_ descriptor: Int32) -> Bool

    /// So many bytes were sealed, in this moment.
    mutating func noteSealed(_ byteCount: Int)
}

extension MadeUpKernel where Self: ~Copyable {
    @unsafe package mutating func append(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) {
        let bytes = unsafe copy(bytes, count: count)
        batch.entries.append(MadeUpBatch.Entry(descriptor: descriptor, bytes: bytes, tag: tag))
    }

    package mutating func submit() {
        for position in batch.entries.indices {
            let entry = batch.entries[position]
            let result = take(entry.bytes, entry.descriptor, isSealed: entry.isSealed)
            batch.entries[position].result = result
        }
    }

    package mutating func removeAll() { batch.entries.removeAll(keepingCapacity: true) }

    package var isFull: Bool { batch.entries.count == Self.batchMax }
    package var count: Int { batch.entries.count }
    package func result(at position: Int) -> SendResult { batch.entries[position].result }
    package func tag(at position: Int) -> ClientIndex { batch.entries[position].tag }
    package func byteCount(at position: Int) -> Int { batch.entries[position].bytes.count }

    package mutating func beginWrite() {
        batch.write.removeAll(keepingCapacity: true)
        batch.pieceCount = 0
    }

    @unsafe package mutating func addPiece(_ bytes: UnsafeRawPointer, count: Int) {
        unsafe batch.write.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
        batch.pieceCount += 1
    }

    package var isWriteFull: Bool { batch.pieceCount == GatheredWrite.pieceCountMax }
    package var writeByteCount: Int { batch.write.count }

    package mutating func sendWrite(to descriptor: Int32) -> SendResult {
        take(batch.write, descriptor, isSealed: false)
    }
}

// Connections whose bytes are encrypted.
extension MadeUpKernel where Self: ~Copyable {
    package static var encrypts: Bool { true }
    package static var recordBytesMax: Int { MadeUpRecords.bytesMax }

    package func hasRoom(forRecordOf byteCount: Int) -> Bool { !isFull }

    @unsafe package mutating func appendRecord(
        descriptor: Int32, bytes: UnsafeRawPointer, count: Int, tag: ClientIndex
    ) -> Bool {
        let record = MadeUpRecords.seal(unsafe copy(bytes, count: count))
        noteSealed(count)
        batch.entries.append(
            MadeUpBatch.Entry(descriptor: descriptor, bytes: record, tag: tag, isSealed: true))
        return true
    }

    package mutating func finishRecord(at position: Int) -> RecordResult {
        let entry = batch.entries[position]
        return keepRest(of: entry.bytes, entry.result, entry.descriptor)
    }

    package mutating func sendKept(
        of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult {
        let kept = kept(descriptor)
        return kept.isEmpty ? .sent : send(kept, descriptor)
    }

    package func isEstablished(_ index: ClientIndex) -> Bool { true }

    package mutating func sendRecord(
        _ bytes: borrowing ByteBuffer, of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult {
        noteSealed(bytes.count)
        return send(MadeUpRecords.seal(bytes.copy()), descriptor)
    }

    package mutating func sendEnd(
        of index: ClientIndex, to descriptor: Int32
    ) -> RecordResult {
        noteEnd(descriptor) ? send(MadeUpRecords.end, descriptor) : .sent
    }

    private mutating func send(_ bytes: [UInt8], _ descriptor: Int32) -> RecordResult {
        keepRest(of: bytes, take(bytes, descriptor, isSealed: true), descriptor)
    }

    private mutating func keepRest(
        of bytes: [UInt8], _ result: SendResult, _ descriptor: Int32
    ) -> RecordResult {
        switch result {
        case .sent(let count):
            keep(Array(bytes.dropFirst(count)), descriptor)
            return count == bytes.count ? .sent : .waits(tookSome: true)
        case .wouldBlock:
            keep(bytes, descriptor)
            return .waits(tookSome: false)
        case .failed: return .failed
        }
    }

    @unsafe private func copy(_ bytes: UnsafeRawPointer, count: Int) -> [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}
