package import Reactor

/// Notifications that came while older ones, or more than a turn's worth, were still to be handled, in
/// order: they are handled when their turn comes.
package struct NotificationBacklog: ~Copyable {
    /// What is appended to, and what is taken from: they change places when the latter is empty, so that
    /// a backlog that never ends doesn't keep what it has handed out.
    private var young = Batch()
    private var old = Batch()

    package init() {}

    /// Notifications that wait.
    package var count: Int { young.count + old.count }
    package var isEmpty: Bool { count == 0 }

    /// Whether it holds as much as it should while what was missed is being read: that is to be given
    /// up then, and the backlog to be worked off.
    package var isFull: Bool {
        exceeds(DatabaseLimits.backlogCountMax, DatabaseLimits.backlogBytesMax)
    }

    /// Whether it holds as much as it may: it is to be dropped, and a resync to stand in for it.
    package var isOverflowing: Bool {
        exceeds(DatabaseLimits.waitingCountMax, DatabaseLimits.waitingBytesMax)
    }

    private func exceeds(_ countMax: Int, _ bytesMax: Int) -> Bool {
        count >= countMax || young.byteCount + old.byteCount >= bytesMax
    }

    /// Adds a payload at the end.
    package mutating func append(_ payload: borrowing Span<UInt8>, isCanary: Bool = false) {
        young.append(payload, isCanary: isCanary)
    }

    package mutating func append(_ payload: borrowing ByteBuffer, isCanary: Bool = false) {
        append(payload.bytes, isCanary: isCanary)
    }

    /// Moves the oldest payload into `payload`, and says whether it is a canary's; `nil` when none waits.
    package mutating func dequeueFirst(into payload: inout ByteBuffer) -> Bool? {
        if old.count == 0 {
            guard young.count > 0 else { return nil }
            swap(&young, &old)
            young = Batch()  // Gives the memory back: a backlog is rare.
        }
        return old.dequeueFirst(into: &payload)
    }

    package mutating func removeAll() {
        young = Batch()
        old = Batch()
    }
}

/// Payloads one behind the other, which are taken when all have been added.
private struct Batch: ~Copyable {
    private struct Entry {
        let end: Int
        let isCanary: Bool
    }

    private var bytes = ByteBuffer()
    private var entries: [Entry] = []
    private var taken = 0

    var count: Int { entries.count - taken }
    /// With those that were taken.
    var byteCount: Int { bytes.count }

    mutating func append(_ payload: borrowing Span<UInt8>, isCanary: Bool) {
        bytes.append(payload.extracting(0..<payload.count))
        entries.append(Entry(end: bytes.count, isCanary: isCanary))
    }

    mutating func dequeueFirst(into payload: inout ByteBuffer) -> Bool {
        let start = taken == 0 ? 0 : entries[taken - 1].end
        payload.removeAll()
        payload.append(bytes.bytes.extracting(start..<entries[taken].end))
        taken += 1
        let isCanary = entries[taken - 1].isCanary
        if taken == entries.count {
            bytes = ByteBuffer()
            entries = []
            taken = 0
        }
        return isCanary
    }
}
