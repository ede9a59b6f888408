extension RequestHead {
    /// Reads a head whose lines `RequestHeadParser` found well-formed: `requestLineStart` is where
    /// its first line begins, `fieldsEnd` where the empty line does.
    init(
        parsing bytes: borrowing Span<UInt8>, requestLineStart: Int, fieldsEnd: Int
    ) throws(HTTPError) {
        self.init()
        let head = requestLineStart..<fieldsEnd
        guard let lineFeed = ByteSearch.firstIndex(of: ASCII.lineFeed, in: head, of: bytes) else {
            throw .badRequest("the request has no first line")
        }
        let line = try RequestLine(requestLineStart..<lineFeed - 1, in: bytes)
        // Offsets fit: `fieldsEnd` is under `HTTPLimits.headBytesMax`.
        self.fieldsStart = UInt16(lineFeed + 1)
        self.fieldsEnd = UInt16(fieldsEnd)
        self.version = line.version
        self.methodPart = Part(line.method)
        self.path = Part(line.path)
        if let query = line.query { self.query = Part(query) }
        if ASCII.isEqual(bytes, line.method, to: "GET") {
            self.method = .get
        } else if ASCII.isEqual(bytes, line.method, to: "HEAD") {
            self.method = .head
        }

        var found = FieldsInParsing()
        var lines = FieldLines(of: self)
        while let line = lines.next(in: bytes) {
            try read(line, in: bytes, noting: &found)
        }
        if version == .http11 && !found.host {
            throw .badRequest("the Host header is missing")
        }
        if let authority = line.authority { self.host = Part(authority) }
        // `close` wins over `keep-alive` when both are there (RFC 9112 §9.3).
        self.keepAlive =
            !found.connectionClose && (version == .http11 || found.connectionKeepAlive)
    }

    private mutating func read(
        _ line: FieldLines.Line, in bytes: borrowing Span<UInt8>,
        noting found: inout FieldsInParsing
    ) throws(HTTPError) {
        guard let name = FieldName(line.name, in: bytes) else { return }
        switch name {
        case .host:
            guard !found.host else { throw .badRequest("the Host header came twice") }
            guard HostSyntax.isValid(line.value, in: bytes) else {
                throw .badRequest("the Host header names no valid host")
            }
            found.host = true
            host = Part(line.value)
        case .connection:
            readConnection(line.value, in: bytes, noting: &found)
        case .upgrade:
            upgrade.record(line.value)
            var protocols = ListElements(of: line.value)
            while let element = protocols.next(in: bytes) {
                if ASCII.isEqualIgnoringCase(bytes, element, to: "websocket") {
                    upgradesToWebSocket = true
                }
            }
        case .contentLength:
            // Said twice it is refused even if both agree: somebody on the way may take the other.
            guard !found.contentLength else { throw .badRequest("Content-Length came twice") }
            guard isZero(line.value, in: bytes) else {
                throw .badRequest("requests with a body are not taken")
            }
            found.contentLength = true
        case .transferEncoding:
            throw .badRequest("requests with a body are not taken")
        case .accept: accept.record(line.value)
        case .authorization: authorization.record(line.value)
        case .forwardedFor: forwardedFor.recordLast(line.value)
        case .origin: origin.record(line.value)
        case .webSocketExtensions: webSocketExtensions.record(line.value)
        case .webSocketKey: webSocketKey.record(line.value)
        case .webSocketProtocol: webSocketProtocol.record(line.value)
        case .webSocketVersion: webSocketVersion.record(line.value)
        }
    }

    private mutating func readConnection(
        _ value: Range<Int>, in bytes: borrowing Span<UInt8>, noting found: inout FieldsInParsing
    ) {
        var options = ListElements(of: value)
        while let option = options.next(in: bytes) {
            if ASCII.isEqualIgnoringCase(bytes, option, to: "upgrade") {
                connectionListsUpgrade = true
            } else if ASCII.isEqualIgnoringCase(bytes, option, to: "close") {
                found.connectionClose = true
            } else if ASCII.isEqualIgnoringCase(bytes, option, to: "keep-alive") {
                found.connectionKeepAlive = true
            }
        }
    }

    /// Whether a `Content-Length` is the number zero (RFC 9112 §6.3: `1*DIGIT`).
    private func isZero(_ value: Range<Int>, in bytes: borrowing Span<UInt8>) -> Bool {
        for index in value where bytes[index] != UInt8(ascii: "0") { return false }
        return !value.isEmpty
    }
}

/// What matters of the fields only until the head is read.
private struct FieldsInParsing: BitwiseCopyable {
    var host = false
    var contentLength = false
    var connectionClose = false
    var connectionKeepAlive = false
}

/// The header fields that the gateway reads.
private enum FieldName {
    case accept
    case authorization
    case connection
    case contentLength
    case forwardedFor
    case host
    case origin
    case transferEncoding
    case upgrade
    case webSocketExtensions
    case webSocketKey
    case webSocketProtocol
    case webSocketVersion

    /// `nil` for a name that the gateway has no use for. Hot path: the lengths tell nearly all of
    /// them apart, so most names of a browser's request are compared with one or none.
    init?(_ name: Range<Int>, in bytes: borrowing Span<UInt8>) {
        let candidate: FieldName
        let text: StaticString
        let first = ASCII.lowercased(bytes[name.lowerBound])
        switch name.count {
        case 4: (candidate, text) = (.host, "host")
        case 6 where first == UInt8(ascii: "o"): (candidate, text) = (.origin, "origin")
        case 6: (candidate, text) = (.accept, "accept")
        case 7: (candidate, text) = (.upgrade, "upgrade")
        case 10: (candidate, text) = (.connection, "connection")
        case 13: (candidate, text) = (.authorization, "authorization")
        case 14: (candidate, text) = (.contentLength, "content-length")
        case 15: (candidate, text) = (.forwardedFor, "x-forwarded-for")
        case 17 where first == UInt8(ascii: "s"):
            (candidate, text) = (.webSocketKey, "sec-websocket-key")
        case 17: (candidate, text) = (.transferEncoding, "transfer-encoding")
        case 21: (candidate, text) = (.webSocketVersion, "sec-websocket-version")
        case 22: (candidate, text) = (.webSocketProtocol, "sec-websocket-protocol")
        case 24: (candidate, text) = (.webSocketExtensions, "sec-websocket-extensions")
        default: return nil
        }
        guard ASCII.isEqualIgnoringCase(bytes, name, to: text) else { return nil }
        self = candidate
    }
}
