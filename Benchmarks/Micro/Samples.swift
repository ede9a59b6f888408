internal import Gateway
internal import Reactor

/// What the benchmarks work on.
enum Samples {
    static let project = ProjectID(high: 0xBE7C_4000_0000_4000, low: 0x8000_0000_0000_0001)

    /// A notification as the triggers write it; the message that clients get is 204 bytes.
    static let payload = Array(
        #"""
        {"resource":"tasks","id":"3f2b8c1e-5d64-4a7b-9c0d-1e2f3a4b5c6d","action":"UPDATE",\#
        "project_id":"be7c4000-0000-4000-8000-000000000001",\#
        "timestamp":"2026-01-01T12:34:56.789012Z"}
        """#.utf8)

    static let clientMessage = Array(
        #"{"type":"join_project","project_id":"be7c4000-0000-4000-8000-000000000001"}"#.utf8)

    /// A browser's handshake.
    static let request = Array(
        """
        GET /api/v1/messages/ws?token=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&\
        projectId=be7c4000-0000-4000-8000-000000000001 HTTP/1.1\r
        Host: gateway.example.org\r
        Connection: Upgrade\r
        Pragma: no-cache\r
        Cache-Control: no-cache\r
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r
        Upgrade: websocket\r
        Origin: https://app.example.org\r
        Sec-WebSocket-Version: 13\r
        Accept-Encoding: gzip, deflate, br\r
        Accept-Language: en-GB,en;q=0.9\r
        Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r
        \r

        """.utf8)

    static let secret = Array("a secret of at least thirty-two bytes".utf8)

    /// The message that clients get for `payload`.
    static func message() throws(NotificationError) -> [UInt8] {
        let payload = payload
        var buffer = ByteBuffer()
        _ = try Notification.encode(payload: payload.span, heard: nil, into: &buffer)
        return unsafe buffer.bytes.withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }

    static func token() throws(CryptoFailure) -> [UInt8] {
        let now = Clock.wallMicroseconds() / 1_000_000
        let secret = secret
        let token = try TokenSigner.sign(
            user: project, expiresAt: now + 3_600, issuedAt: now, secret: secret.span)
        return Array(token.utf8)
    }
}
