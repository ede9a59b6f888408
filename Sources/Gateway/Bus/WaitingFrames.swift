internal import Reactor

/// Frames that wait until the carrier takes them, in their order.
package struct WaitingFrames: ~Copyable {
    private var bytes = ByteBuffer(capacity: 1_024)
    /// Where each begins, and where the last one ends.
    private var bounds = [0]
    private var first = 0

    package init() {}

    package var isEmpty: Bool { first == bounds.count - 1 }

    /// Returns `false` when too much waits already.
    package mutating func append(_ frame: BusFrame) -> Bool {
        let count = bytes.count
        frame.write(into: &bytes)
        guard bytes.count - bounds[first] <= Limits.busWaitingBytesMax else {
            bytes.truncate(to: count)
            return false
        }
        bounds.append(bytes.count)
        return true
    }

    /// Hands the next frame to `send`, which says whether it was taken. Returns its bytes if so, and
    /// `nil` otherwise or when none waits.
    package mutating func removeFirst(
        if send: (borrowing Span<UInt8>) -> Bool
    ) -> Int? {
        guard !isEmpty else { return nil }
        let range = bounds[first]..<bounds[first + 1]
        guard send(bytes.bytes.extracting(range)) else { return nil }
        first += 1
        if isEmpty { removeAll() } else if first == Self.sentMax { compact() }
        return range.count
    }

    package mutating func removeAll() {
        bytes.removeAll()
        bounds = [0]
        first = 0
    }

    /// Frames that were sent and whose bytes are still there.
    private static let sentMax = 64

    /// So that a carrier that never takes all doesn't make the buffer grow for ever.
    private mutating func compact() {
        let start = bounds[first]
        let rest = bytes.copy()[start...]
        bytes.removeAll()
        bytes.append(rest.span)
        bounds = bounds[first...].map { $0 - start }
        first = 0
    }
}
