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

    /// Whether a transaction is open, failed ones included.
    public var isInTransaction: Bool {
        switch unsafe PQtransactionStatus(connection) {
        case PQTRANS_INTRANS, PQTRANS_INERROR, PQTRANS_ACTIVE: true
        default: false
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
