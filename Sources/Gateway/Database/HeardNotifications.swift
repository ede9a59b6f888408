package import Reactor

/// What the leader's listener has heard and a follower has yet to act on, in commit order. All of it is taken in
/// the turn in which it came.
package struct HeardNotifications: ~Copyable {
    private var bytes = ByteBuffer()
    private var position = 0

    package init() {}

    package var isEmpty: Bool { position == bytes.count }

    // Hot path, as the next.
    /// Adds what a frame has. False when it isn't well-formed.
    package mutating func append(_ body: borrowing Span<UInt8>) -> Bool {
        guard body.count >= HeardChannel.bytes, HeardChannel(rawValue: body[0]) != nil else {
            return false
        }
        bytes.append(bigEndian: UInt32(truncatingIfNeeded: body.count))
        bytes.append(body.extracting(0..<body.count))
        return true
    }

    /// Moves the oldest payload into `payload`, and says on which channel it was heard.
    package mutating func dequeueFirst(into payload: inout ByteBuffer) -> HeardChannel? {
        guard position < bytes.count else { return nil }
        let channel = Self.read(bytes, at: &position, into: &payload)
        if position == bytes.count { removeAll() }
        return channel
    }

    private static func read(
        _ buffer: borrowing ByteBuffer, at position: inout Int, into payload: inout ByteBuffer
    ) -> HeardChannel {
        let bytes = buffer.bytes
        let start = position + 4
        position = start + Int(bytes.halfWord(at: position))
        guard let channel = HeardChannel(rawValue: bytes[start]) else {
            preconditionFailure("kept without a channel")
        }
        payload.removeAll()
        payload.append(bytes.extracting((start + HeardChannel.bytes)..<position))
        return channel
    }

    package mutating func removeAll() {
        bytes.removeAll()
        position = 0
    }
}
