internal import CEpollShim

/// One libpq connection whose calls block, for commands such as `migrate` that have no loop. It is
/// closed when its owner is destroyed.
///
/// Safe outside: the pointer is private, live from `init` to `deinit`, and one thread uses it.
@safe
public struct BlockingPostgresConnection: ~Copyable {
    private let connection: OpaquePointer

    /// Connects; gives up after the string's `connect_timeout`.
    public init(_ target: ConnectionString) throws(PostgresError) {
        // No names are replaced: libpq may block here, so it may as well look them up.
        let parameters = ConnectionParameters(options: target.options)
        guard
            let connection = unsafe parameters.withCArrays({ keywords, values in
                unsafe PQconnectdbParams(keywords, values, 0)
            })
        else { throw PostgresError(message: "out of memory") }
        guard unsafe PQstatus(connection) == CONNECTION_OK else {
            let message = unsafe PostgresError.line(PQerrorMessage(connection))
            unsafe PQfinish(connection)
            throw PostgresError(message: message)
        }
        unsafe PQsetNoticeReceiver(connection, { _, _ in }, nil)
        unsafe self.connection = connection
    }

    deinit {
        unsafe PQfinish(connection)
    }

    /// The backend's process id as it was told when connecting. A pooler makes one up, so that it
    /// differs from what `pg_backend_pid()` says.
    public var serverProcessID: Int32 {
        unsafe PQbackendPID(connection)
    }

    /// Waits until a notification has come, at most so long, and drops it. Returns whether one has.
    public mutating func waitForNotification(milliseconds: Int32) throws(PostgresError) -> Bool {
        let deadline = Clock.monotonic().advanced(byMilliseconds: UInt64(max(0, milliseconds)))
        while true {
            // One may have come with the answer to a statement.
            if let notification = unsafe PQnotifies(connection) {
                unsafe PQfreemem(notification)
                return true
            }
            let left = deadline.nanoseconds(since: Clock.monotonic())
            guard left > 0 else { return false }
            var question = pollfd(
                fd: unsafe PQsocket(connection), events: Int16(POLLIN), revents: 0)
            // Rounded up, so that it doesn't turn in place through the last millisecond.
            _ = unsafe poll(&question, 1, Int32(clamping: (left + 999_999) / 1_000_000))
            guard unsafe PQconsumeInput(connection) == 1 else {
                throw unsafe PostgresError(message: PostgresError.line(PQerrorMessage(connection)))
            }
        }
    }

    /// Runs one or more statements; throws the first one's error that fails, after which the rest
    /// isn't run.
    public mutating func execute(_ statements: String) throws(PostgresError) {
        let result = unsafe statements.withCString { unsafe PQexec(connection, $0) }
        _ = try unsafe reply(result)
    }

    /// Runs one statement with its parameters as text and returns its rows.
    public mutating func query(_ statement: String, _ parameters: [String] = [])
        throws(PostgresError) -> PostgresRows
    {
        let result = unsafe withCStrings(parameters) { values in
            unsafe statement.withCString { text in
                unsafe PQexecParams(
                    connection, text, Int32(clamping: parameters.count), nil, values, nil, nil, 0)
            }
        }
        switch try unsafe reply(result) {
        case .rows(let rows): return rows
        default: throw PostgresError(message: "the statement returned no rows")
        }
    }

    private func reply(_ result: OpaquePointer?) throws(PostgresError) -> PostgresReply {
        guard let result = unsafe result else {
            throw unsafe PostgresError(message: PostgresError.line(PQerrorMessage(connection)))
        }
        switch unsafe PostgresReply(adopting: result) {
        case .failed(let error): throw error
        case let reply: return reply
        }
    }
}
