/// The first line of a request: `method SP request-target SP HTTP-version` (RFC 9112 §3).
struct RequestLine {
    var method: Range<Int>
    var version: RequestHead.Version
    /// Of an absolute-form target (RFC 9112 §3.2.2).
    var authority: Range<Int>?
    var path: Range<Int>
    var query: Range<Int>?

    /// `line` is without its CRLF; its bytes hold no control characters but tabs.
    init(_ line: Range<Int>, in bytes: borrowing Span<UInt8>) throws(HTTPError) {
        var index = line.lowerBound
        while index < line.upperBound, ASCII.isTokenCharacter(bytes[index]) { index += 1 }
        guard index > line.lowerBound, index < line.upperBound, bytes[index] == ASCII.space else {
            throw .badRequest("the request doesn't begin with a method")
        }
        self.method = line.lowerBound..<index

        let target = index + 1..<line.upperBound
        guard let space = ByteSearch.firstIndex(of: ASCII.space, in: target, of: bytes) else {
            throw .badRequest("the request line has no version")
        }
        self.version = try Self.version(space + 1..<line.upperBound, in: bytes)
        try Self.checkTarget(target.lowerBound..<space, in: bytes)

        var pathStart = target.lowerBound
        self.authority = nil
        if let authority = try Self.authority(of: target.lowerBound..<space, in: bytes) {
            self.authority = authority
            pathStart = authority.upperBound
        }
        let mark = ByteSearch.firstIndex(of: UInt8(ascii: "?"), in: pathStart..<space, of: bytes)
        self.path = pathStart..<(mark ?? space)
        self.query = mark.map { $0 + 1..<space }
    }

    private static func version(
        _ range: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> RequestHead.Version {
        if ASCII.isEqual(bytes, range, to: "HTTP/1.1") { return .http11 }
        if ASCII.isEqual(bytes, range, to: "HTTP/1.0") { return .http10 }
        throw .badRequest("the version is neither HTTP/1.1 nor HTTP/1.0")
    }

    /// Visible ASCII and no fragment. RFC 3986 allows less, but browsers leave some of the rest
    /// (`|`, `{`, `}`, `^`) unencoded in queries (WHATWG URL, query percent-encode set).
    private static func checkTarget(
        _ target: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) {
        guard ByteSearch.firstOutsideTarget(in: target, of: bytes) == nil else {
            throw .badRequest("a character in the request target that can't stand there")
        }
    }

    /// The authority of an absolute-form target, `nil` for the origin form. The two other forms
    /// are for proxies and for OPTIONS, and have nothing to find here.
    private static func authority(
        of target: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> Range<Int>? {
        guard !target.isEmpty else { throw .badRequest("the request target is empty") }
        if bytes[target.lowerBound] == UInt8(ascii: "/") { return nil }
        let start: Int
        if hasPrefixIgnoringCase(bytes, target, "http://") {
            start = target.lowerBound + 7
        } else if hasPrefixIgnoringCase(bytes, target, "https://") {
            start = target.lowerBound + 8
        } else {
            throw .badRequest("the request target is neither a path nor an http URI")
        }
        var end = start
        while end < target.upperBound, bytes[end] != UInt8(ascii: "/"),
            bytes[end] != UInt8(ascii: "?")
        {
            end += 1
        }
        // An http URI without a host is invalid (RFC 9110 §4.2.1).
        guard end > start, HostSyntax.isValid(start..<end, in: bytes) else {
            throw .badRequest("the request target names no valid host")
        }
        return start..<end
    }

    private static func hasPrefixIgnoringCase(
        _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, _ text: StaticString
    ) -> Bool {
        let count = text.utf8CodeUnitCount
        guard range.count >= count else { return false }
        let prefix = range.lowerBound..<range.lowerBound + count
        return ASCII.isEqualIgnoringCase(bytes, prefix, to: text)
    }
}
