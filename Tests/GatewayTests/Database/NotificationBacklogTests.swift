import Gateway
import Reactor
import Testing

@Suite struct NotificationBacklogBehaviour {
    private func append(_ text: String, to backlog: inout NotificationBacklog) {
        let bytes = Array(text.utf8)
        backlog.append(bytes.span)
    }

    private func take(_ backlog: inout NotificationBacklog) -> String? {
        var buffer = ByteBuffer()
        guard let isCanary = backlog.dequeueFirst(into: &buffer) else { return nil }
        return String(decoding: buffer) + (isCanary ? " (canary)" : "")
    }

    @Test func `payloads come out in the order in which they went in`() {
        var backlog = NotificationBacklog()
        append("one", to: &backlog)
        append("", to: &backlog)
        let first = take(&backlog)
        append("three", to: &backlog)
        let canary = Array("four".utf8)
        backlog.append(canary.span, isCanary: true)
        let count = backlog.count
        #expect(count == 3)
        let rest = [take(&backlog), take(&backlog), take(&backlog), take(&backlog)]
        #expect(first == "one")
        #expect(rest == ["", "three", "four (canary)", nil])
        let isEmpty = backlog.isEmpty
        #expect(isEmpty)
    }

    @Test func `it is full at its count and at its bytes`() {
        var backlog = NotificationBacklog()
        for _ in 1..<DatabaseLimits.backlogCountMax { append("", to: &backlog) }
        let before = backlog.isFull
        append("", to: &backlog)
        let after = backlog.isFull
        #expect(!before && after)
        var large = NotificationBacklog()
        append(String(repeating: "x", count: DatabaseLimits.backlogBytesMax), to: &large)
        let isFull = large.isFull
        #expect(isFull)
    }

    @Test func `it overflows at its count and at its bytes`() {
        var backlog = NotificationBacklog()
        for _ in 1..<DatabaseLimits.waitingCountMax { append("", to: &backlog) }
        let before = backlog.isOverflowing
        append("", to: &backlog)
        let after = backlog.isOverflowing
        #expect(!before && after)
        var large = NotificationBacklog()
        append(String(repeating: "x", count: DatabaseLimits.waitingBytesMax - 1), to: &large)
        let below = large.isOverflowing
        append("x", to: &large)
        let above = large.isOverflowing
        #expect(!below && above)
    }

    @Test func `one that never ends keeps nothing of what has left it`() {
        var backlog = NotificationBacklog()
        let text = String(repeating: "x", count: DatabaseLimits.waitingBytesMax / 8)
        append(text, to: &backlog)
        for _ in 0..<64 {
            append(text, to: &backlog)
            _ = take(&backlog)
            let isOverflowing = backlog.isOverflowing
            #expect(!isOverflowing)
        }
    }
}
