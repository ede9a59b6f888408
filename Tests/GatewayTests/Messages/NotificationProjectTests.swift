import Gateway
import Reactor
import Testing

private let one = "0f8fad5b-d9cb-469f-a165-70867728950e"
private let other = "00000000-0000-0000-0000-000000000001"

/// The look for the project alone may give up, but it must never find another one than the whole
/// reading does.
@Suite struct NotificationProjectBehaviour {
    private func found(_ payload: String) -> ProjectID? {
        let bytes = Array(payload.utf8)
        return Notification.project(in: bytes.span)
    }

    @Test(arguments: [
        #"{"resource":"tasks","id":"7","action":"UPDATE","project_id":"\#(one)","timestamp":"t"}"#,
        #"{"project_id":"\#(one)"}"#,
        #"{"id":"project_id","project_id":"\#(one)"}"#,
    ])
    func `it finds the project of what the triggers write`(payload: String) {
        #expect(found(payload) == ProjectID(text: one))
    }

    @Test(arguments: [
        "", "{", "[]", "nonsense", #"{"project_id":"\#(one)"#, #"{"project_id":""}"#,
        #"{"project_id" : "\#(one)"}"#, #"{ "project_id":"\#(one)"}"#,
        #"{"project_id":"\#(one)","project_id":"\#(other)"}"#,
        #"{"more":{"project_id":"\#(other)"},"project_id":"\#(one)"}"#,
        #"{"project\u005fid":"\#(one)","x":",\"project_id\":\"\#(other)\""}"#,
        #"{"x\"project_id":"\#(other)","project_id":"\#(one)"}"#,
        #"{"project_id":"\#(one)x"}"#,
    ])
    func `it leaves everything else to the whole reading`(payload: String) {
        #expect(found(payload) == nil)
    }

    @Test func `of random payloads it finds nothing else than the whole reading`() {
        var random = SystemRandomNumberGenerator()
        let seed = random.next()
        var generator = WebSocketTesting.Random(seed: seed)
        let pieces = [
            #"""#, "{", "}", ",", ":", "\\", "project_id", one, other, #""project_id":""#,
            #"{"project_id":"\#(one)""#, #","project_id":"\#(other)""#,
            #""resource":"tasks","id":"7","action":"A","timestamp":"t""#, " ", "\u{0}", "é",
        ]
        for _ in 0..<20_000 {
            let count = generator.below(8)
            let payload =
                "{" + (0..<count).map { _ in pieces[generator.below(pieces.count)] }.joined()
                + (generator.below(2) == 0 ? "}" : "")
            let bytes = Array(payload.utf8)
            guard let project = Notification.project(in: bytes.span) else { continue }
            var buffer = ByteBuffer()
            do throws(NotificationError) {
                let facts = try Notification.encode(payload: bytes.span, into: &buffer)
                #expect(facts.project == project, "seed \(seed): \(payload)")
            } catch {
                // Refused: nobody would have got it.
            }
        }
    }
}
