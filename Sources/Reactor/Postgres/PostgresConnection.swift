internal import CEpollShim

/// One libpq connection that never blocks, and is closed when its owner is destroyed.
///
/// Its life: `init`, `firstStep`, then `poll()` whenever `descriptor` is ready in the wanted
/// direction, until `.connected`; then `send`, `flush`, `consumeInput`, `nextReply` and
/// `nextNotification`. After a thrown error or `.failed` it is of no use but to be destroyed.
///
/// It never waits for the network, provided that its parameters hold no host name that has to be
/// looked up (`ConnectionString.parameters(resolved:)` sees to that). Connecting may read small
/// files: certificates, the password file, and without a user in the parameters the user database.
///
/// Safe outside: the pointers are private, live from `init` to `deinit`, and one thread uses them.
@safe
public struct PostgresConnection: ~Copyable {
    private let connection: OpaquePointer
    /// Where the notice receiver puts the server's last words. On the heap, because libpq keeps
    /// its address while this value moves.
    private let lastWords: UnsafeMutablePointer<PostgresError?>

    private let unclaimedBytesMax: Int
    /// What libpq has read since it last gave something whole, by a careful guess: it doesn't tell.
    private var unclaimedBytes = 0
    /// libpq's input buffer, unless it holds a message that is longer: the most that one call reads then.
    private static let bufferBytes = 16_384
    /// The least that a call counts for: some may arrive between the count and the call.
    private static let readBytesMin = 1_024
    private var pollCount = 0
    /// Steps of connecting, each of which reads a buffer at most. A server takes some ten.
    private static let pollCountMax = 1_024

    /// What connecting waits for.
    public enum ConnectStep: Equatable, Sendable {
        /// Call `poll()` when the descriptor is readable.
        case reading
        /// Call `poll()` when the descriptor is writable.
        case writing
        case connected
        case failed(String)
    }

    public enum FlushOutcome: Equatable, Sendable {
        /// Everything was handed to the kernel.
        case done
        /// Call `consumeInput()` when the descriptor is readable, and `flush()` again then and
        /// when it is writable.
        case wouldBlock
    }

    /// Begins to connect (PQconnectStartParams); `nil` when there is no memory for it.
    ///
    /// - Parameter unclaimedBytesMax: bytes beyond which `isFlooded`.
    public init?(_ parameters: ConnectionParameters, unclaimedBytesMax: Int) {
        guard
            let connection = unsafe parameters.withCArrays({ keywords, values in
                unsafe PQconnectStartParams(keywords, values, 0)
            })
        else { return nil }
        self.unclaimedBytesMax = unclaimedBytesMax
        unsafe self.connection = connection
        unsafe self.lastWords = .allocate(capacity: 1)
        unsafe lastWords.initialize(to: nil)
        // Without a receiver libpq prints the server's notices to standard error.
        unsafe PQsetNoticeReceiver(connection, rememberLastWords, lastWords)
    }

    deinit {
        unsafe PQfinish(connection)  // First: it can still call the notice receiver.
        unsafe lastWords.deinitialize(count: 1)
        unsafe lastWords.deallocate()
    }

    // MARK: Connecting

    /// What to wait for after `init`: never `.connected`.
    public var firstStep: ConnectStep {
        unsafe PQstatus(connection) == CONNECTION_BAD ? .failed(errorMessage) : .writing
    }

    /// Goes on with connecting (PQconnectPoll). Call it only when the descriptor is ready in the
    /// direction that the last step named.
    public mutating func poll() -> ConnectStep {
        pollCount += 1
        guard pollCount <= Self.pollCountMax else {
            return .failed("the server sends without end")
        }
        switch unsafe PQconnectPoll(connection) {
        case PGRES_POLLING_READING: return .reading
        case PGRES_POLLING_WRITING: return .writing
        case PGRES_POLLING_OK:
            guard unsafe PQsetnonblocking(connection, 1) == 0 else { return .failed(errorMessage) }
            return .connected
        default: return .failed(errorMessage)
        }
    }

    /// The socket (PQsocket); `nil` when there is none.
    ///
    /// While connecting it can be another socket after each `poll()`, even under the same number:
    /// libpq goes on to the next address by itself. So after each `poll()` it has to be added
    /// to epoll anew (and changed, where the kernel says EEXIST). It is never to be removed: the
    /// kernel does that when libpq closes it.
    public var descriptor: Int32? {
        let descriptor = unsafe PQsocket(connection)
        return descriptor >= 0 ? descriptor : nil
    }

