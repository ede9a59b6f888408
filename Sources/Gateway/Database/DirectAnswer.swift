package import Reactor

/// Direct messages as the database has answered, apart from how: a value, so that the core can be tested
/// without a database.
package struct DirectAnswer: ~Copyable {
    package struct Row: BitwiseCopyable, Sendable {
        /// Which of those that were asked for, or whose inbox.
        package let position: Int
        package let place: InboxPlace
        package let message: ServerMessage.DirectHeader
        /// The connections that sent and acknowledged it.
        package let origin: UUID?
        package let acknowledger: UUID?
        package let isAcknowledged: Bool
        package let wantsReceipt: Bool

        package init(
            position: Int, place: InboxPlace, message: ServerMessage.DirectHeader,
            origin: UUID? = nil,
            acknowledger: UUID? = nil, isAcknowledged: Bool = false, wantsReceipt: Bool = false
        ) {
            self.position = position
            self.place = place
            self.message = message
            self.origin = origin
            self.acknowledger = acknowledger
            self.isAcknowledged = isAcknowledged
            self.wantsReceipt = wantsReceipt
        }
    }

    private struct Entry {
        let row: Row
        let dataEnd: Int
        let end: Int
    }

    private var entries: [Entry] = []
    private var text = ByteBuffer()
    /// What the snapshot doesn't show is at or above it; `nil` without any row.
    package private(set) var end: Cursor?
    /// Rows whose data can't be given to a client.
    package private(set) var unreadableCount = 0

    package init(end: Cursor?) { self.end = end }

    /// Reads the rows; `nil` when they aren't what `DirectQueries` returns.
    init?(_ rows: borrowing PostgresRows, positions: Int) {
        guard rows.columnCount == DirectQueries.columnCount else { return nil }
        entries.reserveCapacity(rows.count)
        var before = 0
        for row in 0..<rows.count {
            guard let position = rows.integer(row: row, column: 0), position > 0,
                position >= before, position <= Int64(positions)
            else { return nil }
            before = Int(position)
            if end == nil { end = Cursor(rows.bytes(row: row, column: 12)) }
            // A user without a message.
            guard !rows.isNull(row: row, column: 1) else { continue }
            guard let read = Self.row(row, at: Int(position) - 1, of: rows) else { return nil }
            append(
                read, data: rows.bytes(row: row, column: 10),
                timestamp: rows.bytes(row: row, column: 11))
        }
    }

    private static func row(
        _ row: Int, at position: Int, of rows: borrowing PostgresRows
    ) -> Row? {
        guard let sequence = rows.integer(row: row, column: 1),
            let transaction = Cursor(rows.bytes(row: row, column: 2)),
            let sender = UserID(rows.bytes(row: row, column: 3)),
            let recipient = UserID(rows.bytes(row: row, column: 4)),
            let id = UUID(rows.bytes(row: row, column: 5))
        else { return nil }
        return Row(
            position: position,
            place: InboxPlace(transaction: transaction.transaction, sequence: sequence),
            message: ServerMessage.DirectHeader(id: id, sender: sender, recipient: recipient),
            origin: UUID(rows.bytes(row: row, column: 6)),
            acknowledger: UUID(rows.bytes(row: row, column: 9)),
            isAcknowledged: rows.bytes(row: row, column: 8).isEqual(to: "t"),
            wantsReceipt: rows.bytes(row: row, column: 7).isEqual(to: "t"))
    }

    /// Adds a row behind those before it. One whose data isn't UTF-8, as a database without an encoding may hold,
    /// or longer than any that was sent, is given without its data.
    package mutating func append(
        _ row: Row, data: borrowing Span<UInt8>, timestamp: borrowing Span<UInt8>
    ) {
        var validator = UTF8Validator()
        if data.count <= Limits.directBytesMax, validator.accept(data) == data.count,
            validator.isAtBoundary
        {
            text.append(data.extracting(0..<data.count))
        } else {
            unreadableCount += 1
        }
        let dataEnd = text.count
        text.append(timestamp.extracting(0..<timestamp.count))
        entries.append(Entry(row: row, dataEnd: dataEnd, end: text.count))
    }

    package var count: Int { entries.count }
    package subscript(index: Int) -> Row { entries[index].row }

    /// Whether there is something to give to a client.
    package func hasData(_ index: Int) -> Bool { entries[index].dataEnd > start(of: index) }

    /// Writes the message of the row.
    package func write(_ index: Int, into buffer: inout ByteBuffer) {
        let entry = entries[index]
        ServerMessage.writeDirect(
            entry.row.message, data: text.bytes.extracting(start(of: index)..<entry.dataEnd),
            timestamp: text.bytes.extracting(entry.dataEnd..<entry.end), into: &buffer)
    }

    /// The rows of the inbox at this place, from row `start` on.
    package func rows(of position: Int, from start: Int) -> Range<Int> {
        var end = start
        while end < entries.count, entries[end].row.position == position { end += 1 }
        return start..<end
    }

    private func start(of index: Int) -> Int { index == 0 ? 0 : entries[index - 1].end }
}

extension DirectOutcome {
    /// What `devhive_send_direct` has returned.
    init?(_ text: borrowing Span<UInt8>) {
        if text.isEqual(to: "sent") {
            self = .sent
        } else if text.isEqual(to: "repeated") {
            self = .repeated
        } else if text.isEqual(to: "not_allowed") {
            self = .notAllowed
        } else if text.isEqual(to: "inbox_full") {
            self = .inboxFull
        } else if text.isEqual(to: "too_large") {
            self = .tooLarge
        } else {
            return nil
        }
    }
}
