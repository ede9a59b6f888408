/// Rows of which was announced that they concern somebody here: those that have yet to be read, and those
/// that are being read, in the order of the announcements, which is that of the commits.
package struct WaitingHints: Sendable {
    package struct Row: Equatable, BitwiseCopyable, Sendable {
        package let sequence: Int64
        package let isAcknowledgment: Bool
        /// Whom it concerns, as was announced.
        package let recipient: UserID
        package let sender: UserID
    }

    private var waiting: [Row] = []
    private var asked: [UInt64: [Row]] = [:]
    /// Messages that are to be read or being read, by those whom they concern.
    private var counts: [UserID: Int] = [:]
    private var nextTag: UInt64 = 1

    package var hasWaiting: Bool { !waiting.isEmpty }
    package var isEmpty: Bool { waiting.isEmpty && asked.isEmpty }

    /// False when as many wait as may: it isn't added.
    mutating func add(_ row: Row) -> Bool {
        guard waiting.count < Limits.directHintsMax else { return false }
        waiting.append(row)
        if !row.isAcknowledgment {
            counts[row.recipient, default: 0] += 1
            counts[row.sender, default: 0] += 1
        }
        return true
    }

    /// Whether a message that concerns the user was announced and has yet to be read.
    func hasMessage(of user: UserID) -> Bool { counts[user] != nil }

    /// Moves the first ones into a statement, and returns its tag; `nil` when none waits.
    mutating func begin() -> UInt64? {
        guard !waiting.isEmpty else { return nil }
        let count = min(waiting.count, Limits.directStatementRowsMax)
        let tag = nextTag
        nextTag += 1
        asked[tag] = Array(waiting[..<count])
        waiting.removeFirst(count)
        return tag
    }

    func asked(_ tag: UInt64) -> [Row] { asked[tag] ?? [] }

    mutating func finish(_ tag: UInt64) -> [Row]? {
        guard let rows = asked.removeValue(forKey: tag) else { return nil }
        for row in rows where !row.isAcknowledgment {
            discount(row.recipient)
            discount(row.sender)
        }
        return rows
    }

    private mutating func discount(_ user: UserID) {
        guard let count = counts[user] else { return }
        counts[user] = count > 1 ? count - 1 : nil
    }

    /// Nothing of it is wanted any more: all inboxes are read anew.
    mutating func removeAll() {
        waiting = []
        asked = [:]
        counts = [:]
    }
}