    /// libpq's last message as one line, without the password.
    public var errorMessage: String {
        unsafe PostgresError.line(PQerrorMessage(connection))
    }

    /// The process ID of the backend that serves this connection; 0 before it is known.
    public var backend: Int32 {
        unsafe PQbackendPID(connection)
    }

    /// 150004 for 15.4 (PQserverVersion); 0 before it is connected.
    public var serverVersion: Int32 {
        unsafe PQserverVersion(connection)
    }

    /// The encoding of the database (PQparameterStatus); `nil` before it is connected.
    public var serverEncoding: String? {
        unsafe PQparameterStatus(connection, "server_encoding").map { unsafe String(cString: $0) }
    }

    // MARK: Input and output

    /// Whether the server has sent more than it may without a whole answer or notification. libpq keeps
    /// all of that, so the connection is to be given up.
    public var isFlooded: Bool { unclaimedBytes > unclaimedBytesMax }

    /// Takes from the socket what has arrived (PQconsumeInput). Harmless when nothing has.
    public mutating func consumeInput() throws(PostgresError) {
        repeat {
            let before = readableBytes
            guard unsafe PQconsumeInput(connection) == 1 else { throw lossOfConnection() }
            // A message that is longer than the buffer makes it grow, and then one call reads all that
            // is there. The sum of counts can't overflow: the caller looks at each.
            if before > 0 {
                let least = max(Self.readBytesMin, before - readableBytes)
                unclaimedBytes += max(least, min(before, Self.bufferBytes))
            }
            // libpq may leave a part of a TLS record inside OpenSSL, for which the socket will
            // never become readable. A record is at most 16 KiB and libpq takes at least 8 KiB of
            // it each time, so this ends.
        } while hasDecryptedInput
    }

    private var readableBytes: Int {
        unsafe Int(ces_readable_bytes(PQsocket(connection)))
    }

    /// Hands waiting output to the kernel (PQflush).
    public mutating func flush() throws(PostgresError) -> FlushOutcome {
        switch unsafe PQflush(connection) {
        case 0: return .done
        case 1: return .wouldBlock
        default: throw lossOfConnection()
        }
    }

    private var hasDecryptedInput: Bool {
        guard unsafe PQsslInUse(connection) == 1,
            let session = unsafe PQsslStruct(connection, "OpenSSL")
        else { return false }
        return unsafe SSL_pending(OpaquePointer(session)) > 0
    }

    /// Why the connection broke: in the server's own words if it sent some before it closed.
    private mutating func lossOfConnection() -> PostgresError {
        // Parses what has arrived: the last words may stand there unread.
        _ = unsafe PQisBusy(connection)
        return unsafe lastWords.pointee ?? PostgresError(message: errorMessage)
    }

    // MARK: Statements

    /// Queues one or more statements of the simple protocol (PQsendQuery). Not in pipeline mode.
    public mutating func send(simple statements: String) throws(PostgresError) {
        let status = unsafe statements.withCString { unsafe PQsendQuery(connection, $0) }
        guard status == 1 else { throw lossOfConnection() }
    }

    /// Queues one statement with its parameters (PQsendQueryParams); rows come in text format.
    public mutating func send(
        _ statement: String, _ parameters: borrowing QueryParameters
    ) throws(PostgresError) {
        let count = Int32(parameters.count)
        let status = unsafe parameters.withArrays { values, lengths, formats in
            unsafe statement.withCString { text in
                unsafe PQsendQueryParams(
                    connection, text, count, nil, values, lengths, formats, 0)
            }
        }
        guard status == 1 else { throw lossOfConnection() }
    }

    /// Queues the reading of a statement (PQsendPrepare), which is kept under its name until the session ends. Under
    /// an empty name it is kept until the next one without a name. It is read, and not planned: it takes its
    /// tables' locks, and runs nothing.
    public mutating func prepare(_ statement: String, as name: String) throws(PostgresError) {
        let status = unsafe statement.withCString { text in
            unsafe name.withCString { unsafe PQsendPrepare(connection, $0, text, 0, nil) }
        }
        guard status == 1 else { throw lossOfConnection() }
    }

