internal import Reactor

/// Everything about TLS that the server has besides plain clients: one value, absent without a
/// certificate.
///
/// A client's record knows only that it speaks TLS. Its queue holds plaintext, references to what all
/// share, as every client's does, and is encrypted when its socket takes it. What is kept for one
/// client as ciphertext is what the socket didn't take of a record: at most that one record, what the
/// handshake said, and a few answers of the protocol itself. It has a pool of its own.
struct SecureClients: ~Copyable {
    /// What new sessions are made with.
    var context: TLSContext
    /// When tickets get a new key.
    private(set) var ticketKeysDue: Instant
    var sessions: TLSSessionTable
    /// Ciphertext that waits for the socket, by client, and where it lies.
    private var kept: ReservedTable<KeptCiphertext>
    private var pool = SegmentPool()
    let certificatePath: String
    let keyPath: String

    /// - Parameter capacity: indices of clients.
    init(certificatePath: String, keyPath: String, capacity: Int) throws(TLSSetupFailure) {
        // What can fail comes first: a noncopyable value can't be left half made.
        let context = try TLSContext.server(certificatePath: certificatePath, keyPath: keyPath)
        context.rehearse()
        let sessions = try TLSSessionTable(capacity: capacity)
        self.context = context
        ticketKeysDue = Self.nextTicketKeys(after: Clock.monotonic())
        self.sessions = sessions
        self.certificatePath = certificatePath
        self.keyPath = keyPath
        kept = ReservedTable(capacity: capacity, of: KeptCiphertext.self, zeroIsValid: true)
    }

    /// Reads both files again, for new sessions. Those that are there keep what they began with.
    mutating func reload() throws(TLSSetupFailure) {
        do throws(FileFailure) {
            for path in [certificatePath, keyPath] { try FileContents.checkRegular(path) }
        } catch {
            throw TLSSetupFailure(error)
        }
        let renewed = try TLSContext.server(certificatePath: certificatePath, keyPath: keyPath)
        // The old context lives as long as those who are connected by it.
        context.forgetTicketKeys()
        context = renewed
        ticketKeysDue = Self.nextTicketKeys(after: Clock.monotonic())
        // The new key may be of another kind.
        context.rehearse()
    }

    /// Tickets get a new key, if it is time.
    mutating func rotateTicketKeys(at now: Instant) {
        guard ticketKeysDue <= now else { return }
        context.rotateTicketKeys()
        ticketKeysDue = Self.nextTicketKeys(after: now)
    }

    private static func nextTicketKeys(after now: Instant) -> Instant {
        now.advanced(byNanoseconds: Limits.ticketKeyNanoseconds)
    }

    // MARK: Ciphertext of one client

    /// Appends a part of the output to what is kept for the client. Returns `false`, and keeps
    /// nothing, when there is no room.
    mutating func keep(_ range: Range<Int>, of index: ClientIndex) -> Bool {
        guard !range.isEmpty else { return true }
        guard pool.liveBytes + range.count <= Limits.ciphertextBytesMax else { return false }
        if kept[index].segment == .none {
            kept[index] = KeptCiphertext(segment: pool.make(capacity: range.count), start: 0)
        }
        let segment = kept[index].segment
        sessions.copyOutput(range, to: segment, of: &pool)
        return true
    }

    func keepsCiphertext(of index: ClientIndex) -> Bool {
        kept[index].segment != .none
    }

    /// Sends what is kept for the client.
    mutating func sendKept(of index: ClientIndex, to descriptor: Int32) -> RecordResult {
        guard keepsCiphertext(of: index) else { return .sent }
        switch trySendingKept(of: index, to: descriptor) {
        case .sent(let count):
            return sentKept(count, of: index) ? .sent : .waits(tookSome: true)
        case .wouldBlock: return .waits(tookSome: false)
        case .failed: return .failed
        }
    }

    private func trySendingKept(of index: ClientIndex, to descriptor: Int32) -> SendResult {
        let bytes = pool.bytes(of: kept[index].segment)
        return ClientSocket.send(
            bytes.extracting(droppingFirst: Int(kept[index].start)), to: descriptor)
    }

    /// The first `count` bytes of what is kept were sent. Returns whether that was all.
    private mutating func sentKept(_ count: Int, of index: ClientIndex) -> Bool {
        kept[index].start += UInt32(count)
        guard Int(kept[index].start) == pool.count(of: kept[index].segment) else { return false }
        dropKept(of: index)
        return true
    }

    private mutating func dropKept(of index: ClientIndex) {
        guard kept[index].segment != .none else { return }
        pool.release(kept[index].segment)
        kept[index] = KeptCiphertext(segment: .none, start: 0)
    }

    /// The client is freed.
    mutating func forget(_ index: ClientIndex) {
        sessions.remove(index)
        dropKept(of: index)
    }

    /// Gives back the memory of clients' entries from `first` on.
    mutating func returnMemory(from first: Int) {
        sessions.returnMemory(from: first)
        kept.returnMemory(from: first)
        pool.returnMemory()
    }
}

/// What a socket didn't take yet of ciphertext: a segment's bytes from `start` on.
struct KeptCiphertext: BitwiseCopyable {
    var segment: SegmentIndex
    var start: UInt32
}

extension TLSSessionTable {
    /// Appends a part of the output to a segment.
    fileprivate func copyOutput(
        _ range: Range<Int>, to segment: SegmentIndex, of pool: inout SegmentPool
    ) {
        pool.append(output.extracting(range), to: segment)
    }
}
