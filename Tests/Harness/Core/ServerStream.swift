internal import Gateway
internal import Reactor

/// What a peer makes of the bytes that it got: the answer to its handshake, then frames. Frames that
/// no server may send trap.
package struct ServerStream {
    /// The status of the first answer; `nil` while its head isn't complete.
    package private(set) var status: Int?
    /// The first answer's status line and fields.
    package private(set) var head = ""
    /// The statuses of all answers, when none of them opened a WebSocket.
    package private(set) var statuses: [Int] = []
    /// Text messages.
    package private(set) var texts: [String] = []
    /// Everything in order: `text …`, `ping …`, `pong …`, `close CODE REASON`.
    package private(set) var events: [String] = []
    /// Close code; 1005 for none.
    package private(set) var closeCode: UInt16?
    /// How many of the messages came compressed.
    package private(set) var compressedCount = 0
    /// Bytes of a frame that isn't complete.
    package private(set) var restCount = 0

    package init(_ bytes: [UInt8]) {
        guard let body = readHead(bytes) else { return }
        guard status == 101 else {
            let text = String(decoding: bytes, as: UTF8.self)
            statuses = text.split(separator: "HTTP/1.1 ").compactMap { Int($0.prefix(3)) }
            return
        }
        readFrames(bytes[body...])
    }

    /// What follows the head, or what was read before.
    package init(frames bytes: [UInt8]) {
        readFrames(bytes[...])
    }

    private mutating func readHead(_ bytes: [UInt8]) -> Int? {
        let end = Array("\r\n\r\n".utf8)
        guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else {
            return nil
        }
        let text = String(decoding: bytes[..<start], as: UTF8.self)
        head = text
        status = Int(text.split(separator: " ")[1])
        return start + end.count
    }

    private mutating func readFrames(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while let first = rest.first {
            guard rest.count >= 2 else { break }
            let short = Int(rest[rest.startIndex + 1])
            let width = short == 126 ? 2 : short == 127 ? 8 : 0
            guard rest.count >= 2 + width else { break }
            let lengthBytes = rest.dropFirst(2).prefix(width)
            let length = width == 0 ? short : lengthBytes.reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= 2 + width + length else { break }
            take(first, Array(rest.dropFirst(2 + width).prefix(length)))
            rest = rest.dropFirst(2 + width + length)
        }
        restCount = rest.count
    }

    private mutating func take(_ first: UInt8, _ payload: [UInt8]) {
        precondition(closeCode == nil, "a frame after the Close frame")
        let text = String(decoding: payload, as: UTF8.self)
        switch first {
        case 0x81:
            texts.append(text)
            events.append("text \(text)")
        case 0xC1:
            compressedCount += 1
            take(0x81, decompressed(payload))
        case 0x88:
            let code = payload.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
            closeCode = payload.isEmpty ? 1_005 : code
            let reason = String(decoding: payload.dropFirst(2), as: UTF8.self)
            events.append("close \(closeCode ?? 0) \(reason)")
        case 0x89: events.append("ping \(text)")
        case 0x8A: events.append("pong \(text)")
        default: preconditionFailure("a frame that begins with \(first)")
        }
    }
}

extension ServerStream {
    /// As a client that was told that no context is kept.
    private func decompressed(_ payload: [UInt8]) -> [UInt8] {
        var inflater = Inflater()
        var message = ByteBuffer()
        let outcome = inflater.decompress(payload.span, into: &message, bytesMax: 1 << 20)
        precondition(outcome == .done, "a compressed message is \(outcome)")
        return message.copy()
    }
}

/// What the tests read in a `cache_invalidate` message.
package struct Invalidation: Equatable {
    /// The event's number; `nil` for a resync.
    package var event: Int?
    package var project: UInt64
    package var resource: String
    package var timestamp: String

    package init?(_ text: String) {
        guard text.hasPrefix(#"{"type":"cache_invalidate""#),
            let resource = Self.value("resource", in: text),
            let project = Self.value("project_id", in: text),
            let number = project.split(separator: "-").last.flatMap({ UInt64($0, radix: 16) }),
            let id = Self.value("id", in: text), let time = Self.value("timestamp", in: text)
        else { return nil }
        self.resource = resource
        self.project = number
        event = id == "*" ? nil : Int(id)
        timestamp = time
    }

    private static func value(_ key: String, in text: String) -> String? {
        let parts = text.split(separator: #""\#(key)":""#, maxSplits: 1)
        guard parts.count == 2 else { return nil }
        return parts[1].split(separator: "\"").first.map(String.init)
    }
}
