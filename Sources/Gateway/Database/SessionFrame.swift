package import Reactor

/// What the leader and a follower tell each other, over a stream of bytes between two processes of a host: the
/// length of the rest, a kind, and what that has.
///
/// Both are processes of one parent, which may yet have been built at different times, so the first frame
/// each way says a version. Whatever isn't well-formed ends the link.
package enum SessionFrame {
    package static let version: UInt8 = 1
    /// The length and the kind.
    package static let headerBytes = 5
    /// As much as the leader's session takes in of one answer, and what stands around it.
    package static let bytesMax = DatabaseLimits.answerBytesMax + (1 << 16)

    package enum Kind: UInt8, Sendable {
        /// The first frame, each way.
        case hello = 1
        /// The leader: how its sessions are. Also the beat that shows that it runs.
        case status
        /// The leader: which tables announce, and whether memberships can be asked for.
        case tables
        /// The leader: something that its listener has heard.
        case notification
        /// The leader: what its canary's statement has found.
        case state
        /// The leader: to a question.
        case answer
        /// The follower.
        case question
    }

    /// A frame's place in a buffer.
    package struct Place: Equatable, Sendable {
        package let kind: Kind
        package let body: Range<Int>
    }

    package enum Next: Equatable, Sendable {
        case frame(Place)
        case incomplete
        case malformed
    }

    /// The frame that begins at `position`.
    package static func next(in buffer: borrowing ByteBuffer, at position: Int) -> Next {
        let bytes = buffer.bytes
        guard bytes.count - position >= headerBytes else { return .incomplete }
        let length = Int(bytes.halfWord(at: position))
        guard length >= 1, length <= bytesMax, let kind = Kind(rawValue: bytes[position + 4]) else {
            return .malformed
        }
        guard bytes.count - position >= 4 + length else { return .incomplete }
        return .frame(Place(kind: kind, body: (position + headerBytes)..<(position + 4 + length)))
    }

    /// Writes a frame around what `body` writes.
    static func write(
        _ kind: Kind, into buffer: inout ByteBuffer, _ body: (inout ByteBuffer) -> Void
    ) {
        let start = begin(kind, in: &buffer)
        body(&buffer)
        end(start, in: &buffer)
    }

    /// Begins a frame. Returns where it stands, for `end`.
    static func begin(_ kind: Kind, in buffer: inout ByteBuffer) -> Int {
        let start = buffer.count
        buffer.append(bigEndian: UInt32(0))
        buffer.append(kind.rawValue)
        return start
    }

    static func end(_ start: Int, in buffer: inout ByteBuffer) {
        let length = UInt32(clamping: buffer.count - start - 4)
        for offset in 0..<4 {
            buffer.replace(
                at: start + offset, with: UInt8(truncatingIfNeeded: length >> (24 - 8 * offset)))
        }
    }
}

// MARK: Greetings and status

extension SessionFrame {
    package static func writeHello(into buffer: inout ByteBuffer) {
        write(.hello, into: &buffer) { $0.append(version) }
    }

    package static func isOurs(_ body: borrowing Span<UInt8>) -> Bool {
        body.count == 1 && body[0] == version
    }
}

/// How the leader's sessions are.
package struct SessionStatus: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The listener is live.
    package static let listening = SessionStatus(rawValue: 1)
    /// The last canary came back in time.
    package static let canaryInTime = SessionStatus(rawValue: 2)
    /// The session that asks about memberships is live.
    package static let answersQueries = SessionStatus(rawValue: 4)
    /// The session that reads the event log is live.
    package static let answersReads = SessionStatus(rawValue: 8)

    package func write(into buffer: inout ByteBuffer) {
        SessionFrame.write(.status, into: &buffer) { $0.append(rawValue) }
    }

    package init?(_ body: borrowing Span<UInt8>) {
        guard body.count == 1, body[0] < 16 else { return nil }
        self.init(rawValue: body[0])
    }
}

// MARK: Notifications

/// On which channel something was heard.
package enum HeardChannel: UInt8, Sendable {
    case changes
    case canary
    case direct
}

extension HeardChannel {
    /// The length of a notification's channel in its frame.
    static let bytes = 1

    // Hot path, once for each notification and follower.
    package static func write(
        _ payload: borrowing Span<UInt8>, on channel: HeardChannel, into buffer: inout ByteBuffer
    ) {
        buffer.reserve(SessionFrame.headerBytes + bytes + payload.count)
        buffer.append(bigEndian: UInt32(truncatingIfNeeded: payload.count + 1 + bytes))
        buffer.append(SessionFrame.Kind.notification.rawValue)
        buffer.append(channel.rawValue)
        buffer.append(payload.extracting(0..<payload.count))
    }
}

// MARK: Numbers and texts

extension ByteBuffer {
    mutating func append(frameText text: String) {
        append(bigEndian: UInt32(clamping: text.utf8.count))
        append(text: text)
    }

    mutating func append(frameText text: String?) {
        append(text == nil ? 0 : 1)
        if let text { append(frameText: text) }
    }
}

/// Reads a frame's body from its start. Each call returns `nil` where the body has too few bytes.
struct SessionFrameCursor {
    private(set) var position = 0

    mutating func range(_ count: Int, of body: borrowing Span<UInt8>) -> Range<Int>? {
        guard count >= 0, count <= body.count - position else { return nil }
        defer { position += count }
        return position..<(position + count)
    }

    mutating func byte(of body: borrowing Span<UInt8>) -> UInt8? {
        range(1, of: body).map { body[$0.lowerBound] }
    }

    /// `nil` also for a byte that is neither 0 nor 1.
    mutating func flag(of body: borrowing Span<UInt8>) -> Bool? {
        guard let byte = byte(of: body), byte <= 1 else { return nil }
        return byte == 1
    }

    mutating func halfWord(of body: borrowing Span<UInt8>) -> UInt32? {
        range(4, of: body).map { body.halfWord(at: $0.lowerBound) }
    }

    mutating func word(of body: borrowing Span<UInt8>) -> UInt64? {
        range(8, of: body).map { body.word(at: $0.lowerBound) }
    }

    mutating func text(of body: borrowing Span<UInt8>) -> String? {
        guard let count = halfWord(of: body), let range = range(Int(count), of: body) else {
            return nil
        }
        let bytes = body.extracting(range)
        return unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// `nil` within: there is no text.
    mutating func optionalText(of body: borrowing Span<UInt8>) -> String?? {
        guard let isThere = flag(of: body) else { return nil }
        guard isThere else { return .some(nil) }
        return text(of: body).map { .some($0) }
    }

    func isAtEnd(of body: borrowing Span<UInt8>) -> Bool { position == body.count }
}
