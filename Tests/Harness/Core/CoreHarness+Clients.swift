package import Gateway
internal import Reactor

// What clients and the database do, in one call each.
extension CoreHarness {
    package static func user(_ number: UInt64) -> UserID { UserID(high: 2, low: number) }

    package static func project(_ number: UInt64) -> ProjectID { ProjectID(high: 1, low: number) }

    package static func token(user number: UInt64 = 1, seconds: Int64 = 36_000) throws -> String {
        let secret = secret
        return try TokenSigner.sign(
            user: user(number), expiresAt: startSeconds + seconds, secret: secret.span)
    }

    /// A handshake with a token, or without.
    package static func handshake(
        token: String?, project: ProjectID? = nil, fields: [String] = []
    ) -> [UInt8] {
        var query: [String] = []
        if let token { query.append("token=\(token)") }
        if let project { query.append("projectId=\(project)") }
        let target =
            "/api/v1/messages/ws" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
        return Array(
            ("GET \(target) HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\n"
                + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                + fields.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
    }

    /// A WebSocket that is open, and in a project when one is given.
    package mutating func open(
        user: UInt64 = 1, project: UInt64? = nil, tokenSeconds: Int64 = 36_000,
        fields: [String] = []
    ) throws -> Int {
        let number = try connect()
        let token = try Self.token(user: user, seconds: tokenSeconds)
        receive(
            Self.handshake(token: token, project: project.map(Self.project), fields: fields),
            from: number)
        settle()
        let status = stream(of: number).status
        guard status == 101 else { throw HarnessFault.notUpgraded(status) }
        return number
    }

    /// What PostgreSQL would send for the event of this number.
    package static func payload(event: Int, project: UInt64) -> [UInt8] {
        Array(
            (#"{"resource":"tasks","id":"\#(event)","action":"UPDATE","project_id":"#
                + #""\#(self.project(project))","timestamp":"2026-01-02T03:04:05.000006Z"}"#).utf8)
    }

    package mutating func notify(event: Int, project: UInt64) {
        let payload = Self.payload(event: event, project: project)
        core.notify(payload.span)
    }

    package mutating func join(
        _ project: UInt64, keep: Bool = false, reference: Int? = nil, from number: Int
    ) {
        let keep = keep ? #","keep":true"# : ""
        let reference = reference.map { #","ref":\#($0)"# } ?? ""
        receive(
            text: #"{"type":"join_project","project_id":"\#(Self.project(project))""#
                + "\(keep)\(reference)}", from: number)
    }

    /// What the core holds because of clients; nothing when nobody is there.
    package var leftovers: [String] {
        core.remains().filter { $0.count != 0 }.map { "\($0.count) of \($0.what)" }
    }
}
