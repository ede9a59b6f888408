package import Reactor

/// The parameters of a query string that the gateway reads (application/x-www-form-urlencoded, as
/// browsers' URLSearchParams and every HTTP client write it).
///
/// Holds places in the request's bytes; `append` decodes one. Unknown parameters are passed over.
package struct Query: BitwiseCopyable, Sendable {
    package private(set) var token = RequestHead.Part()
    package private(set) var projectID = RequestHead.Part()
    package private(set) var since = RequestHead.Part()
    package private(set) var verbose = RequestHead.Part()

    /// Reads the query of `head`, whose bytes are `bytes`.
    ///
    /// Refuses a percent sign without two hexadecimal digits, wherever it stands, and a `token`,
    /// `projectId` or `since` that comes twice: which of two is meant, a proxy that checked one of
    /// them and the gateway could see differently.
    package init(of head: RequestHead, in bytes: borrowing Span<UInt8>) throws(HTTPError) {
        guard head.query.isPresent else { return }
        let query = head.query.range
        try Self.checkEncoding(of: query, in: bytes)
        var start = query.lowerBound
        while start <= query.upperBound {
            let end =
                ByteSearch.firstIndex(
                    of: UInt8(ascii: "&"), in: start..<query.upperBound, of: bytes)
                ?? query.upperBound
            let equals = ByteSearch.firstIndex(of: UInt8(ascii: "="), in: start..<end, of: bytes)
            let value = (equals.map { $0 + 1 } ?? end)..<end
            try read(name: start..<(equals ?? end), value: value, in: bytes)
            start = end + 1
        }
    }

    /// Appends a value, decoded; nothing when it is absent or empty.
    package static func append(
        _ value: RequestHead.Part, of bytes: borrowing Span<UInt8>,
        to buffer: inout ByteBuffer
    ) {
        // Tokens and identifiers hold nothing that is encoded, so most values are one run.
        let range = value.range
        let plainEnd = ByteSearch.firstEncoded(in: range, of: bytes) ?? range.upperBound
        buffer.append(bytes.extracting(range.lowerBound..<plainEnd))
        var rest = FormDecoding(of: plainEnd..<range.upperBound)
        while let byte = rest.next(in: bytes) { buffer.append(byte) }
    }

    private mutating func read(
        name: Range<Int>, value: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) {
        if FormDecoding.isEqual(name, in: bytes, to: "token") {
            guard !token.isPresent else { throw .badRequest("token is there twice") }
            token = .init(value)
        } else if FormDecoding.isEqual(name, in: bytes, to: "projectId") {
            guard !projectID.isPresent else { throw .badRequest("projectId is there twice") }
            projectID = .init(value)
        } else if FormDecoding.isEqual(name, in: bytes, to: "since") {
            guard !since.isPresent else { throw .badRequest("since is there twice") }
            since = .init(value)
        } else if FormDecoding.isEqual(name, in: bytes, to: "verbose") {
            verbose = .init(value)
        }
    }

    private static func checkEncoding(
        of range: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) {
        var rest = range
        while let sign = ByteSearch.firstIndex(of: UInt8(ascii: "%"), in: rest, of: bytes) {
            guard sign + 2 < range.upperBound,
                ASCII.hexadecimalValue(of: bytes[sign + 1]) != nil,
                ASCII.hexadecimalValue(of: bytes[sign + 2]) != nil
            else { throw .badRequest("a percent sign without two hexadecimal digits") }
            rest = sign + 3..<range.upperBound
        }
    }
}

/// Walks the bytes that an encoded name or value stands for. A percent sign that encodes nothing
/// stands for itself; the query was checked for such before.
private struct FormDecoding: BitwiseCopyable {
    private var position: Int
    private let end: Int

    init(of range: Range<Int>) {
        self.position = range.lowerBound
        self.end = range.upperBound
    }

    mutating func next(in bytes: borrowing Span<UInt8>) -> UInt8? {
        guard position < end else { return nil }
        let byte = bytes[position]
        if byte == UInt8(ascii: "%"), position + 2 < end,
            let high = ASCII.hexadecimalValue(of: bytes[position + 1]),
            let low = ASCII.hexadecimalValue(of: bytes[position + 2])
        {
            position += 3
            return high << 4 | low
        }
        position += 1
        return byte == UInt8(ascii: "+") ? ASCII.space : byte
    }

    static func isEqual(
        _ range: Range<Int>, in bytes: borrowing Span<UInt8>, to name: StaticString
    ) -> Bool {
        let count = name.utf8CodeUnitCount
        guard range.count >= count, range.count <= 3 * count else { return false }
        var cursor = FormDecoding(of: range)
        for offset in 0..<count {
            let character = unsafe name.utf8Start[offset]  // In bounds: under its count.
            guard cursor.next(in: bytes) == character else { return false }
        }
        return cursor.position == range.upperBound
    }
}
