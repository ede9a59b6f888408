internal import Reactor

/// What clients of this process have sent, until the database announces it: with it at hand the row needn't be read.
///
/// A message is remembered when the statement that sends it is asked. It is given to nobody before that statement is
/// answered as committed, whoever announces what. An announcement that comes earlier waits for the answer, and what is
/// announced behind it waits with it, so that all keep their order. Whatever isn't known here is read.
package struct OwnMessages: Sendable {
    package struct Key: Hashable, BitwiseCopyable, Sendable {
        let sender: UserID
        let id: UUID
    }

    private struct Entry: Sendable {
        let send: DirectSend
        /// Which statement sends it, and where it stands there.
        let tag: UInt64
        let position: Int
        /// From when on it isn't to be given away: it is nobody's any more, or nothing is heard of it.
        let until: Instant
        /// When it was sent, as clients are told; `nil` before the answer.
        var timestamp: [UInt8]?
    }

    /// A message that is committed and was announced.
    package struct Announced: Sendable {
        package let send: DirectSend
        package let timestamp: [UInt8]
    }

    private var entries: [Key: Entry] = [:]
    private var weight = 0
    /// Announcements of what is known here, in their order.
    private var waiting: [(key: Key, row: WaitingHints.Row)] = []
    /// When room was last made.
    private var sweptAt: Instant?

    package var count: Int { entries.count }
    package var waitingCount: Int { waiting.count }

    // MARK: Statements

    /// A statement that sends this message was asked. Without room for it the row is read when it is announced.
    mutating func add(_ send: DirectSend, at position: Int, of tag: UInt64, _ now: Instant) {
        let key = Key(sender: send.sender, id: send.id)
        // Of two under one id only one is sent, and an announcement doesn't say which.
        if forget(key) { return }
        guard hasRoom(for: send, now) else { return }
        let nanoseconds = min(
            Limits.directOwnNanoseconds, UInt64(send.ttlSeconds) * 1_000_000_000)
        entries[key] = Entry(
            send: send, tag: tag, position: position,
            until: now.advanced(byNanoseconds: nanoseconds))
        weight += send.weight
    }

    /// A statement was answered for this message: it was sent then, or it wasn't (`nil`).
    mutating func answered(
        _ send: DirectSend, at position: Int, of tag: UInt64, timestamp: [UInt8]?
    ) {
        let key = Key(sender: send.sender, id: send.id)
        guard let entry = entries[key], entry.tag == tag, entry.position == position else { return }
        guard let timestamp else {
            forget(key)
            return
        }
        entries[key]?.timestamp = timestamp
    }

    private mutating func hasRoom(for send: DirectSend, _ now: Instant) -> Bool {
        if isFull(send), sweptAt.map({ now.nanoseconds(since: $0) >= 1_000_000_000 }) ?? true {
            sweptAt = now
            for (key, entry) in entries where entry.until <= now { forget(key) }
        }
        return !isFull(send)
    }

    private func isFull(_ send: DirectSend) -> Bool {
        entries.count >= Limits.directOwnMax || weight + send.weight > Limits.directOwnBytesMax
    }

    // MARK: Announcements

    /// Takes an announcement, if it names what is known here; else the row is to be read.
    mutating func wait(_ row: WaitingHints.Row, for id: UUID) -> Bool {
        let key = Key(sender: row.sender, id: id)
        guard waiting.count < Limits.directOwnHintsMax,
            entries[key]?.send.recipient == row.recipient
        else { return false }
        waiting.append((key, row))
        return true
    }

    /// Takes the first announcement that waits, unless its statement has yet to be answered. Without a message the
    /// row is to be read.
    mutating func removeFirst(_ now: Instant) -> (message: Announced?, row: WaitingHints.Row)? {
        guard let (key, row) = waiting.first else { return nil }
        guard let entry = entries[key] else {
            waiting.removeFirst()
            return (nil, row)
        }
        guard let timestamp = entry.timestamp else { return nil }
        waiting.removeFirst()
        forget(key)
        guard now < entry.until else { return (nil, row) }
        return (Announced(send: entry.send, timestamp: timestamp), row)
    }

    /// It concerns nobody here.
    mutating func forget(sender: UserID, id: UUID) { forget(Key(sender: sender, id: id)) }

    /// False when it wasn't known.
    @discardableResult
    private mutating func forget(_ key: Key) -> Bool {
        guard let entry = entries.removeValue(forKey: key) else { return false }
        weight -= entry.send.weight
        return true
    }

    /// Nothing that was announced is to be given away any more: it is read, or nobody wants it.
    mutating func removeAll() {
        entries = [:]
        weight = 0
        waiting = []
    }
}
