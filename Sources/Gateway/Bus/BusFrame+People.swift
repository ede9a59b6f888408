internal import Reactor

/// Who is present at the sender: what has changed since its last such frame. Without a change it says
/// that nothing has.
package struct PeopleFrame: Equatable, Sendable {
    /// Of all users whom the sender has ever told of, as they are after this frame.
    package var hash: UInt64
    /// Whether it has more users than it tells of.
    package var omits = false
    package var changes: [PresenceChange] = []

    package init(hash: UInt64) { self.hash = hash }
}

/// Asks one node for the users who are present there, from a position on.
package struct PeopleWanted: Equatable, Sendable {
    package let target: BusIdentity
    package let first: UInt32

    package init(target: BusIdentity, first: UInt32) {
        self.target = target
        self.first = first
    }
}

/// Users who are present at the sender, for the node that has asked: those in some of its positions.
package struct PeoplePart: Equatable, Sendable {
    /// The end of the last part.
    package static let atEnd = UInt32.max

    package var target: UInt64
    package var first: UInt32
    /// From where on to ask next.
    package var end: UInt32
    package var entries: [PresenceChange]

    package init(target: UInt64, first: UInt32, end: UInt32, entries: [PresenceChange]) {
        self.target = target
        self.first = first
        self.end = end
        self.entries = entries
    }
}

/// Who types where at the sender, or doesn't any more.
package struct TypingFrame: Equatable, Sendable {
    package var changes: [TypingChange]

    package init(changes: [TypingChange]) { self.changes = changes }
}

extension BusFrame {
    static let presentBytes = 33
    /// Users in one frame.
    package static let peopleMax = (Limits.busFrameBytesMax - headerBytes - 16) / presentBytes
    /// Of those who type, with the longest topics.
    package static let typingMax =
        (Limits.busFrameBytesMax - headerBytes) / (34 + Limits.topicBytesMax)
}

// MARK: Writing

extension ByteBuffer {
    mutating func append(_ change: PresenceChange) {
        append(bigEndian: change.pair.project)
        append(bigEndian: change.pair.user)
        append(change.seen.rawValue | (change.isAnew ? 4 : 0))
    }

    mutating func append(_ change: TypingChange) {
        append(bigEndian: change.pair.project)
        append(bigEndian: change.pair.user)
        append(change.isOver ? 0 : 1)
        append(UInt8(change.topic.count))
        append(change.topic.span)
    }
}

// MARK: Reading

extension BusFrame {
    static func people(
        _ mark: Bool, _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> PeopleFrame {
        guard body.count >= 8 else { throw .malformed }
        var frame = PeopleFrame(hash: body.word(at: 0))
        frame.omits = mark
        frame.changes = try present(in: body, from: 8)
        return frame
    }

    static func peopleWanted(
        _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> PeopleWanted {
        guard body.count == 20, body.halfWord(at: 16) != PeoplePart.atEnd else { throw .malformed }
        let target = BusIdentity(node: body.word(at: 0), epoch: body.word(at: 8))
        return PeopleWanted(target: target, first: body.halfWord(at: 16))
    }

    static func peoplePart(
        _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> PeoplePart {
        guard body.count >= 16 else { throw .malformed }
        let (first, end) = (body.halfWord(at: 8), body.halfWord(at: 12))
        let entries = try present(in: body, from: 16)
        // Each part leads further.
        guard first < end, entries.allSatisfy({ $0.seen != .absent }) else { throw .malformed }
        return PeoplePart(target: body.word(at: 0), first: first, end: end, entries: entries)
    }

    private static func present(
        in body: borrowing Span<UInt8>, from start: Int
    ) throws(BusFrameFault) -> [PresenceChange] {
        guard (body.count - start) % presentBytes == 0 else { throw .malformed }
        var changes: [PresenceChange] = []
        changes.reserveCapacity((body.count - start) / presentBytes)
        for position in stride(from: start, to: body.count, by: presentBytes) {
            let byte = body[position + 32]
            guard byte < 8, let seen = Visibility(rawValue: byte & 3), byte != 4 else {
                throw .malformed
            }
            let pair = MembershipPair(
                project: body.id(at: position), user: body.id(at: position + 16))
            changes.append(PresenceChange(pair, seen, isAnew: byte & 4 != 0))
        }
        return changes
    }

    static func typing(_ body: borrowing Span<UInt8>) throws(BusFrameFault) -> TypingFrame {
        var frame = TypingFrame(changes: [])
        var position = 0
        while position < body.count {
            guard position + 34 <= body.count, body[position + 32] <= 1 else { throw .malformed }
            let count = Int(body[position + 33])
            let end = position + 34 + count
            guard (1...Limits.topicBytesMax).contains(count), end <= body.count else {
                throw .malformed
            }
            let topic = body.extracting((position + 34)..<end)
            // Clients are sent it as text.
            var validator = UTF8Validator()
            guard validator.accept(topic) == count, validator.isAtBoundary else {
                throw .malformed
            }
            let pair = MembershipPair(
                project: body.id(at: position), user: body.id(at: position + 16))
            frame.changes.append(
                TypingChange(
                    pair, topic.indices.map { topic[$0] }, isOver: body[position + 32] == 0))
            position = end
        }
        guard !frame.changes.isEmpty else { throw .malformed }
        return frame
    }
}
