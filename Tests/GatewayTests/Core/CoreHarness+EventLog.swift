import Gateway
import Reactor
import Testing

/// What was asked of the event log.
struct AskedOfLog: Equatable {
    let tag: UInt64
    let projects: String
    let cursors: String
}

extension CoreHarness {
    mutating func resume(
        _ project: UInt64, since: String, keep: Bool = false, reference: Int, from number: Int
    ) {
        receive(
            text: #"{"type":"join_project","project_id":"\#(Self.project(project))","#
                + #""since":"\#(since)","keep":\#(keep),"ref":\#(reference)}"#, from: number)
    }

    mutating func hearCanary(cursor: UInt64) throws {
        let bytes = Array("1 \(cursor)".utf8)
        let canary = CanaryPayload(bytes.span)
        core.receiveCanary(try #require(canary))
    }

    mutating func askedReads() throws -> AskedOfLog {
        let asked = askEventLog()
        return try #require(asked)
    }

    mutating func askEventLog() -> AskedOfLog? {
        var projects = ByteBuffer()
        var cursors = ByteBuffer()
        guard let tag = core.askReads(&projects, &cursors) else { return nil }
        return AskedOfLog(
            tag: tag, projects: String(decoding: projects), cursors: String(decoding: cursors))
    }

    /// The event log has these events for the one project that was asked for. Those who wait get them.
    mutating func answer(_ tag: UInt64, events: [Int], project: UInt64, cursor: UInt64) {
        var answer = EventsAnswer(
            cursor: Cursor(transaction: cursor), last: Cursor(transaction: 1_000_000))
        for event in events {
            let payload = Self.payload(event: event, project: project)
            answer.append(.event, project: 0, payload: payload.span)
        }
        core.receiveEvents(answer, tag: tag)
        core.answerResumes()
    }
}
