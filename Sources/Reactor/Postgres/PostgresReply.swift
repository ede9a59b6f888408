internal import CEpollShim

/// The next thing that the server has answered (PQgetResult).
public enum PostgresReply: ~Copyable {
    /// Nothing complete has arrived: wait until the descriptor is readable.
    case busy
    /// The rows of a statement that returns rows, maybe none.
    case rows(PostgresRows)
    /// A statement that returns no rows succeeded.
    case succeeded
    /// The statement failed. In pipeline mode everything up to the next sync is skipped.
    case failed(PostgresError)
    /// The statement wasn't run because an earlier one before the same sync failed.
    case skipped
    /// A sync point of the pipeline was reached.
    case synchronized
    /// Nothing more comes of the current statement; or no statement is under way.
    case endOfStatement
}

extension PostgresReply {
    /// Takes over `result`.
    @unsafe init(adopting result: OpaquePointer) {
        switch unsafe PQresultStatus(result) {
        case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE:
            self = unsafe .rows(PostgresRows(adopting: result))
            return
        case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: self = .succeeded
        case PGRES_PIPELINE_SYNC: self = .synchronized
        case PGRES_PIPELINE_ABORTED: self = .skipped
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            self = .failed(PostgresError(message: "COPY to or from the client isn't supported"))
        default: self = unsafe .failed(PostgresError(result: result))
        }
        unsafe PQclear(result)
    }
}

/// The rows of one result; their memory is given back when this value ends.
///
/// Safe outside: the pointer never leaves, and the spans can't outlive the value.
@safe
public struct PostgresRows: ~Copyable {
    private let result: OpaquePointer

    /// Takes over a result of PQgetResult or PQexec.
    @unsafe init(adopting result: OpaquePointer) {
        unsafe self.result = result
    }

    deinit {
        unsafe PQclear(result)
    }

    /// Rows.
    public var count: Int {
        unsafe Int(PQntuples(result))
    }

    /// The server decides it: check it before a column is read.
    public var columnCount: Int {
        unsafe Int(PQnfields(result))
    }

    /// SQL's NULL. Also true for a field that isn't there.
    public func isNull(row: Int, column: Int) -> Bool {
        guard contains(row: row, column: column) else { return true }
        return unsafe PQgetisnull(result, Int32(row), Int32(column)) == 1
    }

    /// The field's bytes in text format; empty for NULL and for a field that isn't there.
    @_lifetime(borrow self)
    public func bytes(row: Int, column: Int) -> Span<UInt8> {
        guard contains(row: row, column: column),
            let start = unsafe PQgetvalue(result, Int32(row), Int32(column))
        else { return Span() }
        let count = unsafe Int(PQgetlength(result, Int32(row), Int32(column)))
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
        let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The field as text. For cold paths: it allocates.
    public func text(row: Int, column: Int) -> String {
        let field = bytes(row: row, column: column)
        return unsafe field.withUnsafeBufferPointer { bytes in
            unsafe String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The field as a number in decimal digits, of any integer type; `nil` for NULL and for anything
    /// else. Hot path.
    public func integer(row: Int, column: Int) -> Int64? {
        let field = bytes(row: row, column: column)
        let isNegative = field.count > 0 && field[0] == UInt8(ascii: "-")
        guard field.count > (isNegative ? 1 : 0) else { return nil }
        var value: Int64 = 0
        for index in (isNegative ? 1 : 0)..<field.count {
            guard case 0...9 = field[index] &- UInt8(ascii: "0") else { return nil }
            let digit = Int64(field[index] - UInt8(ascii: "0"))
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            // Downwards, because the smallest number has no positive counterpart.
            let (next, isTooSmall) = tens.subtractingReportingOverflow(digit)
            guard !isTooLarge, !isTooSmall else { return nil }
            value = next
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    private func contains(row: Int, column: Int) -> Bool {
        row >= 0 && row < count && column >= 0 && column < columnCount
    }
}
