import Gateway
import Testing

@Suite struct RequestHeadRefusals {
    @Test(arguments: [
        // The request line (RFC 9112 §3).
        "GET  / HTTP/1.1\r\n", "GET / HTTP/1.1 \r\n", "GET /  HTTP/1.1\r\n", " GET / HTTP/1.1\r\n",
        "GET\t/ HTTP/1.1\r\n", "GET /\r\n", "GET\r\n", "GET / \r\n", "/ HTTP/1.1\r\n",
        "G@T / HTTP/1.1\r\n", "GET HTTP/1.1\r\n", "GET / a HTTP/1.1\r\n",
        // Versions.
        "GET / HTTP/2.0\r\n", "GET / HTTP/1.2\r\n", "GET / HTTP/0.9\r\n", "GET / http/1.1\r\n",
        "GET / HTTP/1.10\r\n", "GET / HTTP/11\r\n", "PRI * HTTP/2.0\r\n",
        // Targets.
        "OPTIONS * HTTP/1.1\r\n", "CONNECT a.example:443 HTTP/1.1\r\n", "GET api HTTP/1.1\r\n",
        "GET ftp://a/ HTTP/1.1\r\n", "GET http:/a HTTP/1.1\r\n", "GET http:///a HTTP/1.1\r\n",
        "GET http://u@a/ HTTP/1.1\r\n", "GET http://a:b/ HTTP/1.1\r\n", "GET /# HTTP/1.1\r\n",
        "GET /\u{E9} HTTP/1.1\r\n", "GET ?q HTTP/1.1\r\n", "GET /a\tb HTTP/1.1\r\n",
        // Not HTTP at all: the beginning of a TLS ClientHello.
        "\u{16}\u{3}\u{1}",
    ])
    func `a bad request line is refused as soon as it is there`(line: String) {
        #expect(ParsedRequest(line).failure?.kind == .badRequest)
    }

    @Test(arguments: [
        "Host : x\r\n", ": x\r\n", "Host\r\n", "Ho st: x\r\n", "Ho\"st: x\r\n", " Host: x\r\n",
        "\tHost: x\r\n", "A: b\r\n folded\r\n", "A: b\r\n\tfolded\r\n", "H\u{E9}: x\r\n",
        // Where they stand, the line isn't over yet.
        "A: b\u{0}", "A: \u{7F}", "A: \u{1B}", "A: b\n", "A: b\rc", "A: b\r\r\n", "\u{B}", "\n",
    ])
    func `a bad field line is refused as soon as it is there`(line: String) {
        #expect(ParsedRequest("GET / HTTP/1.1\r\n" + line).failure?.kind == .badRequest)
    }

    @Test(arguments: [
        "Host: a\r\nHost: a\r\n", "", "Accept: x\r\n", "Host: a b\r\n", "Host: a, b\r\n",
        "Host: u@a\r\n", "Host: a/b\r\n", "Host: a:8o\r\n", "Host: [::1\r\n", "Host: []\r\n",
        "Host: [::1]x\r\n", "Host: a#b\r\n", "Host: a:1:2\r\n", "Host: \u{E9}\r\n",
    ])
    func `HTTP 1.1 needs Host exactly once, and valid (RFC 9112 §3.2)`(fields: String) {
        let request = ParsedRequest("GET / HTTP/1.1\r\n\(fields)\r\n")
        #expect(request.failure?.kind == .badRequest)
    }

    @Test func `HTTP 1.0 does without Host but doesn't take two`() {
        #expect(ParsedRequest("GET / HTTP/1.0\r\n\r\n").isComplete)
        let twice = ParsedRequest("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")
        #expect(twice.failure?.kind == .badRequest)
    }

    @Test(arguments: [
        "Content-Length: 1", "Content-Length: 00000000000000000000001", "Content-Length: +0",
        "Content-Length: -0", "Content-Length: 0, 0", "Content-Length:", "Content-Length: 0x0",
        "Content-Length: 18446744073709551616", "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity", "transfer-encoding:",
        "Content-Length: 0\r\nContent-Length: 0",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
    ])
    func `what announces a body, or might to somebody else, is refused and closed`(field: String) {
        let failure = ParsedRequest.get("/", field).failure
        #expect(failure?.kind == .badRequest)
        #expect(failure?.closesConnection == true)
    }

    @Test func `two line feeds don't end a head`() {
        #expect(ParsedRequest("GET / HTTP/1.0\n\n").failure?.kind == .badRequest)
    }

    @Test(arguments: -1...1)
    func `a head of 16 KiB is taken and a larger one is 431`(excess: Int) {
        let start = "GET / HTTP/1.1\r\nHost: x\r\nA: "
        let end = "\r\n\r\n"
        let fill = HTTPLimits.headBytesMax + excess - start.utf8.count - end.utf8.count
        let request = ParsedRequest(start + String(repeating: "a", count: fill) + end)
        #expect(request.bytes.count == HTTPLimits.headBytesMax + excess)
        if excess <= 0 {
            #expect(request.result == .complete(headCount: request.bytes.count))
        } else {
            #expect(request.failure == .headTooLarge)
        }
    }

    @Test(arguments: -1...1)
    func `16 KiB without an end are refused when the last of them comes`(excess: Int) {
        let start = "GET / HTTP/1.1\r\nHost: x\r\nA: "
        let fill = HTTPLimits.headBytesMax + excess - start.utf8.count
        let request = ParsedRequest(start + String(repeating: "a", count: fill))
        #expect(request.result == (excess < 0 ? .incomplete : .failure(.headTooLarge)))
    }

    @Test(arguments: -1...1)
    func `a request line of 8 KiB is taken and a longer one is 431`(excess: Int) {
        let fill = HTTPLimits.requestLineBytesMax + excess - "GET / HTTP/1.1\r\n".utf8.count
        // Empty lines before it don't count for it.
        let request = ParsedRequest(
            "\r\nGET /\(String(repeating: "a", count: fill)) HTTP/1.1\r\nHost: x\r\n\r\n")
        if excess <= 0 {
            #expect(request.result == .complete(headCount: request.bytes.count))
        } else {
            #expect(request.failure == .requestLineTooLong)
        }
    }

    @Test(arguments: -1...1)
    func `a hundred header fields are taken and more are 431`(excess: Int) {
        let others = HTTPLimits.fieldCountMax + excess - 1
        let request = ParsedRequest(
            "GET / HTTP/1.1\r\nHost: x\r\n"
                + String(repeating: "Origin: b\r\n", count: others) + "\r\n")
        if excess <= 0 {
            #expect(request.isComplete)
            #expect(Int(request.head.origin.count) == others)
        } else {
            #expect(request.failure == .tooManyFields)
        }
    }

    @Test func `a mebibyte of headers and ten thousand headers are 431`() {
        let long = "GET / HTTP/1.1\r\nA: " + String(repeating: "a", count: 1 << 20)
        let many = "GET / HTTP/1.1\r\n" + String(repeating: "A:\r\n", count: 10_000)
        #expect(ParsedRequest(long).failure == .headTooLarge)
        #expect(ParsedRequest(many).failure == .tooManyFields)
    }
}
