internal import Gateway
internal import Reactor

/// Where clients connect to: `ws://address:port/path?query`, or `wss://…`, in which `{token}` and `{project}`
/// are replaced for each.
struct Target {
    let address: SocketAddress
    /// Whether by TLS. Nobody's certificate is checked: the load is what matters.
    let isSecure: Bool
    private let host: String
    /// The request target, in pieces between placeholders.
    private let template: String
    private let secret: [UInt8]
    /// Used for all clients instead of signing one for each.
    private let fixedToken: String?

    static let key = "AAECAwQFBgcICQoLDA0ODw=="

    init?(url: String, secret: [UInt8], fixedToken: String?) {
        isSecure = url.hasPrefix("wss://")
        guard isSecure || url.hasPrefix("ws://") else { return nil }
        let rest = url.dropFirst(isSecure ? 6 : 5)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        guard let colon = authority.lastIndex(of: ":"),
            let port = UInt16(authority[authority.index(after: colon)...]),
            let address = SocketAddress(host: String(authority[..<colon]), port: port)
        else { return nil }
        self.address = address
        host = String(authority)
        template = slash == rest.endIndex ? "/" : String(rest[slash...])
        self.secret = secret
        self.fixedToken = fixedToken
    }

    /// Writes the opening handshake of client `number` (RFC 6455 §4.1).
    func writeRequest(
        client number: Int, project: UInt32, into buffer: inout ByteBuffer
    ) throws(CryptoFailure) {
        var token = fixedToken
        if token == nil && template.contains("{token}") {
            // Each client is a user of its own, valid for a day.
            let now = Clock.wallMicroseconds() / 1_000_000
            token = try TokenSigner.sign(
                user: UserID(
                    high: 0xBE7C_4000_0000_4000, low: 0x9000_0000_0000_0000 | UInt64(number)),
                expiresAt: now + 86_400, issuedAt: now, secret: secret.span)
        }
        buffer.append("GET ")
        buffer.append(
            text: Self.replace(
                "{project}", by: Marker.projectID(project).description,
                in: Self.replace("{token}", by: token ?? "", in: template)))
        buffer.append(" HTTP/1.1\r\nHost: ")
        buffer.append(text: host)
        buffer.append(
            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
        buffer.append("Sec-WebSocket-Key: ")
        buffer.append(text: Self.key)
        buffer.append("\r\n\r\n")
    }

    /// What the answer must carry for `key` (RFC 6455 §4.2.2).
    static func acceptValue() throws(HTTPError) -> [UInt8] {
        var buffer = ByteBuffer()
        try Handshake.writeAccept(key: key.utf8Span.span, subprotocol: nil, into: &buffer)
        let lines = String(decoding: buffer).split(separator: "\r\n")
        return Array((lines.last?.split(separator: " ").last ?? "").utf8)
    }

    private static func replace(_ mark: String, by text: String, in template: String) -> String {
        guard let range = template.firstRange(of: mark) else { return template }
        return template[..<range.lowerBound] + text + template[range.upperBound...]
    }
}
