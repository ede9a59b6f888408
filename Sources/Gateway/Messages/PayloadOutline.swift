/// Where the parts of a payload lie that is of the plain kind, as the triggers write nearly all: one
/// object of known keys, each at most once, whose values are strings with content; ASCII without a
/// backslash; no white space but spaces behind colons and commas.
///
/// It spares the hot path a JSON document for each notification, which would be most of the
/// instructions from the payload to the message. It is no second opinion on JSON: what isn't
/// plain, `Notification.encode` reads whole, and of what is plain both say the same.
package struct PayloadOutline: Sendable {
    /// All that a payload can have; up to `timestamp` it must have them.
    enum Part: Int, BitwiseCopyable {
        case resource, id, action, projectID, timestamp, cursor, origin
    }

    package let project: ProjectID
    /// By `Part.rawValue`, without the quotation marks; empty if it isn't there.
    private let parts: InlineArray<7, Range<Int>>

    /// `nil` if the payload isn't plain, or lacks what every payload must have.
    ///
    /// Hot path.
    package init?(_ payload: borrowing Span<UInt8>) {
        guard payload.count <= Notification.payloadBytesMax else { return nil }
        var parts = InlineArray<7, Range<Int>>(repeating: 0..<0)
        var reader = Reader()
        guard reader.skip("{", in: payload) else { return nil }
        repeat {
            guard let key = reader.string(in: payload), reader.skip(":", in: payload),
                let value = reader.string(in: payload),
                let part = Part(key: payload.extracting(key)), parts[part.rawValue].isEmpty
            else { return nil }
            parts[part.rawValue] = value
        } while reader.skip(",", in: payload)
        guard reader.skip("}", in: payload), reader.index == payload.count else { return nil }
        for part in Part.resource.rawValue...Part.timestamp.rawValue where parts[part].isEmpty {
            return nil
        }
        let text = payload.extracting(parts[Part.projectID.rawValue])
        guard let project = ProjectID(text) else { return nil }
        self.project = project
        self.parts = parts
    }

    /// Where the part lies in the payload; empty if it isn't there.
    subscript(part: Part) -> Range<Int> {
        parts[part.rawValue]
    }
}

extension PayloadOutline.Part {
    /// `nil` for a key of another name.
    fileprivate init?(key: borrowing Span<UInt8>) {
        // Most keys are known by their length, and compared once.
        switch key.count {
        case 2 where key.isEqual(to: "id"): self = .id
        case 6 where key.isEqual(to: "action"): self = .action
        case 6 where key.isEqual(to: "cursor"): self = .cursor
        case 6 where key.isEqual(to: "origin"): self = .origin
        case 8 where key.isEqual(to: "resource"): self = .resource
        case 9 where key.isEqual(to: "timestamp"): self = .timestamp
        case 10 where key.isEqual(to: "project_id"): self = .projectID
        default: return nil
        }
    }
}

/// Walks through a payload as long as it is plain.
private struct Reader: BitwiseCopyable {
    var index = 0

    /// Whether the next byte is `character`; if so, it has been passed, and behind a colon or a
    /// comma the spaces too.
    mutating func skip(_ character: Unicode.Scalar, in payload: borrowing Span<UInt8>) -> Bool {
        guard index < payload.count, payload[index] == UInt8(ascii: character) else { return false }
        index += 1
        if character == ":" || character == "," {
            while index < payload.count, payload[index] == UInt8(ascii: " ") { index += 1 }
        }
        return true
    }

    /// Where the content of the string lies that begins here; `nil` if none does, or it isn't plain.
    mutating func string(in payload: borrowing Span<UInt8>) -> Range<Int>? {
        guard skip("\"", in: payload) else { return nil }
        let start = index
        guard
            let end = ByteSearch.firstOutsidePlainText(in: start..<payload.count, of: payload),
            payload[end] == UInt8(ascii: "\""), end > start
        else { return nil }
        index = end + 1
        return start..<end
    }
}
