package import Reactor

/// What the event log has answered, apart from how: a value, so that the core can be tested without
/// a database.
package struct EventsAnswer: ~Copyable {
    /// What is said about one project, in one row.
    package enum Row: Equatable, BitwiseCopyable, Sendable {
        /// A payload; empty when nothing was missed.
        case event
        /// The cursor is older than what is recorded, or of the future.
        case expired
        case tooMany
    }

    /// A row, and where its payload ends.
    private struct Entry {
        let project: Int
        let row: Row
        let end: Int
    }

    private var entries: [Entry] = []
    private var text = ByteBuffer()
    /// Whether there may be more than the statement could return: of the last project, and of those
    /// behind it.
    package private(set) var isCut = false
    /// From where whoever has got all of it can resume.
    package private(set) var cursor: Cursor?
    /// A cursor beyond this one is of the future.
    package private(set) var last: Cursor?

    package init(cursor: Cursor?, last: Cursor?, isCut: Bool = false) {
        self.cursor = cursor
        self.last = last
        self.isCut = isCut
    }

    /// Reads the rows; `nil` when they aren't what `EventsQuery` returns.
    init?(_ rows: borrowing PostgresRows, projects: Int) {
        guard rows.columnCount == EventsQuery.columnCount else { return nil }
        isCut = rows.count >= EventsQuery.rowsMax
        entries.reserveCapacity(rows.count)
        var project = 0
        for row in 0..<rows.count {
            guard let position = rows.integer(row: row, column: 0), position > Int64(project),
                position <= Int64(projects), let kind = Self.kind(rows.integer(row: row, column: 1))
            else { return nil }
            project = Int(position) - 1
            append(kind, project: project, payload: rows.bytes(row: row, column: 2))
            guard row == 0 else { continue }
            cursor = Cursor(rows.bytes(row: row, column: 3))
            last = Cursor(rows.bytes(row: row, column: 4))
        }
    }

    private static func kind(_ code: Int64?) -> Row? {
        switch code {
        case 0: .event
        case 1: .expired
        case 2: .tooMany
        default: nil
        }
    }

    /// Adds a row; those of one project stand together, and the projects in their order.
    package mutating func append(_ row: Row, project: Int, payload: borrowing Span<UInt8>) {
        text.append(payload.extracting(0..<payload.count))
        entries.append(Entry(project: project, row: row, end: text.count))
    }

    package var count: Int { entries.count }

    /// The rows of the project at this place, from row `start` on.
    package func rows(of project: Int, from start: Int) -> Range<Int> {
        var end = start
        while end < entries.count, entries[end].project == project { end += 1 }
        return start..<end
    }

    package subscript(row: Int) -> Row { entries[row].row }

    /// Copies the row's payload.
    package func writePayload(of row: Int, into buffer: inout ByteBuffer) {
        let start = row == 0 ? 0 : entries[row - 1].end
        buffer.append(text.bytes.extracting(start..<entries[row].end))
    }
}
