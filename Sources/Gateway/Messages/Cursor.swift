package import Reactor

/// A place in the stream of changes, from which a client can resume: opaque to it, and in truth a
/// PostgreSQL transaction number. Every transaction that was announced after the place has a number
/// at or above it (Migrations/005_add_event_log.sql), so the larger of two cursors that are both
/// good is good too.
package struct Cursor: Equatable, Comparable, BitwiseCopyable, Sendable {
    /// PostgreSQL's type `xid8`.
    package let transaction: UInt64

    /// Characters that a cursor can have: 2⁶⁴ − 1 has as many.
    package static let textCountMax = 20

    package init(transaction: UInt64) {
        self.transaction = transaction
    }

    /// Reads decimal digits as they are written, without zeros ahead, and nothing else: a cursor has one text. `nil` for
    /// anything that isn't a cursor of ours.
    package init?(_ text: borrowing Span<UInt8>) {
        guard text.count > 0, text.count <= Self.textCountMax else { return nil }
        guard text[0] != UInt8(ascii: "0") || text.count == 1 else { return nil }
        var value: UInt64 = 0
        for index in 0..<text.count {
            guard case UInt8(ascii: "0")...UInt8(ascii: "9") = text[index] else { return nil }
            let (tens, isOver) = value.multipliedReportingOverflow(by: 10)
            let (next, isTooMuch) = tens.addingReportingOverflow(
                UInt64(text[index] - UInt8(ascii: "0")))
            guard !isOver, !isTooMuch else { return nil }
            value = next
        }
        transaction = value
    }

    package static func < (one: Cursor, other: Cursor) -> Bool {
        one.transaction < other.transaction
    }

    /// Appends its text.
    package func write(to buffer: inout ByteBuffer) {
        buffer.append(decimal: transaction)
    }

    /// Appends it as a JSON value: a string, or `null` for none.
    package static func write(_ cursor: Cursor?, to buffer: inout ByteBuffer) {
        guard let cursor else {
            buffer.append("null")
            return
        }
        buffer.append("\"")
        cursor.write(to: &buffer)
        buffer.append("\"")
    }
}

/// The `since` of a client that has been here before.
package enum Since: Equatable, BitwiseCopyable, Sendable {
    case cursor(Cursor)
    /// Not a cursor of ours: the client gets an error, and a resync.
    case malformed

    package init(_ text: borrowing Span<UInt8>) {
        self = Cursor(text).map { .cursor($0) } ?? .malformed
    }
}
