import Gateway
import Testing

/// What clients say of themselves, and what they were told of others.
extension CoreHarness {
    mutating func presence(
        _ fields: String = "", in project: UInt64 = 1, from number: Int
    ) {
        let project = Self.project(project)
        receive(
            text: #"{"type":"presence","project_id":"\#(project)"\#(fields)}"#, from: number)
    }

    mutating func type(
        _ topic: String, _ fields: String = "", in project: UInt64 = 1, from number: Int
    ) {
        receive(
            text: #"{"type":"typing","project_id":"\#(Self.project(project))","#
                + #""topic":"\#(topic)"\#(fields)}"#, from: number)
    }

    /// Everything that the client was told about who is present.
    func presenceTexts(of number: Int) -> [String] {
        stream(of: number).texts.filter { $0.hasPrefix(#"{"type":"presence_"#) }
    }

    func view(of number: Int) -> PresenceView {
        PresenceView(presenceTexts(of: number))
    }

    /// The users whom the client believes to be present, by their numbers.
    func present(to number: Int) -> [UInt64: String] {
        var present: [UInt64: String] = [:]
        for (user, state) in view(of: number).users {
            present[UInt64(user.suffix(12), radix: 16) ?? 0] = state
        }
        return present
    }

    func typingTexts(of number: Int) -> [String] {
        stream(of: number).texts.filter { $0.hasPrefix(#"{"type":"typing""#) }
    }

    static func typing(_ topic: String, _ users: [UInt64]) -> String {
        let ids = users.map { "\"\(user($0))\"" }.joined(separator: ",")
        return #"{"type":"typing","project_id":"\#(project(1))","topic":"\#(topic)","#
            + #""user_ids":[\#(ids)],"ttl_ms":7000}"#
    }
}
