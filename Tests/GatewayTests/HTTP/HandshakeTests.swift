import Gateway
import Reactor
import Testing

@Suite struct HandshakeBehaviour {
    static let valid = [
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ]

    /// A handshake with some fields changed, or left out where the value is `nil`.
    private func request(
        _ changes: [String: String?] = [:], requestLine: String = "GET / HTTP/1.1"
    ) -> ParsedRequest {
        var fields: [String: String?] = Self.valid.mapValues { $0 }
        fields.merge(changes) { _, new in new }
        var text = requestLine + "\r\nHost: x\r\n"
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            if let value { text += "\(name): \(value)\r\n" }
        }
        return ParsedRequest(text + "\r\n")
    }

    private func refusal(of request: ParsedRequest) -> HTTPError? {
        do throws(HTTPError) {
            _ = try Handshake(of: request.head, in: request.bytes.span)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a valid handshake names its key`() throws {
        let request = ParsedRequest(ParsedRequest.browserHandshake)
        let handshake = try Handshake(of: request.head, in: request.bytes.span)
        #expect(request.text(handshake.key) == "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(refusal(of: self.request()) == nil)
    }

    @Test func `a plain GET is told to upgrade`() {
        #expect(refusal(of: request(["Upgrade": nil]))?.kind == .upgradeRequired)
        #expect(refusal(of: .get("/"))?.kind == .upgradeRequired)
    }

    @Test(arguments: ["8", "14", "013", "13, 8", "", "0"])
    func `another version is 426 (RFC 6455 §4.4)`(version: String) {
        let refusal = refusal(of: request(["Sec-WebSocket-Version": version]))
        #expect(refusal?.kind == .upgradeRequired)
    }

    @Test(arguments: [
        ("Upgrade", "h2c"), ("Connection", nil), ("Connection", "keep-alive"),
        ("Sec-WebSocket-Version", nil),
        ("Sec-WebSocket-Version", "13\r\nSec-WebSocket-Version: 13"),
        ("Sec-WebSocket-Key", nil),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: AAAA"),
    ])
    func `missing, wrong or repeated upgrade headers are 400`(name: String, value: String?) {
        #expect(refusal(of: request([name: value]))?.kind == .badRequest)
    }

    @Test(arguments: [
        "", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZQA=", "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25j=Q==", "dGhlIHNhbXBsZSBub25jZ-==", "dGhlIHNhbXBsZSBub25jZQ=A",
        "dGhlIHNhbXBsZSBub_5jZQ==",
    ])
    func `a key that isn't sixteen bytes in canonical Base64 is 400`(key: String) {
        #expect(refusal(of: request(["Sec-WebSocket-Key": key]))?.kind == .badRequest)
    }

    @Test(arguments: ["A", "Q", "g", "w"])
    func `a key may end in any two bits`(last: String) {
        let key = "AAAAAAAAAAAAAAAAAAAAA\(last)=="
        #expect(refusal(of: request(["Sec-WebSocket-Key": key])) == nil)
    }

    @Test func `HTTP 1.0 is 400 and other methods are 405`() {
        #expect(refusal(of: request(requestLine: "GET / HTTP/1.0"))?.kind == .badRequest)
        let head = refusal(of: request(requestLine: "HEAD / HTTP/1.1"))
        #expect(head == .methodNotAllowed(.get))
    }

    @Test func `the answer to RFC 6455's sample key is the standard's (§1.3)`() throws {
        var buffer = ByteBuffer()
        try Handshake.writeAccept(
            key: "dGhlIHNhbXBsZSBub25jZQ==".utf8Span.span, subprotocol: nil, into: &buffer)
        let plain = String(decoding: buffer)
        #expect(
            plain == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                + "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        buffer.removeAll()
        try Handshake.writeAccept(
            key: "dGhlIHNhbXBsZSBub25jZQ==".utf8Span.span, subprotocol: SubprotocolOffer.devhive,
            into: &buffer)
        let selecting = String(decoding: buffer)
        #expect(selecting.hasSuffix("xOo=\r\nSec-WebSocket-Protocol: devhive.v1\r\n\r\n"))
    }

    @Test func `bytes behind the handshake are not part of it`() {
        let bytes = Array(ParsedRequest.browserHandshake.utf8) + [0x81, 0x80, 0, 0, 0, 0]
        let request = ParsedRequest(bytes: bytes, cuts: [])
        #expect(request.result == .complete(headCount: bytes.count - 6))
    }
}

@Suite struct SubprotocolBehaviour {
    @Test(arguments: [
        (["devhive.v1"], true, nil), (["x, devhive.v1 ,bearer.a.b.c"], true, "a.b.c"),
        (["bearer.a.b.c"], false, "a.b.c"), (["x", "bearer.t,", "devhive.v1"], true, "t"),
        (["Devhive.v1", "BEARER.x"], false, nil), (["devhive.v10, devhive"], false, nil),
        (["bearer."], false, ""), ([], false, nil), ([""], false, nil),
    ])
    func `devhive.v1 is selected when offered, and a token may come beside it`(
        values: [String], includesDevhive: Bool, bearer: String?
    ) throws {
        let lines = values.map { "Sec-WebSocket-Protocol: \($0)\r\n" }.joined(separator: "A: b\r\n")
        let request = ParsedRequest("GET / HTTP/1.1\r\nHost: x\r\n\(lines)\r\n")
        let offer = try SubprotocolOffer(of: request.head, in: request.bytes.span)
        #expect(offer.includesDevhive == includesDevhive)
        #expect((offer.selected != nil) == includesDevhive)
        #expect(offer.bearer.map(request.text) == bearer)
    }

    @Test func `two tokens are refused`() {
        let request = ParsedRequest.get(
            "/", "Sec-WebSocket-Protocol: bearer.a", "Sec-WebSocket-Protocol: bearer.b")
        let error = #expect(throws: HTTPError.self) {
            try SubprotocolOffer(of: request.head, in: request.bytes.span)
        }
        #expect(error?.kind == .badRequest)
    }
}

@Suite struct AuthorizationBehaviour {
    @Test(arguments: [
        ("Bearer a.b.c", "a.b.c"), ("bEARER   a", "a"), ("Basic dTpw", nil), ("Bearerx a", nil),
        ("", nil),
    ])
    func `the token of a Bearer scheme is found`(value: String, expected: String?) throws {
        let request = ParsedRequest.get("/", "Authorization: \(value)")
        let range = try AuthorizationHeader.bearer(of: request.head, in: request.bytes.span)
        #expect(range.map(request.text) == expected)
    }

    @Test(arguments: [
        ("Bearer", HTTPError.Kind.invalidToken), ("Bearer a b", .invalidToken),
        ("Bearer a\r\nAuthorization: Bearer a", .badRequest),
    ])
    func `no token, two of them, or two headers are refused`(value: String, kind: HTTPError.Kind) {
        let request = ParsedRequest.get("/", "Authorization: \(value)")
        let error = #expect(throws: HTTPError.self) {
            try AuthorizationHeader.bearer(of: request.head, in: request.bytes.span)
        }
        #expect(error?.kind == kind)
    }

    @Test func `without the header there is no token`() throws {
        let request = ParsedRequest.get("/")
        #expect(try AuthorizationHeader.bearer(of: request.head, in: request.bytes.span) == nil)
    }
}
