internal import Reactor

/// The end of what each client has sent compressed: what its next message may refer to, unless it
/// has promised to begin each one anew (RFC 7692 §7.1.1.2). The bytes are in the inbox' pool.
struct CompressedHistories: ~Copyable {
    private var entries: ReservedTable<SegmentIndex>
    private var scratch = ByteBuffer(capacity: 2 * DeflateOffer.clientWindowBytes)

    /// - Parameter slots: clients that there can be.
    init(slots: Int) {
        entries = ReservedTable(capacity: slots, of: SegmentIndex.self, zeroIsValid: true)
    }

    /// What is kept of the client; empty for one that has sent nothing compressed.
    func entry(of client: ClientIndex) -> SegmentIndex { entries[client] }

    /// Puts a message behind what the client has sent before, and keeps the end of both.
    mutating func append(
        _ message: borrowing Span<UInt8>, of client: ClientIndex, in pool: inout SegmentPool
    ) {
        let bytesMax = DeflateOffer.clientWindowBytes
        let end = message.extracting(last: bytesMax)
        scratch.removeAll()
        if entries[client] == .none {
            entries[client] = pool.make(capacity: end.count)
        } else {
            let earlier = pool.bytes(of: entries[client])
            scratch.append(earlier.extracting(last: bytesMax - end.count))
        }
        scratch.append(end)
        pool.removeAll(entries[client])
        pool.append(scratch.bytes, to: entries[client])
    }

    /// The client is over.
    mutating func remove(_ client: ClientIndex, from pool: inout SegmentPool) {
        guard entries[client] != .none else { return }
        pool.release(entries[client])
        entries[client] = .none
    }

    /// Gives back the memory of clients' entries from `first` on.
    mutating func returnMemory(from first: Int) {
        entries.returnMemory(from: first)
    }
}
