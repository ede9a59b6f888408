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
        return backlog.dequeueFirst(into: &buffer) ? String(decoding: buffer) : nil
    }

    @Test func `payloads come out in the order in which they went in`() {
        var backlog = NotificationBacklog()
        append("one", to: &backlog)
        append("", to: &backlog)
        let first = take(&backlog)
        append("three", to: &backlog)
        let rest = [take(&backlog), take(&backlog), take(&backlog)]
        #expect(first == "one")
        #expect(rest == ["", "three", nil])
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
}
