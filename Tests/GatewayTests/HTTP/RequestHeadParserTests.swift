import Gateway
import Testing

@Suite struct RequestHeadParserBehaviour {
    @Test func `a browser's handshake is read`() {
        let request = ParsedRequest(ParsedRequest.browserHandshake)
        let head = request.head
        #expect(request.result == .complete(headCount: ParsedRequest.browserHandshake.utf8.count))
        #expect(head.method == .get)
        #expect(head.version == .http11)
        #expect(head.keepAlive)
        #expect(head.upgradesToWebSocket)
        #expect(head.connectionListsUpgrade)
        #expect(request.text(head.methodPart.range) == "GET")
        #expect(request.text(head.path) == "/api/v1/messages/ws")
        #expect(
            request.text(head.query)
                == "token=a.b.c&projectId=0f8fad5b-d9cb-469f-a165-70867728950e")
        #expect(request.text(head.host) == "example.com:8080")
        #expect(request.text(head.upgrade) == "WebSocket")
        #expect(request.text(head.webSocketKey) == "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(request.text(head.webSocketVersion) == "13")
        #expect(request.text(head.webSocketProtocol) == "devhive.v1, bearer.x.y.z")
        #expect(head.webSocketExtensions.count == 1)
        #expect(request.text(head.authorization) == "Bearer t.o.k")
        #expect(request.text(head.origin) == "https://app.example.com")
        #expect(request.text(head.accept) == nil)
    }

    @Test func `the nearest proxy's X-Forwarded-For is the one kept`() {
        let request = ParsedRequest(ParsedRequest.browserHandshake)
        #expect(head(of: request, \.forwardedFor) == "2.2.2.2, 3.3.3.3")
        #expect(request.head.forwardedFor.count == 2)
    }

    private func head(
        of request: ParsedRequest, _ field: KeyPath<RequestHead, RequestHead.Field>
    ) -> String? {
        request.text(request.head[keyPath: field])
    }

    @Test func `a head is small enough to be kept on the stack`() {
        #expect(MemoryLayout<RequestHead>.size <= 200)
        #expect(MemoryLayout<RequestHeadParser>.size <= 8)
    }

    @Test func `the parser is all zero when idle and after each answer`() {
        var parser = RequestHeadParser()
        let idle = zeroBytes(of: parser)
        #expect(idle)
        var head = RequestHead()
        let incomplete = parser.parse("GET / HT".utf8Span.span, into: &head)
        #expect(incomplete == .incomplete)
        #expect(!parser.isIdle)
        let complete = parser.parse("GET / HTTP/1.0\r\n\r\n".utf8Span.span, into: &head)
        #expect(complete == .complete(headCount: 18))
        let idleAgain = zeroBytes(of: parser)
        #expect(idleAgain)
        let failure = parser.parse("\0".utf8Span.span, into: &head)
        #expect(failure != .incomplete)
        #expect(parser.isIdle)
    }

    private func zeroBytes(of parser: RequestHeadParser) -> Bool {
        unsafe withUnsafeBytes(of: parser) { bytes in unsafe bytes.allSatisfy { $0 == 0 } }
    }

    @Test func `what follows the head is not touched, and the next request begins there`() {
        let first = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
        let second = "HEAD /b?q HTTP/1.0\r\n\r\n"
        let bytes = Array((first + second + "\u{0}\n").utf8)
        var parser = RequestHeadParser()
        var head = RequestHead()
        let one = parser.parse(bytes.span, into: &head)
        #expect(one == .complete(headCount: first.utf8.count))
        let rest = bytes.span.extracting(first.utf8.count..<bytes.count)
        let two = parser.parse(rest, into: &head)
        #expect(two == .complete(headCount: second.utf8.count))
        #expect(head.method == .head)
        #expect(head.query.range == 8..<9)
    }

    @Test(arguments: 0...5)
    func `up to four empty lines before the request are passed over (RFC 9112 §2.2)`(count: Int) {
        let request = ParsedRequest(
            String(repeating: "\r\n", count: count) + "GET /x HTTP/1.0\r\n\r\n")
        if count <= HTTPLimits.leadingEmptyLinesMax {
            #expect(request.result == .complete(headCount: request.bytes.count))
            #expect(request.text(request.head.path) == "/x")
            #expect(request.text(request.head.methodPart.range) == "GET")
        } else {
            #expect(request.failure?.kind == .badRequest)
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: , foo ,CLOSE\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n", true),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nCONNECTION: te,\tkeep-alive\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false),
    ])
    func `keep-alive follows the version unless Connection says otherwise (RFC 9112 §9.3)`(
        text: String, expected: Bool
    ) {
        let request = ParsedRequest(text)
        #expect(request.isComplete)
        #expect(request.head.keepAlive == expected)
    }

    @Test(arguments: [
        ("websocket", true), ("h2c, WebSocket", true), ("h2c,websocket ,x", true),
        ("websockets", false), ("web socket", false), ("websocket/13", false), ("", false),
    ])
    func `Upgrade is read as a list without regard to case`(value: String, expected: Bool) {
        let request = ParsedRequest.get("/", "Upgrade: \(value)")
        #expect(request.isComplete)
        #expect(request.head.upgradesToWebSocket == expected)
    }

    @Test(arguments: [
        ("http://a.example/p?q", "a.example", "/p", "q"),
        ("HTTPS://a.example:443/p", "a.example:443", "/p", nil),
        ("http://[::1]:80/", "[::1]:80", "/", nil),
        ("http://a.example?q=/", "a.example", "", "q=/"),
        ("http://a.example", "a.example", "", nil),
    ])
    func `an absolute-form target overrides Host (RFC 9112 §3.2.2)`(
        target: String, host: String, path: String, query: String?
    ) {
        let request = ParsedRequest.get(target)
        #expect(request.isComplete)
        #expect(request.text(request.head.host) == host)
        #expect(request.text(request.head.path) == path)
        #expect(request.text(request.head.query) == query)
    }

    @Test(arguments: [
        "example.com", "example.com:80", "example.com:", "", "127.0.0.1:8080", "[::1]", "[::1]:9",
        "a_b.example", "%41.example",
    ])
    func `valid hosts are taken`(host: String) {
        let request = ParsedRequest("GET / HTTP/1.1\r\nHost:  \(host)\t\r\n\r\n")
        #expect(request.isComplete)
        #expect(request.text(request.head.host) == host)
    }

    @Test func `a Content-Length of zero is no body`() {
        #expect(ParsedRequest.get("/", "Content-Length: 0").isComplete)
    }

    @Test func `repeated fields are counted and the first value is kept`() {
        let request = ParsedRequest.get(
            "/", "Sec-WebSocket-Key: one", "SEC-WEBSOCKET-KEY: two", "Origin:", "Accept: */*")
        #expect(request.head.webSocketKey.count == 2)
        #expect(request.text(request.head.webSocketKey) == "one")
        #expect(request.text(request.head.origin) == "")
        #expect(request.text(request.head.accept) == "*/*")
    }
}
