package import Reactor

/// How an answer must look, apart from what it says.
package struct ResponseForm: BitwiseCopyable, Sendable {
    /// HEAD is answered with the head alone; its fields are those of GET (RFC 9110 §9.3.2).
    package var omitsBody: Bool
    package var version: RequestHead.Version
    /// Whether the connection stays open behind the answer.
    package var keepAlive: Bool

    package init(omitsBody: Bool, version: RequestHead.Version, keepAlive: Bool) {
        self.omitsBody = omitsBody
        self.version = version
        self.keepAlive = keepAlive
    }

    /// As the request wants it.
    package init(answering head: RequestHead) {
        self.init(
            omitsBody: head.method == .head, version: head.version, keepAlive: head.keepAlive)
    }

    /// For when no request was understood: a body, and the end of the connection.
    package static var closing: ResponseForm {
        ResponseForm(omitsBody: false, version: .http11, keepAlive: false)
    }
}

/// What a body is.
package enum ContentType: UInt8, BitwiseCopyable, Sendable {
    case json
    case plainText
    /// Prometheus text exposition format 0.0.4.
    case metrics

    var line: StaticString {
        switch self {
        case .json: "Content-Type: application/json\r\n"
        case .plainText: "Content-Type: text/plain; charset=utf-8\r\n"
        case .metrics: "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        }
    }
}

/// Writes whole answers. Each says its length, forbids caches to keep it, and tells browsers not
/// to guess its type, to load nothing because of it, and to tell nobody its URL, which may hold a
/// token.
package enum ResponseWriter {
    /// Appends an answer with `body`.
    package static func write(
        _ status: HTTPStatus, _ contentType: ContentType, body: borrowing Span<UInt8>,
        as form: ResponseForm, into buffer: inout ByteBuffer
    ) {
        buffer.append(status.line)
        writeCommonFields(contentType, bodyCount: body.count, into: &buffer)
        writeConnection(form, upgrading: false, into: &buffer)
        buffer.append("\r\n")
        if !form.omitsBody { buffer.append(body.extracting(0..<body.count)) }
    }

    static func write(
        _ status: HTTPStatus, _ contentType: ContentType, body: borrowing ByteBuffer,
        as form: ResponseForm, into buffer: inout ByteBuffer
    ) {
        write(status, contentType, body: body.bytes, as: form, into: &buffer)
    }

    /// Appends a refusal with the error's own message.
    package static func write(
        _ error: HTTPError, as form: ResponseForm, into buffer: inout ByteBuffer
    ) {
        // A literal's bytes live as long as the program.
        let message = unsafe Span(
            _unsafeStart: error.message.utf8Start, count: error.message.utf8CodeUnitCount)
        write(error, message: message, as: form, into: &buffer)
    }

    /// Appends a refusal that says `message` in place of the error's own: UTF-8, which may quote
    /// what the client sent.
    ///
    /// The connection ends behind it if the error demands that, whatever `form` says.
    package static func write(
        _ error: HTTPError, message: borrowing Span<UInt8>, as form: ResponseForm,
        into buffer: inout ByteBuffer
    ) {
        var form = form
        if error.closesConnection { form.keepAlive = false }
        // The body is written twice, the first time to see how long it gets: escaping decides.
        let start = buffer.count
        writeErrorBody(error, message: message, into: &buffer)
        let bodyCount = buffer.count - start
        buffer.truncate(to: start)

        buffer.append(error.status.line)
        writeCommonFields(.json, bodyCount: bodyCount, into: &buffer)
        writeOwnFields(of: error, into: &buffer)
        writeConnection(form, upgrading: error.kind == .upgradeRequired, into: &buffer)
        buffer.append("\r\n")
        if !form.omitsBody { writeErrorBody(error, message: message, into: &buffer) }
    }

    static func write(
        _ error: HTTPError, message: borrowing ByteBuffer, as form: ResponseForm,
        into buffer: inout ByteBuffer
    ) {
        write(error, message: message.bytes, as: form, into: &buffer)
    }

    private static func writeErrorBody(
        _ error: HTTPError, message: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"error":{"code":""#)
        buffer.append(error.code)
        buffer.append(#"","message":"#)
        JSONString.write(message, into: &buffer)
        buffer.append("}}")
    }

    private static func writeCommonFields(
        _ contentType: ContentType, bodyCount: Int, into buffer: inout ByteBuffer
    ) {
        buffer.append(contentType.line)
        buffer.append("Content-Length: ")
        buffer.append(decimal: UInt64(bodyCount))
        buffer.append(
            """
            \r
            Cache-Control: no-store\r
            X-Content-Type-Options: nosniff\r
            Content-Security-Policy: default-src 'none'\r
            Referrer-Policy: no-referrer\r

            """)
    }

    /// The fields that a status demands (RFC 9110 §10.2, §11.6.1, §15.5.22; RFC 6455 §4.4; RFC 6750
    /// §3, which wants no `error` where no token was sent).
    private static func writeOwnFields(of error: HTTPError, into buffer: inout ByteBuffer) {
        switch error.kind {
        case .missingToken:
            buffer.append("WWW-Authenticate: Bearer realm=\"devhive\"\r\n")
        case .invalidToken, .refusedToken:
            buffer.append(
                "WWW-Authenticate: Bearer realm=\"devhive\", error=\"invalid_token\"\r\n")
        case .methodNotAllowed:
            switch error.allowed {
            case .get: buffer.append("Allow: GET\r\n")
            case .getAndHead: buffer.append("Allow: GET, HEAD\r\n")
            }
        case .upgradeRequired:
            buffer.append("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
        case .tooManyConnections, .unavailable:
            buffer.append("Retry-After: ")
            buffer.append(decimal: UInt64(error.retryAfterSeconds))
            buffer.append("\r\n")
        case .badRequest, .forbidden, .notFound, .timeout, .headerTooLarge: break
        }
    }

    /// `Connection`, where the version's default doesn't say it already (RFC 9112 §9.3). Whoever
    /// sends `Upgrade` lists it there (RFC 9110 §7.8).
    private static func writeConnection(
        _ form: ResponseForm, upgrading: Bool, into buffer: inout ByteBuffer
    ) {
        switch (form.keepAlive, form.version, upgrading) {
        case (true, .http11, false): break
        case (true, .http11, true): buffer.append("Connection: Upgrade\r\n")
        case (true, .http10, false): buffer.append("Connection: keep-alive\r\n")
        case (true, .http10, true): buffer.append("Connection: keep-alive, Upgrade\r\n")
        case (false, _, false): buffer.append("Connection: close\r\n")
        case (false, _, true): buffer.append("Connection: close, Upgrade\r\n")
        }
    }
}
