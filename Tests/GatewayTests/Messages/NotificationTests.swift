import Gateway
import Reactor
import Testing

private let projectText = "0f8fad5b-d9cb-469f-a165-70867728950e"
private let userText = "3f333df6-90a4-4fda-8dd3-9485d27cee36"
private let otherText = "00000000-0000-0000-0000-000000000001"

@Suite struct NotificationBehaviour {
    @Test func `the payload of the original trigger becomes the client's message`() throws {
        // As PostgreSQL writes jsonb: sorted by length of key, with spaces.
        let payload =
            #"{"id": "7", "action": "UPDATE", "resource": "tasks", "#
            + #""timestamp": "2025-12-22T12:00:00.1234+00:00", "project_id": "\#(projectText)"}"#
        let result = try encode(payload)
        #expect(
            result.message == #"{"type":"cache_invalidate","resource":"tasks","#
                + #""action":"UPDATE","project_id":"\#(projectText)","data":{"id":"7","#
                + #""timestamp":"2025-12-22T12:00:00.1234+00:00"}}"#)
        #expect(result.facts.project == UUID(text: projectText))
        #expect(result.facts.timestamp?.microseconds == 1_766_404_800_123_400)
        #expect(result.facts.effect == .none)
    }

    @Test func `cursor and origin are passed on, other keys aren't`() throws {
        let result = try encode(
            payload(more: #""origin":"tab\"1","spare":[1,{"x":null}],"cursor":"812""#))
        #expect(result.message.hasSuffix(#"Z"},"cursor":"812","origin":"tab\"1"}"#))
        let originOnly = try encode(payload(more: #""origin":"t""#))
        #expect(originOnly.message.hasSuffix(#"Z"},"origin":"t"}"#))
    }

    @Test(arguments: ["null", "7", "\"\"", "{}"])
    func `a cursor or origin of another kind doesn't cost the event`(value: String) throws {
        let result = try encode(payload(more: #""cursor":\#(value),"origin":\#(value)"#))
        let plain = try encode(payload())
        #expect(result.message == plain.message)
    }

    @Test func `texts are escaped again, and the project is written in lower case`() throws {
        let result = try encode(
            payload(
                resource: #"t\"\\\u000a\u00e9\ud83d\ude00\/"#, id: #"\t\u2028"#, action: #"\u0055"#,
                project: projectText.uppercased()))
        #expect(
            result.message == #"{"type":"cache_invalidate","resource":"t\"\\\né"#
                + "\u{1F600}" + #"/","action":"U","project_id":"\#(projectText)","#
                + #""data":{"id":"\t\#u{2028}","timestamp":"2025-12-22T12:00:00.000000Z"}}"#)
        let bytes = Array(result.message.utf8)
        _ = try JSONDocument(bytes.span)
    }

    @Test func `a timestamp of another form is passed on`() throws {
        let result = try encode(payload(timestamp: "yesterday"))
        #expect(result.message.hasSuffix(#""timestamp":"yesterday"}}"#))
        #expect(result.facts.timestamp == nil)
    }

    @Test func `a payload has at most 7,999 bytes`() throws {
        let empty = payload(id: "").utf8.count
        for count in [7_998, 7_999] {
            let text = payload(id: String(repeating: "x", count: count - empty))
            #expect(text.utf8.count == count)
            _ = try encode(text)
        }
        let tooLong = payload(id: String(repeating: "x", count: 8_000 - empty))
        #expect(fault(tooLong) == .tooLong)
    }

    @Test(arguments: [
        ("", NotificationError.invalidJSON(JSONError(reason: .prematureEnd, position: 0))),
        ("[]", .notAnObject), ("null", .notAnObject), ("7", .notAnObject),
        ("{}", .missing(.resource)),
        (#"{"resource":1}"#, .notAString(.resource)),
        (#"{"resource":""}"#, .empty(.resource)), (#"{"resource":"t"}"#, .missing(.id)),
        (#"{"resource":"t","id":7}"#, .notAString(.id)),
        (#"{"resource":"t","id":"7","action":null}"#, .notAString(.action)),
        (#"{"resource":"t","id":"7","action":""}"#, .empty(.action)),
        (#"{"resource":"t","id":"7","action":"U"}"#, .missing(.projectID)),
        (#"{"resource":"t","id":"7","action":"U","project_id":null}"#, .notAString(.projectID)),
        (#"{"resource":"t","id":"7","action":"U","project_id":"p"}"#, .missing(.timestamp)),
        (
            #"{"resource":"t","id":"7","action":"U","project_id":"p","timestamp":1}"#,
            .notAString(.timestamp)
        ),
        (
            #"{"resource":"t","id":"7","action":"U","project_id":"p","timestamp":"x"}"#,
            .projectNotUUID
        ),
    ])
    func `payloads of other shapes are refused with the reason`(
        text: String, expected: NotificationError
    ) {
        #expect(fault(text) == expected)
    }

    @Test(arguments: [
        ("tasks", JSONError.Reason.invalidSyntax), (#"{"resource":"\u0000"}"#, .nullCharacter),
        (#"{"resource":"\ud800"}"#, .invalidSyntax), (#"{"id":"1","id":"2"}"#, .duplicateKey),
    ])
    func `payloads that are no JSON are refused`(text: String, reason: JSONError.Reason) {
        guard case .invalidJSON(let error) = fault(text) else {
            Issue.record("accepted, or refused for another reason")
            return
        }
        #expect(error.reason == reason)
    }

    @Test func `nothing is written when a payload is refused`() throws {
        let bytes = Array(payload().utf8)
        var buffer = ByteBuffer()
        buffer.append("before")
        for count in 0..<bytes.count {
            let part = Array(bytes[..<count])
            do throws(NotificationError) {
                _ = try Notification.encode(
                    payload: part.span, heard: Cursor(transaction: .max), into: &buffer)
                Issue.record("accepted a payload cut at \(count)")
            } catch {
                let text = String(decoding: buffer)
                #expect(text == "before")
            }
        }
        _ = try Notification.encode(
            payload: bytes.span, heard: Cursor(transaction: .max), into: &buffer)
        let written = String(decoding: buffer)
        #expect(written.hasPrefix("before{"))
    }

    @Test(arguments: [
        ("project_members", "DELETE", "\(projectText):\(userText)", Expected.member),
        ("project_members", "DELETE", "\(projectText):\(userText.uppercased())", .member),
        ("project_members", "INSERT", "\(projectText):\(userText)", .nothing),
        ("project_members", "UPDATE", "\(projectText):\(userText)", .nothing),
        ("project_members", "DELETE", "*", .some), ("project_members", "TRUNCATE", "*", .some),
        ("project_members", "UPDATE", "*", .some), ("project_members", "INSERT", "*", .nothing),
        ("project_members", "DELETE", "\(otherText):\(userText)", .some),
        ("project_members", "DELETE", "\(projectText):x", .some),
        ("project_members", "DELETE", "\(projectText)-\(userText)", .some),
        ("project_members", "DELETE", "\(projectText):\(userText)0", .some),
        ("projects", "DELETE", projectText, .project), ("projects", "TRUNCATE", "*", .project),
        ("projects", "UPDATE", projectText, .nothing), ("tasks", "DELETE", "7", .nothing),
        ("tasks", "TRUNCATE", "*", .nothing),
    ])
    func `removals are recognised, and taken for wider rather than overlooked`(
        resource: String, action: String, id: String, expected: Expected
    ) throws {
        let effect = try encode(payload(resource: resource, id: id, action: action)).facts.effect
        let user = try #require(UUID(text: userText))
        switch expected {
        case .nothing: #expect(effect == .none)
        case .member: #expect(effect == .memberRemoved(user))
        case .some: #expect(effect == .someMembersRemoved)
        case .project: #expect(effect == .projectDeleted)
        }
    }

    @Test func `a log line says what is wrong and nothing of the payload`() {
        #expect(fault(#"{"resource":7}"#)?.description == "resource is not a string")
        #expect(fault("secret")?.description.contains("secret") == false)
        #expect(fault("[1,2,x]")?.description == "invalid JSON, at byte 6")
    }

    @Test func `mutated payloads never do harm`() throws {
        var generator = SystemRandomNumberGenerator()
        let seed = generator.next()
        var random = SplitMix(state: seed)
        let original = Array(payload(more: #""cursor":"1","origin":"\ud83d\ude00""#).utf8)
        var buffer = ByteBuffer()
        for _ in 0..<5_000 {
            var bytes = original
            for _ in 0...(random.next() % 4) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(random.next() & 0xFF)
            }
            buffer.removeAll()
            do throws(NotificationError) {
                _ = try Notification.encode(
                    payload: bytes.span, heard: Cursor(transaction: .max), into: &buffer)
            } catch {
                continue
            }
            let isDocument = isValid(buffer.bytes)
            #expect(isDocument, "seed \(seed)")
        }
    }

    enum Expected: Sendable {
        case nothing, member, some, project
    }

    private struct Encoded {
        var message: String
        var facts: NotificationFacts
    }

    private func encode(_ payload: String) throws(NotificationError) -> Encoded {
        var buffer = ByteBuffer()
        let facts = try Notification.encode(
            payload: payload.utf8Span.span, heard: Cursor(transaction: .max), into: &buffer)
        return Encoded(message: String(decoding: buffer), facts: facts)
    }

    private func fault(_ payload: String) -> NotificationError? {
        do throws(NotificationError) {
            _ = try encode(payload)
            return nil
        } catch {
            return error
        }
    }

    private func isValid(_ text: borrowing Span<UInt8>) -> Bool {
        do throws(JSONError) {
            _ = try JSONDocument(text)
            return true
        } catch {
            return false
        }
    }

    private func payload(
        resource: String = "tasks", id: String = "7", action: String = "UPDATE",
        project: String = projectText, timestamp: String = "2025-12-22T12:00:00.000000Z",
        more: String = ""
    ) -> String {
        #"{"resource":"\#(resource)","id":"\#(id)","action":"\#(action)","#
            + #""project_id":"\#(project)","timestamp":"\#(timestamp)""#
            + (more.isEmpty ? "}" : ",\(more)}")
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): repeatable from its seed.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
