package import Reactor

/// The payload of a NOTIFY on the channel `cache_invalidate` (docs/protocol.md): turned into
/// the message that clients get, in one pass and without keeping any of it.
package enum Notification {
    /// Bytes that PostgreSQL allows a payload (NOTIFY: "must be shorter than 8000 bytes").
    package static let payloadBytesMax = 7_999

    /// Appends the client's `cache_invalidate` message for `payload` to `buffer`, and tells what
    /// the gateway itself must know of it. If it throws, nothing has been appended.
    ///
    /// `resource`, `id`, `action`, `project_id` and `timestamp` must be strings with content, in any
    /// order; `origin` is passed on if it is such a string, `cursor` if it is a cursor, but not one
    /// beyond `heard`: any role may NOTIFY, and a cursor of the future would make whoever resumes by it
    /// miss what is committed until then. Those two only help clients to do less, so a bad one is left
    /// out instead of costing them the event. Other keys are ignored.
    ///
    /// Hot path.
    package static func encode(
        payload: borrowing Span<UInt8>, heard: Cursor?, into buffer: inout ByteBuffer
    ) throws(NotificationError) -> NotificationFacts {
        try encode(payload: payload, outline: PayloadOutline(payload), heard: heard, into: &buffer)
    }

    /// The same for who has looked at the payload before: `outline` is what it found. Without one the
    /// payload is read as a JSON document.
    ///
    /// Hot path.
    package static func encode(
        payload: borrowing Span<UInt8>, outline: PayloadOutline?, heard: Cursor?,
        into buffer: inout ByteBuffer
    ) throws(NotificationError) -> NotificationFacts {
        if let outline {
            return write(
                resource: payload.extracting(outline[.resource]),
                id: payload.extracting(outline[.id]),
                action: payload.extracting(outline[.action]), project: outline.project,
                timestamp: payload.extracting(outline[.timestamp]),
                cursor: bounded(Cursor(payload.extracting(outline[.cursor])), heard),
                origin: payload.extracting(outline[.origin]), into: &buffer)
        }
        return try encodeDocument(payload, heard: heard, into: &buffer)
    }

    /// The cursor, if it is one that everybody may resume by.
    static func bounded(_ cursor: Cursor?, _ heard: Cursor?) -> Cursor? {
        guard let cursor, let heard else { return nil }
        return min(cursor, heard)
    }

    /// `origin` is empty if there is none.
    static func write(
        resource: borrowing Span<UInt8>, id: borrowing Span<UInt8>, action: borrowing Span<UInt8>,
        project: ProjectID, timestamp: borrowing Span<UInt8>, cursor: Cursor?,
        origin: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) -> NotificationFacts {
        buffer.append(#"{"type":"cache_invalidate","resource":"#)
        JSONString.write(resource, into: &buffer)
        buffer.append(#","action":"#)
        JSONString.write(action, into: &buffer)
        buffer.append(#","project_id":""#)
        project.write(to: &buffer)
        buffer.append(#"","data":{"id":"#)
        JSONString.write(id, into: &buffer)
        buffer.append(#","timestamp":"#)
        JSONString.write(timestamp, into: &buffer)
        buffer.append("}")
        if let cursor {
            buffer.append(#","cursor":"#)
            Cursor.write(cursor, to: &buffer)
        }
        if !origin.isEmpty {
            buffer.append(#","origin":"#)
            JSONString.write(origin, into: &buffer)
        }
        buffer.append("}")
        return NotificationFacts(
            project: project, timestamp: Timestamp(timestamp),
            effect: NotificationFacts.Effect(
                resource: resource, action: action, id: id, project: project))
    }

    /// Adds `spread_ms` to a `cache_invalidate` that stands complete in `buffer`: the client waits a
    /// random part of it before it fetches again. It is the last key, and known only when the
    /// audience is. 0 adds nothing.
    ///
    /// Hot path.
    package static func addSpread(milliseconds: UInt32, to buffer: inout ByteBuffer) {
        guard milliseconds > 0 else { return }
        buffer.truncate(to: buffer.count - 1)
        buffer.append(#","spread_ms":"#)
        buffer.append(decimal: UInt64(milliseconds))
        buffer.append("}")
    }
}

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
        var reader = PlainReader()
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
private struct PlainReader: BitwiseCopyable {
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

/// What the gateway itself must know of a notification.
package struct NotificationFacts: Equatable, BitwiseCopyable, Sendable {
    package let project: ProjectID
    /// When the change was made; `nil` if the text can't be read, which clients get all the same.
    package let timestamp: Timestamp?
    package let effect: Effect

    /// What a change means for subscriptions (docs/protocol.md).
    package enum Effect: Equatable, BitwiseCopyable, Sendable {
        case none
        /// This user is no member any more.
        case memberRemoved(UserID)
        /// Some users may be members no more, but the payload doesn't say which: a bulk change,
        /// or an id of another form. Everyone's membership must be looked up again.
        case someMembersRemoved
        /// Nobody can be a member any more.
        case projectDeleted
    }
}

extension NotificationFacts.Effect {
    /// Reads rows of `project_members` by the id `<project>:<user>`.
    ///
    /// Hot path.
    init(
        resource: borrowing Span<UInt8>, action: borrowing Span<UInt8>,
        id: borrowing Span<UInt8>, project: ProjectID
    ) {
        let isRemoval = action.isEqual(to: "DELETE") || action.isEqual(to: "TRUNCATE")
        if resource.isEqual(to: "projects") {
            self = isRemoval ? .projectDeleted : .none
        } else if resource.isEqual(to: "project_members") {
            guard isRemoval else {
                // A bulk UPDATE can change who the members are.
                let isBulkUpdate = id.isEqual(to: "*") && !action.isEqual(to: "INSERT")
                self = isBulkUpdate ? .someMembersRemoved : .none
                return
            }
            let middle = UUID.textCount
            guard id.count == middle * 2 + 1, id[middle] == UInt8(ascii: ":"),
                ProjectID(id.extracting(0..<middle)) == project,
                let user = UserID(id.extracting((middle + 1)..<id.count))
            else {
                self = .someMembersRemoved
                return
            }
            self = .memberRemoved(user)
        } else {
            self = .none
        }
    }
}
