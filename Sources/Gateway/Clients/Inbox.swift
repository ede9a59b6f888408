package import Reactor

/// What clients have sent and can't be acted on yet: incomplete requests, frames and messages, and
/// what came behind a message that waits for the database.
///
/// It has a pool and a bound of its own. What waits to be sent is in another, so that neither's bound
/// makes those pay who fill the other.
package struct Inbox: ~Copyable {
    private var pool = SegmentPool()
    private var decompressor: MessageDecompressor?
    /// What clients' next compressed messages may refer to.
    private var histories: CompressedHistories?
    /// The token of the request or message that is being read.
    var token = ByteBuffer(capacity: TokenVerifier.tokenBytesMax)

    /// What became of a compressed message.
    package enum Decompressed: BitwiseCopyable {
        /// The caller's, to be released.
        case message(SegmentIndex)
        /// Close with this code.
        case failure(CloseCode, reason: StaticString)
        case full
    }

    /// - Parameter slots: clients that there can be.
    package init(decompresses: Bool, slots: Int) {
        guard decompresses else { return }
        decompressor = MessageDecompressor()
        histories = CompressedHistories(slots: slots)
    }

    /// Segments and bytes in use.
    package var segmentCount: Int { pool.liveCount }
    package var byteCount: Int { pool.liveBytes }

    // MARK: Keeping

    /// Keeps a copy of the bytes in an entry that is empty. Returns `false`, and keeps nothing, when
    /// there is no room.
    package mutating func keep(
        _ bytes: borrowing Span<UInt8>, in entry: inout SegmentIndex
    ) -> Bool {
        precondition(entry == .none)
        guard hasRoom(for: bytes.count) else { return false }
        entry = pool.make(capacity: bytes.count)
        pool.append(bytes, to: entry)
        return true
    }

    /// Appends a copy of the bytes to an entry, which may be empty.
    package mutating func append(
        _ bytes: borrowing Span<UInt8>, to entry: inout SegmentIndex
    ) -> Bool {
        guard hasRoom(for: bytes.count) else { return false }
        pool.assemble(bytes, into: &entry)
        return true
    }

    /// Empties the entry.
    package mutating func release(_ entry: inout SegmentIndex) {
        guard entry != .none else { return }
        pool.release(entry)
        entry = .none
    }

    /// Decompresses a whole message (RFC 7692). Only where compression was agreed upon.
    ///
    /// - Parameter client: whose history the message may refer to, and becomes a part of; `nil` for one
    ///   that has promised to refer to nothing.
    package mutating func decompress(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, of client: ClientIndex?, bytesMax: Int
    ) -> Decompressed {
        var history = SegmentIndex.none
        if let client { history = histories?.entry(of: client) ?? .none }
        let outcome = decompressor?.decompress(
            payload, opcode: opcode, after: history, in: pool, bytesMax: bytesMax)
        guard let outcome else {
            preconditionFailure("a compressed message, which was never agreed upon")
        }
        switch outcome {
        case .done:
            if let client { extendHistory(of: client) }
            return keepDecompressed()
        case .failure(let code, let reason): return .failure(code, reason: reason)
        }
    }

    /// Keeps what the client's next message may refer to. When half of the room is used it is forgotten:
    /// most clients refer to nothing, and the others may come back.
    private mutating func extendHistory(of client: ClientIndex) {
        guard hasRoom(for: Limits.inboxBytesMax / 2) else {
            forgetHistory(of: client)
            return
        }
        decompressor?.addMessage(to: &histories, of: client, in: &pool)
    }

    /// The client is over.
    package mutating func forgetHistory(of client: ClientIndex) {
        histories?.remove(client, from: &pool)
    }

    private mutating func keepDecompressed() -> Decompressed {
        var entry = SegmentIndex.none
        let hasRoom = hasRoom(for: decompressor?.message.count ?? 0)
        let isKept = decompressor?.keepMessage(in: &pool, &entry, hasRoom) ?? false
        return isKept ? .message(entry) : .full
    }

    private func hasRoom(for count: Int) -> Bool {
        pool.liveBytes + count <= Limits.inboxBytesMax
    }

    // MARK: Reading

    /// Bytes of an entry; 0 of an empty one.
    package func count(of entry: SegmentIndex) -> Int {
        entry == .none ? 0 : pool.count(of: entry)
    }

    /// Puts what an entry holds in front of what is received next.
    func restore(_ entry: SegmentIndex, to area: inout ReceiveArea) {
        if entry == .none {
            area.begin()
        } else {
            area.begin(with: pool.bytes(of: entry))
        }
    }

    /// Appends what an entry holds.
    package func copy(_ entry: SegmentIndex, to buffer: inout ByteBuffer) {
        buffer.append(pool.bytes(of: entry))
    }

    /// The bytes of an entry whose reference is the caller's alone: they stay where they are until
    /// it is released, whatever becomes of the inbox.
    @unsafe func bytesUntilRelease(of entry: SegmentIndex) -> UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(
            start: pool.address(of: entry).assumingMemoryBound(to: UInt8.self),
            count: pool.count(of: entry))
    }

    /// Gives back memory, that of the entries of clients from `first` on among it.
    mutating func returnMemory(from first: Int) {
        histories?.returnMemory(from: first)
        pool.returnMemory()
    }
}

extension MessageDecompressor {
    /// Decompresses a message that may refer to what an entry holds, if there is one.
    fileprivate mutating func decompress(
        _ payload: borrowing Span<UInt8>, opcode: Opcode, after history: SegmentIndex,
        in pool: borrowing SegmentPool, bytesMax: Int
    ) -> Decompressed {
        guard history != .none else {
            return decompress(payload, opcode: opcode, bytesMax: bytesMax)
        }
        return decompress(
            payload, opcode: opcode, after: pool.bytes(of: history), bytesMax: bytesMax)
    }

    /// Notes the message that was decompressed last.
    fileprivate func addMessage(
        to histories: inout CompressedHistories?, of client: ClientIndex,
        in pool: inout SegmentPool
    ) {
        histories?.append(message.bytes, of: client, in: &pool)
    }

    /// Copies the message that was decompressed last into a segment.
    fileprivate func keepMessage(
        in pool: inout SegmentPool, _ entry: inout SegmentIndex, _ hasRoom: Bool
    ) -> Bool {
        guard hasRoom else { return false }
        entry = pool.make(capacity: message.count)
        pool.append(message.bytes, to: entry)
        return true
    }
}
