internal import Gateway
internal import Reactor

/// `Cursor`, which clients send back, and the canary's payload, which is two of them: a number and
/// its text lead to each other.
enum CursorTarget {
    static func run(_ input: [UInt8]) {
        switch Since(input.span) {
        case .malformed:
            precondition(Cursor(input.span) == nil)
        case .cursor(let cursor):
            precondition(input.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
            precondition(text(of: cursor) == input)
        }
        guard let canary = CanaryPayload(input.span) else { return }
        let again =
            text(of: Cursor(transaction: canary.number)) + [UInt8(ascii: " ")]
            + text(of: canary.cursor)
        precondition(CanaryPayload(again.span) == canary)
    }

    private static func text(of cursor: Cursor) -> [UInt8] {
        var buffer = ByteBuffer()
        cursor.write(to: &buffer)
        return buffer.copy()
    }
}
