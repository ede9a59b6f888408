internal import Reactor

/// What a peer makes of the gateway's bytes as they come: HTTP answers, and from the one that says
/// 101 on, frames (RFC 6455 §5.2). Strict, and not the gateway's own decoder.
struct StreamReader {
    enum Piece {
        case answer(status: Int)
        case text(ArraySlice<UInt8>)
        case ping
        case pong([UInt8])
        case close(code: UInt16?)
    }

    /// Bytes that are no whole piece yet.
    private var rest: [UInt8] = []
    private var position = 0
    private(set) var isOpen = false
    private(set) var isClosed = false
    /// Of the last answer that was no error.
    private(set) var body: [UInt8] = []

    /// Whether the stream stands at the end of a piece.
    var isWhole: Bool { position == rest.count }

    mutating func append(_ bytes: [UInt8]) {
        if position == rest.count {
            rest = bytes
        } else {
            rest.removeFirst(position)
            rest += bytes
        }
        position = 0
    }

    /// The next whole piece; `nil` when there is none yet.
    mutating func next() throws(Violation) -> Piece? {
        guard position < rest.count else { return nil }
        if isClosed { throw Violation(.stream, "bytes after the Close frame") }
        return isOpen ? try nextFrame() : try nextAnswer()
    }

    // MARK: HTTP

    private mutating func nextAnswer() throws(Violation) -> Piece? {
        guard let end = headEnd() else { return nil }
        let head = String(decoding: rest[position..<end], as: UTF8.self)
        guard head.hasPrefix("HTTP/1.1 "), let status = Int(head.dropFirst(9).prefix(3)) else {
            throw Violation(.stream, "no HTTP answer: \(head)")
        }
        if status == 101 {
            position = end
            isOpen = true
            return .answer(status: status)
        }
        let lines = head.split(separator: "\r\n")
        guard let line = lines.first(where: { $0.hasPrefix("Content-Length: ") }),
            let length = Int(line.dropFirst(16))
        else { throw Violation(.stream, "an answer without its length: \(head)") }
        guard rest.count >= end + length else { return nil }
        // Of what isn't an error only the length is judged: a status has lists.
        guard status == 200 || FlatObject(rest[end..<end + length]) != nil else {
            throw Violation(.message, "a body that isn't JSON")
        }
        if status == 200 { body = Array(rest[end..<end + length]) }
        position = end + length
        return .answer(status: status)
    }

    private func headEnd() -> Int? {
        guard rest.count - position >= 4 else { return nil }
        for end in (position + 4)...rest.count
        where rest[end - 1] == 10 && rest[end - 2] == 13 && rest[end - 3] == 10
            && rest[end - 4] == 13
        { return end }
        return nil
    }

    // MARK: Frames

    private mutating func nextFrame() throws(Violation) -> Piece? {
        let available = rest.count - position
        guard available >= 2 else { return nil }
        let first = rest[position]
        let short = Int(rest[position + 1])
        guard short < 0x80 else { throw Violation(.stream, "a masked frame") }
        let width = short == 126 ? 2 : short == 127 ? 8 : 0
        guard available >= 2 + width else { return nil }
        var count = width == 0 ? short : 0
        for offset in 0..<width { count = count << 8 | Int(rest[position + 2 + offset]) }
        guard width == 0 || count > (width == 2 ? 125 : 65_535) else {
            throw Violation(.stream, "a length that isn't in its shortest form")
        }
        guard available >= 2 + width + count else { return nil }
        let start = position + 2 + width
        position = start + count
        return try piece(first, rest[start..<position])
    }

    private mutating func piece(
        _ first: UInt8, _ payload: ArraySlice<UInt8>
    ) throws(Violation) -> Piece {
        guard first == 0x81 || first == 0xC1 || payload.count <= 125 else {
            throw Violation(.stream, "a long control frame")
        }
        switch first {
        case 0x81: return .text(payload)
        case 0xC1: return .text(try Self.decompressed(payload))
        case 0x89: return .ping
        case 0x8A: return .pong(Array(payload))
        case 0x88:
            isClosed = true
            guard !payload.isEmpty else { return .close(code: nil) }
            guard payload.count >= 2, String(validating: payload.dropFirst(2), as: UTF8.self) != nil
            else { throw Violation(.stream, "a malformed Close frame") }
            return .close(code: payload.prefix(2).reduce(0) { $0 << 8 | UInt16($1) })
        default: throw Violation(.stream, "a frame that begins with \(first)")
        }
    }

    /// A message that came compressed (RFC 7692 §7.2.2), which no message before it matters for.
    private static func decompressed(
        _ payload: ArraySlice<UInt8>
    ) throws(Violation) -> ArraySlice<UInt8> {
        var inflater = Inflater()
        var message = ByteBuffer()
        let bytes = Array(payload)
        guard inflater.decompress(bytes.span, into: &message, bytesMax: 1 << 20) == .done else {
            throw Violation(.stream, "a compressed message that can't be read")
        }
        return message.copy()[...]
    }
}
