import Gateway
import Reactor
import Testing

private let project = UUID(high: 0x0F8F_AD5B_D9CB_469F, low: 0xA165_7086_7728_950E)
private let projectText = "0f8fad5b-d9cb-469f-a165-70867728950e"
private let user = UUID(high: 0, low: 0xFF)
private let userText = "00000000-0000-0000-0000-0000000000ff"

@Suite struct ServerMessageBehaviour {
    @Test func `ping and pong are constant`() {
        var buffer = ByteBuffer()
        ServerMessage.writePing(into: &buffer)
        ServerMessage.writePong(reference: .absent, into: &buffer)
        let text = String(decoding: buffer)
        #expect(text == #"{"type":"ping"}{"type":"pong"}"#)
    }

    @Test func `ok repeats the reference`() throws {
        let name = "a\"b"
        let named = Reference(text: name.utf8Span.span)
        let reference = try #require(named)
        var buffer = ByteBuffer()
        ServerMessage.writeOK(reference: Reference(integer: 42), into: &buffer)
        ServerMessage.writeOK(reference: reference, into: &buffer)
        ServerMessage.writeOK(reference: .absent, into: &buffer)
        let text = String(decoding: buffer)
        #expect(text == #"{"type":"ok","ref":42}{"type":"ok","ref":"a\"b"}{"type":"ok"}"#)
    }

    @Test func `an error has its keys in order and leaves out what it hasn't`() {
        var buffer = ByteBuffer()
        ServerMessage.writeError(.unknownType, message: "unknown type", into: &buffer)
        ServerMessage.writeError(
            .unavailable, message: "try later", reference: Reference(integer: 1), into: &buffer)
        ServerMessage.writeError(
            .membershipRevoked, message: "removed", reference: Reference(integer: 2),
            project: project, into: &buffer)
        let text = String(decoding: buffer)
        #expect(
            text == #"{"type":"error","code":"unknown_type","message":"unknown type","#
                + #""temporary":false}"#
                + #"{"type":"error","ref":1,"code":"unavailable","message":"try later","#
                + #""temporary":true}"#
                + #"{"type":"error","ref":2,"code":"membership_revoked","#
                + #""project_id":"\#(projectText)","message":"removed","temporary":false}"#)
    }

    @Test func `an error's text is escaped`() {
        let message = "a\"b\\c\nd"
        var buffer = ByteBuffer()
        ServerMessage.writeError(.badToken, message: message.utf8Span.span, into: &buffer)
        let text = String(decoding: buffer)
        #expect(
            text == #"{"type":"error","code":"bad_token","message":"a\"b\\c\nd","#
                + #""temporary":false}"#)
    }

    @Test func `a resync is an invalidation of every row of a resource`() {
        let resource = "tasks"
        var buffer = ByteBuffer()
        ServerMessage.writeResync(
            ofResource: resource.utf8Span.span, project: project,
            at: Timestamp(microseconds: 1_766_404_800_000_007), reason: .listenerReconnected,
            into: &buffer)
        let text = String(decoding: buffer)
        #expect(
            text == #"{"type":"cache_invalidate","resource":"tasks","action":"RESYNC","#
                + #""project_id":"\#(projectText)","data":{"id":"*","#
                + #""timestamp":"2025-12-22T12:00:00.000007Z"},"reason":"listener_reconnected"}"#)
    }

    @Test func `ready has its keys in order`() {
        var ready = ServerMessage.Ready(
            connection: UUID(high: 1, low: 2), user: user, project: project,
            expiresAt: Timestamp(unixSeconds: 1_767_323_045),
            cursor: nil, pingIntervalMilliseconds: 54_000, reconnectWindowMilliseconds: 5_000)
        var buffer = ByteBuffer()
        ServerMessage.writeReady(ready, into: &buffer)
        let full = String(decoding: buffer)
        let start =
            #"{"type":"ready","connection_id":"00000000-0000-0001-0000-000000000002","#
            + #""user_id":"\#(userText)","project_id":"#
        let end =
            #","expires_at":"2026-01-02T03:04:05Z","cursor":null,"#
            + #""ping_interval_ms":54000,"reconnect_window_ms":5000}"#
        #expect(full == start + "\"\(projectText)\"" + end)
        ready.project = nil
        buffer.removeAll()
        ServerMessage.writeReady(ready, into: &buffer)
        let without = String(decoding: buffer)
        #expect(without == start + "null" + end)
    }

    @Test func `every message is a JSON document of its own`() throws {
        for code in ErrorCode.allCases {
            var buffer = ByteBuffer()
            ServerMessage.writeError(code, message: "why", project: project, into: &buffer)
            let document = try JSONDocument(buffer.bytes)
            let isError = document.root.member("type")?.string?.isEqual(to: "error")
            #expect(isError == true)
        }
    }

    @Test func `codes and reasons are distinct and made of lower-case words`() {
        var texts = ErrorCode.allCases.map { String(describing: $0.text) }
        texts += ResyncReason.allCases.map { String(describing: $0.text) }
        #expect(Set(texts).count == texts.count)
        let areWords = texts.allSatisfy { text in
            text.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }
        }
        #expect(areWords)
    }
}
