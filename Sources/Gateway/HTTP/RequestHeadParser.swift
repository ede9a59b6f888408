/// What `RequestHeadParser` found.
package enum HeadResult: Equatable, Sendable {
    /// The head goes on; call again with more bytes behind these.
    case incomplete
    /// The head is these first bytes; what follows them is the next request, or the first frame.
    case complete(headCount: Int)
    /// The bytes are no request that the gateway takes. The connection is answered and closed:
    /// where another request might begin isn't known.
    case failure(HTTPError)
}

/// Finds the end of a request head and reads it (RFC 9112 §2 to §6), strictly: what two programs
/// on the way might read in two ways is refused, because that is what request smuggling lives on.
///
/// The caller keeps the bytes of the head together and calls again when there are more; each byte
/// is searched once, so that delivery byte by byte costs no more than delivery at once. Bytes are
/// judged in their order, so that the outcome doesn't depend on how they were cut.
///
/// The value is all zero between requests.
package struct RequestHeadParser: BitwiseCopyable, Sendable {
    /// Bytes searched.
    private var searched: UInt16 = 0
    /// Where the line begins that is being searched.
    private var lineStart: UInt16 = 0
    /// Where the request line begins: after the empty lines that some clients send before it.
    private var requestLineStart: UInt16 = 0
    private var fieldCount: UInt8 = 0
    private var isAfterRequestLine = false

    package init() {}

    /// Whether no byte of a request has been seen.
    package var isIdle: Bool { searched == 0 }

    /// Goes on with `bytes`, which begin with those of the call before. `head` is written when the
    /// answer is `.complete`; it needn't be kept between calls. The parser starts anew after every
    /// answer but `.incomplete`.
    ///
    /// Hot path.
    package mutating func parse(
        _ bytes: borrowing Span<UInt8>, into head: inout RequestHead
    ) -> HeadResult {
        do throws(HTTPError) {
            guard let fieldsEnd = try searchEnd(in: bytes) else { return .incomplete }
            let start = Int(requestLineStart)
            self = RequestHeadParser()
            head = try RequestHead(
                parsing: bytes, requestLineStart: start, fieldsEnd: fieldsEnd)
            return .complete(headCount: fieldsEnd + 2)
        } catch {
            self = RequestHeadParser()
            return .failure(error)
        }
    }

    /// Where the empty line begins that ends the head; `nil` while it isn't there. Checks the form
    /// of each line as it becomes complete.
    private mutating func searchEnd(
        in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> Int? {
        while true {
            let bound =
                isAfterRequestLine
                ? HTTPLimits.headBytesMax
                : min(HTTPLimits.headBytesMax, Int(lineStart) + HTTPLimits.requestLineBytesMax)
            guard let lineEnd = try searchLine(in: bytes, upTo: min(bound, bytes.count)) else {
                guard bytes.count >= bound else { return nil }
                throw isAfterRequestLine ? .headTooLarge : .requestLineTooLong
            }
            let line = Int(lineStart)..<lineEnd
            lineStart = searched
            if isAfterRequestLine {
                if line.isEmpty { return lineEnd }
                guard fieldCount < HTTPLimits.fieldCountMax else { throw .tooManyFields }
                fieldCount += 1
                try Self.checkFieldLine(line, in: bytes)
            } else if line.isEmpty {
                guard lineEnd < 2 * HTTPLimits.leadingEmptyLinesMax else {
                    throw .badRequest("empty lines instead of a request")
                }
                requestLineStart = searched
            } else {
                _ = try RequestLine(line, in: bytes)
                isAfterRequestLine = true
            }
        }
    }

    /// Searches up to the next line's end and returns where its CRLF begins; `nil` when it isn't
    /// there yet. Control characters are refused where they stand (RFC 9110 §5.5), bare CR and
    /// bare LF among them (RFC 9112 §2.2).
    private mutating func searchLine(
        in bytes: borrowing Span<UInt8>, upTo end: Int
    ) throws(HTTPError) -> Int? {
        var index = Int(searched)
        // Offsets fit: `end` is at most `HTTPLimits.headBytesMax`.
        defer { searched = UInt16(index) }
        while index < end {
            guard let control = ByteSearch.firstControl(in: index..<end, of: bytes) else {
                index = end
                return nil
            }
            index = control
            switch bytes[control] {
            case ASCII.horizontalTab:
                index += 1
            case ASCII.carriageReturn:
                // Left unsearched while its line feed isn't there.
                guard control + 1 < end else { return nil }
                guard bytes[control + 1] == ASCII.lineFeed else {
                    throw .badRequest("a carriage return without a line feed")
                }
                index += 2
                return control
            case ASCII.lineFeed:
                throw .badRequest("a line feed without a carriage return")
            default:
                throw .badRequest("a control character in the request head")
            }
        }
        return nil
    }

    /// Name, colon, value (RFC 9112 §5.1); the value's bytes were checked in the search.
    private static func checkFieldLine(
        _ line: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) {
        if ASCII.isBlank(bytes[line.lowerBound]) {
            throw .badRequest("a folded header field")
        }
        var index = line.lowerBound
        while index < line.upperBound, ASCII.isTokenCharacter(bytes[index]) { index += 1 }
        guard index < line.upperBound, bytes[index] == UInt8(ascii: ":") else {
            throw .badRequest("a header field without a colon, or with a bad name")
        }
        guard index > line.lowerBound else { throw .badRequest("a header field without a name") }
    }
}
