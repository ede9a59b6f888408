internal import Reactor

/// A payload on the channel `devhive_direct` (Migrations/006_add_direct_messages.sql): whom messages
/// concern that were sent or acknowledged, and the numbers of their rows.
/// Behind the row of a message stands the id that its sender has given it.
///
/// Everybody in the database can announce such a thing. It is a hint, and the rows are what counts.
package struct DirectHint: BitwiseCopyable, Sendable {
    /// PostgreSQL refuses longer payloads.
    package static let payloadBytesMax = 8_000

    package let isAcknowledgment: Bool
    package let recipient: UserID
    package let sender: UserID
    /// Where the numbers that weren't taken yet begin.
    private var index: Int

    /// Reads a letter and two UUIDs, each with a space behind; `nil` for anything else.
    package init?(_ payload: borrowing Span<UInt8>) {
        let width = UUID.textCount
        let first = 2 + 2 * (width + 1)
        guard payload.count > first, payload.count < Self.payloadBytesMax,
            payload[1] == UInt8(ascii: " "), payload[2 + width] == UInt8(ascii: " "),
            payload[first - 1] == UInt8(ascii: " "),
            let recipient = UserID(payload.extracting(2..<(2 + width))),
            let sender = UserID(payload.extracting((3 + width)..<(3 + 2 * width)))
        else { return nil }
        switch payload[0] {
        case UInt8(ascii: "m"): isAcknowledgment = false
        case UInt8(ascii: "a"): isAcknowledgment = true
        default: return nil
        }
        self.recipient = recipient
        self.sender = sender
        index = first
    }

    /// The next number of a row; `nil` behind the last, and where something else stands.
    package mutating func nextSequence(in payload: borrowing Span<UInt8>) -> Int64? {
        guard index < payload.count else { return nil }
        let end =
            ByteSearch.firstIndex(of: UInt8(ascii: " "), in: index..<payload.count, of: payload)
            ?? payload.count
        guard let number = Cursor(payload.extracting(index..<end)), number.transaction > 0,
            let sequence = Int64(exactly: number.transaction)
        else { return nil }
        index = end + 1
        return sequence
    }

    /// What stands behind the number that was taken last, to the end; `nil` for anything but an id.
    package func id(in payload: borrowing Span<UInt8>) -> UUID? {
        guard !isAcknowledgment, index < payload.count else { return nil }
        return UUID(payload.extracting(index..<payload.count))
    }
}