    /// Queues a statement that was read before, with its parameters (PQsendQueryPrepared); rows come in text format.
    public mutating func send(
        prepared name: String, _ parameters: borrowing QueryParameters
    ) throws(PostgresError) {
        let count = Int32(parameters.count)
        let status = unsafe parameters.withArrays { values, lengths, formats in
            unsafe name.withCString { text in
                unsafe PQsendQueryPrepared(connection, text, count, values, lengths, formats, 0)
            }
        }
        guard status == 1 else { throw lossOfConnection() }
    }

    /// The same without parameters.
    public mutating func send(prepared name: String) throws(PostgresError) {
        let status = unsafe name.withCString {
            unsafe PQsendQueryPrepared(connection, $0, 0, nil, nil, nil, 0)
        }
        guard status == 1 else { throw lossOfConnection() }
    }

    /// From here on statements are sent without waiting for the answers to earlier ones.
    public mutating func enterPipelineMode() throws(PostgresError) {
        guard unsafe PQenterPipelineMode(connection) == 1 else { throw lossOfConnection() }
    }

    /// Queues a sync point: it ends what a failed statement takes with it.
    public mutating func synchronize() throws(PostgresError) {
        guard unsafe PQpipelineSync(connection) == 1 else { throw lossOfConnection() }
    }

    /// The next answer that has arrived whole. Call it until it is `.busy` (or, when no statement
    /// is under way, until `.endOfStatement`).
    public mutating func nextReply() -> PostgresReply {
        // PQgetResult blocks when PQisBusy says 1.
        guard unsafe PQisBusy(connection) == 0 else { return .busy }
        unclaimedBytes = 0
        guard let result = unsafe PQgetResult(connection) else { return .endOfStatement }
        return unsafe PostgresReply(adopting: result)
    }

    /// The next notification that has arrived, in the order of the commits; `nil` when there is
    /// none. Hot path.
    public mutating func nextNotification() -> PostgresNotification? {
        guard let notification = unsafe PQnotifies(connection) else { return nil }
        unclaimedBytes = 0
        return unsafe PostgresNotification(adopting: notification)
    }
}

/// The notice receiver: silent, but a fatal error that comes outside of any statement is what the server
/// says before it closes the connection (57P01, "terminating connection due to administrator
/// command"), and that is worth more in a log than "server closed the connection unexpectedly".
private func rememberLastWords(_ context: UnsafeMutableRawPointer?, _ result: OpaquePointer?) {
    guard let context = unsafe context, let result = unsafe result,
        let severity = unsafe PQresultErrorField(result, ces_PG_DIAG_SEVERITY_NONLOCALIZED)
    else { return }
    let lastWords = unsafe context.assumingMemoryBound(to: PostgresError?.self)
    switch unsafe String(cString: severity) {
    case "FATAL", "PANIC": unsafe lastWords.pointee = PostgresError(result: result)
    default: break  // Notices, warnings, debug messages.
    }
}

/// One notification, as libpq hands it out; its memory is given back when this value ends.
///
/// Safe outside: the pointer never leaves, and the spans can't outlive the value.
@safe
public struct PostgresNotification: ~Copyable {
    private let notification: UnsafeMutablePointer<PGnotify>
    private let channelCount: Int
    private let payloadCount: Int

    /// Takes over what PQnotifies returned.
    @unsafe init(adopting notification: UnsafeMutablePointer<PGnotify>) {
        unsafe self.notification = notification
        // libpq ends both with a NUL byte and doesn't tell their lengths; PostgreSQL's text holds
        // no NUL, so strlen(3) finds the true end. Once here, not at each use.
        channelCount = unsafe Self.length(notification.pointee.relname)
        payloadCount = unsafe Self.length(notification.pointee.extra)
    }

    deinit {
        unsafe PQfreemem(notification)  // Channel and payload lie in the same allocation.
    }

    /// The channel's name, in the connection's encoding (UTF-8).
    public var channel: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Self.span(notification.pointee.relname, count: channelCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The payload; empty when the notifier gave none. At most 7,999 bytes (NOTIFY).
    public var payload: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Self.span(notification.pointee.extra, count: payloadCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The process ID of the backend that notified.
    public var backend: Int32 {
        unsafe notification.pointee.be_pid
    }

    private static func length(_ text: UnsafeMutablePointer<CChar>?) -> Int {
        guard let text = unsafe text else { return 0 }
        return unsafe Int(clamping: strlen(text))
    }

    @_lifetime(immortal)
    private static func span(_ text: UnsafeMutablePointer<CChar>?, count: Int) -> Span<UInt8> {
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: count)
        let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
        return unsafe _overrideLifetime(span, copying: ())
    }
}
