/// A connection to a Redis server that never blocks: commands in, replies out.
///
/// Whoever owns it watches `descriptor`, calls `ready` when it is, and reads replies until there is
/// none. It has no deadlines: those are its owner's.
public struct RedisConnection: ~Copyable {
    private let socket: OwnedDescriptor
    /// Whether the server hasn't been reached yet.
    public private(set) var isConnecting: Bool
    private var session: TLSClientSession?
    private var reader: RedisReader
    /// Commands that weren't handed to the session or the socket.
    private var commands = ByteBuffer()
    /// What the socket takes, and how much of it it took.
    private var output = ByteBuffer()
    private var sentCount = 0
    private var area = ReceiveArea(receiveCapacity: 16_384, leftoverCapacity: 0)
    private var plaintext = ByteBuffer()

    /// Begins to connect.
    ///
    /// - Parameters:
    ///   - session: with which everything is encrypted; `nil` for none.
    public init(
        to address: RedisAddress, session: consuming TLSClientSession?
    ) throws(RedisFault) {
        guard let reader = RedisReader() else { throw .outOfMemory }
        do throws(Errno) {
            switch address {
            case .network(let address):
                socket = OwnedDescriptor(adopting: try OutboundSocket.connect(to: address))
                isConnecting = true
            case .local(let address):
                socket = OwnedDescriptor(adopting: try LocalSocket.connect(to: address))
                isConnecting = false
            }
        } catch {
            throw .failed(error)
        }
        self.reader = reader
        self.session = session
    }

    public var descriptor: Int32 { socket.raw }

    /// Whether `ready` has something to do when the socket takes bytes.
    public var wantsWrite: Bool { isConnecting || output.count > sentCount }

    /// Bytes that wait to be sent.
    public var waitingCount: Int { commands.count + output.count - sentCount }

    /// Takes a command, which leaves with the next `flush`.
    public mutating func send(_ words: [[UInt8]]) throws(RedisFault) {
        guard RedisCommand.append(words, to: &commands) else { throw .outOfMemory }
    }

    /// Sends what waits, as far as the socket takes it.
    public mutating func flush() throws(RedisFault) {
        guard !isConnecting else { return }
        try Self.encrypt(&commands, &session, into: &output)
        while sentCount < output.count {
            let range = sentCount..<output.count
            switch ClientSocket.send(output.bytes.extracting(range), to: socket.raw) {
            case .sent(let count): sentCount = range.lowerBound + count
            case .wouldBlock: return
            case .failed: throw .closed
            }
        }
        output.removeAll()
        sentCount = 0
    }

    /// Moves commands to where the socket takes them from.
    ///
    /// A span of one property would count as a borrow of the whole value, so they are passed apart.
    private static func encrypt(
        _ commands: inout ByteBuffer, _ session: inout TLSClientSession?,
        into output: inout ByteBuffer
    ) throws(RedisFault) {
        guard session != nil else {
            output.append(commands.bytes)
            commands.removeAll()
            return
        }
        if try session?.establish() == true {
            try session?.send(commands.bytes)
            commands.removeAll()
        }
        session?.takeOutput(into: &output)
    }

    /// The socket is ready: one receive, and whatever waits is sent.
    public mutating func ready() throws(RedisFault) {
        if isConnecting {
            if let errno = OutboundSocket.failure(of: socket.raw) { throw .failed(errno) }
            isConnecting = false
        }
        area.begin()
        var isOver = false
        switch area.receive(from: socket.raw) {
        case .bytes: isOver = try !Self.take(&area, &session, &plaintext, &reader)
        case .wouldBlock: break
        case .endOfStream: throw .closed
        case .failed(let errno): throw .failed(errno)
        }
        try flush()
        if isOver { throw .closed }
    }

    /// Returns `false` when the peer has ended.
    private static func take(
        _ area: inout ReceiveArea, _ session: inout TLSClientSession?,
        _ plaintext: inout ByteBuffer, _ reader: inout RedisReader
    ) throws(RedisFault) -> Bool {
        let bytes = area.bytes
        guard session != nil else {
            try reader.feed(bytes.span)
            return true
        }
        try session?.receive(bytes.span)
        guard try session?.establish() == true else { return true }
        plaintext.removeAll()
        let goesOn = try session?.read(into: &plaintext) ?? false
        try reader.feed(plaintext.bytes)
        return goesOn
    }

    /// The next reply that has come whole; `nil` when none has.
    public mutating func next() throws(RedisFault) -> RedisReply? {
        try reader.next()
    }
}
