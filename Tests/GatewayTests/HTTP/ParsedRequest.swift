import Gateway
import Reactor
import Testing

/// A request and what the parser made of it, for the suites of this folder.
struct ParsedRequest: Equatable {
    var bytes: [UInt8]
    var result: HeadResult
    var head: RequestHead

    /// What Chromium sends, with every field added that the gateway reads.
    static let browserHandshake =
        "GET /api/v1/messages/ws?token=a.b.c&projectId=0f8fad5b-d9cb-469f-a165-70867728950e "
        + "HTTP/1.1\r\nHost: example.com:8080\r\nConnection: keep-alive, Upgrade\r\n"
        + "Pragma: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nUpgrade: WebSocket\r\n"
        + "Origin: https://app.example.com\r\nSec-WebSocket-Version: 13\r\n"
        + "Accept-Language: de, en;q=0.8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        + "Sec-WebSocket-Protocol: devhive.v1, bearer.x.y.z\r\nAuthorization: Bearer t.o.k\r\n"
        + "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for:\t2.2.2.2, 3.3.3.3 \r\nCookie: a=\u{E9}\r\n\r\n"

    /// Parses `text` as delivered at once.
    init(_ text: String) {
        self.init(bytes: Array(text.utf8), cuts: [])
    }

    /// Parses `bytes` as delivered in pieces that end at each of `cuts` and at the end, up to the
    /// first answer that isn't `.incomplete`.
    init(bytes: [UInt8], cuts: some Sequence<Int>) {
        var parser = RequestHeadParser()
        var head = RequestHead()
        var result = HeadResult.incomplete
        for end in Array(cuts) + [bytes.count] where result == .incomplete {
            // A head that is kept between calls must not matter.
            head = RequestHead()
            result = parser.parse(bytes.span.extracting(0..<end), into: &head)
        }
        self.bytes = bytes
        self.result = result
        self.head = head
    }

    /// A GET of `target` in HTTP/1.1 with a host and these field lines.
    static func get(_ target: String, _ fields: String...) -> ParsedRequest {
        let lines = (["Host: example.com"] + fields).map { $0 + "\r\n" }.joined()
        return ParsedRequest("GET \(target) HTTP/1.1\r\n\(lines)\r\n")
    }

    /// `nil` when the parser didn't refuse.
    var failure: HTTPError? {
        if case .failure(let error) = result { error } else { nil }
    }

    var isComplete: Bool {
        if case .complete = result { true } else { false }
    }

    func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }

    func text(_ part: RequestHead.Part) -> String? {
        part.isPresent ? text(part.range) : nil
    }

    func text(_ field: RequestHead.Field) -> String? {
        field.isPresent ? text(field.range) : nil
    }
}
