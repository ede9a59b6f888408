internal import Gateway
internal import GatewayHarness
internal import Reactor

/// What the database does about the event log in a script for connections.
enum EventLogSteps {
    static func hearCanary(cursor: UInt64, in harness: inout CoreHarness) {
        let payload = Array("1 \(cursor)".utf8)
        guard let canary = CanaryPayload(payload.span) else {
            preconditionFailure("a canary's payload that can't be read")
        }
        harness.core.receiveCanary(canary)
    }

    /// Answers what is asked, if anything is: an event of the first project, or that the cursor is
    /// too old. Returns whether anything was.
    @discardableResult
    static func answer(isComplete: Bool, in harness: inout CoreHarness) -> Bool {
        guard let tag = ask(&harness) else { return false }
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 300), last: Cursor(transaction: 1_000_000))
        let payload = CoreHarness.payload(event: 9, project: 0)
        answer.append(isComplete ? .event : .expired, project: 0, payload: payload.span)
        harness.core.receiveEvents(answer, tag: tag)
        return true
    }

    static func fail(in harness: inout CoreHarness) {
        guard let tag = ask(&harness) else { return }
        harness.core.eventsFailed(tag: tag, .lost)
    }

    private static func ask(_ harness: inout CoreHarness) -> UInt64? {
        var projects = ByteBuffer()
        var cursors = ByteBuffer()
        return harness.core.askReads(&projects, &cursors)
    }
}
