import Gateway
import Reactor
import Testing

private let one = "0f8fad5b-d9cb-469f-a165-70867728950e"
private let other = "00000000-0000-0000-0000-000000000001"
private let rest = #""resource":"tasks","id":"7","action":"UPDATE","timestamp":"t""#

/// The short reading may give up, but it must never say anything else than the whole one does.
@Suite struct PayloadOutlineBehaviour {
    private func project(_ payload: String) -> ProjectID? {
        let bytes = Array(payload.utf8)
        return PayloadOutline(bytes.span)?.project
    }

    @Test(arguments: [
        #"{"resource":"tasks","id":"7","action":"UPDATE","project_id":"\#(one)","timestamp":"t"}"#,
        #"{"project_id":"\#(one)",\#(rest)}"#,
        #"{\#(rest),"origin":"project_id","cursor":"1","project_id":"\#(one)"}"#,
        #"{"id": "7", "action": "A", "resource": "r", "timestamp": "t", "project_id":  "\#(one)"}"#,
    ])
    func `what the triggers write is plain`(payload: String) {
        #expect(project(payload) == ProjectID(text: one))
    }

    @Test(arguments: [
        "", "{", "{}", "[]", "nonsense", #"{"project_id":"\#(one)"}"#,
        #"{\#(rest),"project_id":"\#(one)"#, #"{\#(rest),"project_id":"\#(one)""#,
        #"{\#(rest),"project_id":""}"#, #"{\#(rest),"project_id":"\#(one)x"}"#,
        #"{\#(rest),"project_id" :"\#(one)"}"#, #"{ \#(rest),"project_id":"\#(one)"}"#,
        #"{\#(rest),"project_id":"\#(one)" }"#, #"{\#(rest),"project_id":"\#(one)"} "#,
        #"{\#(rest),"project_id":"\#(one)",}"#, #"{\#(rest),,"project_id":"\#(one)"}"#,
        #"{\#(rest),"project_id":"\#(one)","project_id":"\#(other)"}"#,
        #"{\#(rest),"project_id":"\#(one)","id":"8"}"#,
        #"{\#(rest),"project_id":"\#(one)","more":"1"}"#,
        #"{\#(rest),"project_id":"\#(one)","cursor":1}"#,
        #"{\#(rest),"project_id":"\#(one)","origin":null}"#,
        #"{\#(rest),"project_id":"\#(one)","origin":""}"#,
        #"{\#(rest),"project_id":"\#(one)","origin":{"id":"8"}}"#,
        #"{\#(rest),"project_id":"\#(one)","origin":"a\"b"}"#,
        #"{\#(rest),"project\u005fid":"\#(one)"}"#,
        #"{\#(rest),"project_id":"\#(one)","origin":"é"}"#,
        #"{\#(rest),"project_id":"\#(one)","origin":"\#u{1}"}"#,
    ])
    func `everything else is left to the whole reading`(payload: String) {
        #expect(project(payload) == nil)
    }

    @Test func `a payload that is too long isn't plain`() {
        let head = #"{\#(rest),"project_id":"\#(one)","origin":""#
        for (count, isPlain) in [(7_999, true), (8_000, false)] {
            let filling = String(repeating: "x", count: count - head.utf8.count - 2)
            #expect((project(head + filling + #""}"#) != nil) == isPlain)
        }
    }

    @Test func `of random payloads both readings say the same`() {
        var random = SystemRandomNumberGenerator()
        let seed = random.next()
        var generator = WebSocketTesting.Random(seed: seed)
        let members = [
            [#""resource":"tasks""#, #""resource":"project_members""#, #""resource":"projects""#],
            [#""id":"7""#, #""id":"*""#, #""id":"\#(one):\#(other)""#],
            [#""action":"DELETE""#, #""action":"UPDATE""#],
            [#""timestamp":"t""#, #""timestamp":"2026-01-01T12:34:56.789012Z""#],
            [#""project_id":"\#(one)""#, #""project_id": "\#(other.uppercased())""#],
            [#""cursor":"18446744073709551615""#, #""cursor":"18446744073709551616""#],
            [#""origin":"tab-1""#, #""origin":"\#u{7F}""#],
        ]
        let noise = [
            #"""#, "{", "}", ",", ":", "\\", " ", "\u{0}", "\u{7F}", "é", "null", #""x":"y""#,
        ]
        var plain = 0
        for _ in 0..<20_000 {
            // Most have all that is needed, in some order.
            var parts = members.filter { _ in generator.below(32) > 0 }
                .map { $0[generator.below($0.count)] }
            parts.swapAt(generator.below(parts.count), generator.below(parts.count))
            var payload = Array(("{" + parts.joined(separator: ",") + "}").utf8)
            if generator.below(4) == 0 {
                let place = generator.below(payload.count)
                payload.replaceSubrange(
                    place..<(place + generator.below(2)),
                    with: noise[generator.below(noise.count)].utf8)
            }
            plain += check(payload, seed: seed) ? 1 : 0
        }
        #expect(plain > 10_000, "seed \(seed)")
    }

    /// Whether the payload was plain.
    private func check(_ payload: [UInt8], seed: UInt64) -> Bool {
        guard let outline = PayloadOutline(payload.span) else { return false }
        let text = String(decoding: payload, as: UTF8.self)
        var short = ByteBuffer()
        var whole = ByteBuffer()
        do throws(NotificationError) {
            let facts = try Notification.encode(
                payload: payload.span, outline: outline, heard: Cursor(transaction: 1 << 20),
                into: &short)
            let same = try Notification.encode(
                payload: payload.span, outline: nil, heard: Cursor(transaction: 1 << 20),
                into: &whole)
            #expect(facts == same && facts.project == outline.project, "seed \(seed): \(text)")
        } catch {
            Issue.record("seed \(seed): \(text): \(error)")
        }
        let (message, expected) = (short.copy(), whole.copy())
        #expect(message == expected, "seed \(seed): \(text)")
        return true
    }
}
