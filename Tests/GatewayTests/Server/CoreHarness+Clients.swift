import Gateway
import Reactor
import Testing

// What clients and the database do, in one call each.
extension CoreHarness {
    static func user(_ number: UInt64) -> UserID { UserID(high: 2, low: number) }

    static func project(_ number: UInt64) -> ProjectID { ProjectID(high: 1, low: number) }

    static func token(user number: UInt64 = 1, seconds: Int64 = 36_000) throws -> String {
        let secret = secret
        return try TokenSigner.sign(
            user: user(number), expiresAt: startSeconds + seconds, secret: secret.span)
    }

    /// A handshake with a token, or without.
    static func handshake(
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
    mutating func open(
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
        try #require(status == 101)
        return number
    }

    /// What PostgreSQL would send for the event of this number.
    static func payload(event: Int, project: UInt64) -> [UInt8] {
        Array(
            (#"{"resource":"tasks","id":"\#(event)","action":"UPDATE","project_id":"#
                + #""\#(self.project(project))","timestamp":"2026-01-02T03:04:05.000006Z"}"#).utf8)
    }

    mutating func notify(event: Int, project: UInt64) {
        let payload = Self.payload(event: event, project: project)
        core.notify(payload.span)
    }

    mutating func join(
        _ project: UInt64, keep: Bool = false, reference: Int? = nil, from number: Int
    ) {
        let keep = keep ? #","keep":true"# : ""
        let reference = reference.map { #","ref":\#($0)"# } ?? ""
        receive(
            text: #"{"type":"join_project","project_id":"\#(Self.project(project))""#
                + "\(keep)\(reference)}", from: number)
    }

    /// Expects that all connections are over, were closed once each, and left nothing behind.
    func expectNothingLeft(location: SourceLocation = #_sourceLocation) {
        let closes = sockets.map(\.closeCount)
        #expect(closes.allSatisfy { $0 == 1 }, "\(closes)", sourceLocation: location)
        // The keepalive, which is shared by all, stays.
        let left = [
            core.segments.liveCount, core.nodes.liveCount, core.hub.subscriptionCount,
            core.hub.projectCount, Int(core.metrics.connections),
        ]
        #expect(left == [1, 0, 0, 0, 0], sourceLocation: location)
    }

    /// Resets every connection and expects that nothing is left.
    mutating func expectNothingLeftAfterResets(location: SourceLocation = #_sourceLocation) {
        for number in sockets.indices { reset(number) }
        settle()
        expectNothingLeft(location: location)
    }
}
