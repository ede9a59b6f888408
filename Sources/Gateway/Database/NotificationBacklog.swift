package import Reactor

/// Payloads that came while older ones were still being read, in order: they are handled when
/// their turn comes.
package struct NotificationBacklog: ~Copyable {
    private var bytes = ByteBuffer()
    /// Where each payload ends.
    private var ends: [Int] = []
    private var taken = 0

    package init() {}

    /// Payloads that wait.
    package var count: Int { ends.count - taken }
    package var isEmpty: Bool { count == 0 }

    /// Whether it holds as much as it should: what was missed is to be given up then, and the
    /// backlog to be worked off.
    package var isFull: Bool {
        ends.count >= DatabaseLimits.backlogCountMax
            || bytes.count >= DatabaseLimits.backlogBytesMax
    }

    /// Adds a payload at the end.
    package mutating func append(_ payload: borrowing Span<UInt8>) {
        bytes.append(payload.extracting(0..<payload.count))
        ends.append(bytes.count)
    }

    /// Moves the oldest payload into `payload`; false when none waits.
    package mutating func dequeueFirst(into payload: inout ByteBuffer) -> Bool {
        guard taken < ends.count else {
            // Gives the memory back: this happens once after a loss of the connection.
            if !ends.isEmpty { removeAll() }
            return false
        }
        payload.removeAll()
        payload.append(bytes.bytes.extracting((taken == 0 ? 0 : ends[taken - 1])..<ends[taken]))
        taken += 1
        return true
    }

    package mutating func removeAll() {
        bytes = ByteBuffer()
        ends = []
        taken = 0
    }
}
