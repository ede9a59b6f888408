import Gateway
import Reactor
import Testing

@Suite struct ResponseWriterBehaviour {
    private static var tooMany: HTTPError {
        var error = HTTPError(.tooManyConnections, "too many connections")
        error.retryAfterSeconds = 7
        return error
    }

    private func written(_ error: HTTPError, as form: ResponseForm = .closing) -> String {
        var buffer = ByteBuffer(capacity: 1)
        ResponseWriter.write(error, as: form, into: &buffer)
        return String(decoding: buffer)
    }

    static let open = ResponseForm(omitsBody: false, version: .http11, keepAlive: true)

    @Test func `an error is answered in JSON, byte for byte`() {
        #expect(
            written(.notFound, as: Self.open)
                == "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
                + "Content-Length: 64\r\nCache-Control: no-store\r\n"
                + "X-Content-Type-Options: nosniff\r\n"
                + "Content-Security-Policy: default-src 'none'\r\n"
                + "Referrer-Policy: no-referrer\r\n\r\n"
                + #"{"error":{"code":"not_found","message":"there is nothing here"}}"#)
    }

    @Test func `each kind has the status, code and fields of the catalogue`() {
        let catalogue: [(HTTPError, String, String, String)] = [
            (.badRequest("x"), "400 Bad Request", "bad_request", ""),
            (
                .missingToken, "401 Unauthorized", "unauthorized",
                "WWW-Authenticate: Bearer realm=\"devhive\"\r\n"
            ),
            (
                .invalidToken, "401 Unauthorized", "unauthorized",
                "WWW-Authenticate: Bearer realm=\"devhive\", error=\"invalid_token\"\r\n"
            ),
            (.notAMember, "403 Forbidden", "forbidden", ""),
            (.originNotAllowed, "403 Forbidden", "forbidden", ""),
            (.notFound, "404 Not Found", "not_found", ""),
            (
                .methodNotAllowed(.get), "405 Method Not Allowed", "method_not_allowed",
                "Allow: GET\r\n"
            ),
            (
                .methodNotAllowed(.getAndHead), "405 Method Not Allowed", "method_not_allowed",
                "Allow: GET, HEAD\r\n"
            ),
            (.timeout, "408 Request Timeout", "timeout", ""),
            (
                .upgradeRequired, "426 Upgrade Required", "upgrade_required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            ),
            (
                Self.tooMany, "429 Too Many Requests",
                "too_many_connections", "Retry-After: 7\r\n"
            ),
            (
                .headTooLarge, "431 Request Header Fields Too Large", "header_too_large", ""
            ),
            (
                .unavailable("draining", retryAfterSeconds: 30), "503 Service Unavailable",
                "unavailable", "Retry-After: 30\r\n"
            ),
        ]
        for (error, status, code, fields) in catalogue {
            let text = written(error)
            let connection =
                error.kind == .upgradeRequired ? "close, Upgrade" : "close"
            #expect(text.hasPrefix("HTTP/1.1 \(status)\r\n"))
            #expect(text.contains("no-referrer\r\n\(fields)Connection: \(connection)\r\n\r\n{"))
            #expect(
                text.hasSuffix(
                    "{\"error\":{\"code\":\"\(code)\",\"message\":\"\(error.message)\"}}"))
        }
    }

    @Test func `Content-Length counts the bytes of the escaped message`() throws {
        var buffer = ByteBuffer()
        let message = "bad \"é\"\n\u{1}"
        ResponseWriter.write(
            .badRequest(""), message: message.utf8Span.span, as: .closing, into: &buffer)
        let text = String(decoding: buffer)
        let body = #"{"error":{"code":"bad_request","message":"bad \"é\"\n\u0001"}}"#
        #expect(text.hasSuffix("\r\n\r\n" + body))
        #expect(text.contains("Content-Length: \(body.utf8.count)\r\n"))
    }

    @Test func `HEAD gets the same head and no body`() throws {
        let form = ResponseForm(omitsBody: true, version: .http11, keepAlive: true)
        let head = written(.notFound, as: form)
        let whole = written(.notFound, as: Self.open)
        #expect(head.hasSuffix("\r\n\r\n"))
        #expect(whole.hasPrefix(head))
        var buffer = ByteBuffer()
        ResponseWriter.write(
            .ok, .metrics, body: "up 1\n".utf8Span.span, as: form, into: &buffer)
        let metrics = String(decoding: buffer)
        #expect(metrics.contains("Content-Length: 5\r\n"))
        #expect(metrics.hasSuffix("no-referrer\r\n\r\n"))
    }

    @Test func `a body is sent as it is, behind what came before in the buffer`() {
        var buffer = ByteBuffer()
        buffer.append("before")
        ResponseWriter.write(
            .serviceUnavailable, .plainText, body: "not ready\n".utf8Span.span, as: Self.open,
            into: &buffer)
        let text = String(decoding: buffer)
        #expect(
            text == "beforeHTTP/1.1 503 Service Unavailable\r\n"
                + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n"
                + "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                + "Content-Security-Policy: default-src 'none'\r\n"
                + "Referrer-Policy: no-referrer\r\n\r\nnot ready\n")
    }

    @Test func `Connection says what the version's default doesn't (RFC 9112 §9.3)`() {
        func connection(_ error: HTTPError, _ version: RequestHead.Version, _ open: Bool) -> String
        {
            let form = ResponseForm(omitsBody: true, version: version, keepAlive: open)
            let lines = written(error, as: form).split(separator: "\r\n")
            return lines.filter { $0.hasPrefix("Connection: ") }.joined(separator: "|")
        }
        #expect(connection(.notFound, .http11, true) == "")
        #expect(connection(.notFound, .http11, false) == "Connection: close")
        #expect(connection(.notFound, .http10, true) == "Connection: keep-alive")
        #expect(connection(.notFound, .http10, false) == "Connection: close")
        #expect(connection(.upgradeRequired, .http11, true) == "Connection: Upgrade")
        #expect(connection(.upgradeRequired, .http10, true) == "Connection: keep-alive, Upgrade")
        // Whatever the request wants: what follows a bad one isn't known.
        #expect(connection(.badRequest("x"), .http11, true) == "Connection: close")
    }
}
