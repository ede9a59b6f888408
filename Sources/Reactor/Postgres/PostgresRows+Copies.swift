internal import CEpollShim

/// Rows that were read elsewhere, while they are put together as libpq would have read them.
///
/// Safe outside: the pointer is private, and goes to the rows or is given back.
@safe
public struct PostgresRowsBuilder: ~Copyable {
    private let rows: PostgresRows
    private let result: OpaquePointer
    private let columnCount: Int
    private var row = 0
    private var column = 0

    /// PostgreSQL's own bound of a SELECT's columns.
    public static let columnCountMax = 1_664

    /// `nil` without memory for it, and for more columns than there can be.
    public init?(columnCount: Int) {
        guard columnCount >= 0, columnCount <= Self.columnCountMax,
            let result = unsafe PQmakeEmptyPGresult(nil, PGRES_TUPLES_OK)
        else { return nil }
        var columns = unsafe [PGresAttDesc](
            repeating: PGresAttDesc(), count: max(1, columnCount))
        let status = unsafe columns.withUnsafeMutableBufferPointer {
            unsafe PQsetResultAttrs(result, Int32(columnCount), $0.baseAddress)
        }
        guard status == 1 else {
            unsafe PQclear(result)
            return nil
        }
        unsafe self.result = result
        self.columnCount = columnCount
        rows = unsafe PostgresRows(adopting: result)
    }

    /// Adds the next field, in text format. False without memory for it, or without columns.
    public mutating func append(_ field: borrowing Span<UInt8>) -> Bool {
        guard column < columnCount, row < Int(Int32.max) else { return false }
        let result = unsafe self.result
        let place = (row: Int32(row), column: Int32(column))
        let status = unsafe field.withUnsafeBytes { bytes in
            // libpq takes it for constant bytes that it copies. Without any it still wants an address.
            let start = unsafe UnsafeMutableRawPointer(mutating: bytes.baseAddress ?? Self.nothing)
            return unsafe PQsetvalue(
                result, place.row, place.column, start.assumingMemoryBound(to: CChar.self),
                Int32(bytes.count))
        }
        return advance(status)
    }

    /// Adds NULL as the next field.
    public mutating func appendNull() -> Bool {
        guard column < columnCount, row < Int(Int32.max) else { return false }
        return advance(unsafe PQsetvalue(result, Int32(row), Int32(column), nil, -1))
    }

    private mutating func advance(_ status: Int32) -> Bool {
        guard status == 1 else { return false }
        column += 1
        if column == columnCount {
            column = 0
            row += 1
        }
        return true
    }

    /// The rows; `nil` in the middle of one.
    public consuming func finish() -> PostgresRows? {
        guard column == 0 else { return nil }
        return rows
    }

    private static var nothing: UnsafeRawPointer {
        let empty: StaticString = ""
        return unsafe UnsafeRawPointer(empty.utf8Start)
    }
}
