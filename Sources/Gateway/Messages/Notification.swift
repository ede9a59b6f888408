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
        guard payload.count <= payloadBytesMax else { throw .tooLong }
        let document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(payload)
        } catch {
            throw .invalidJSON(error)
        }
        return try encode(document, heard: heard, into: &buffer)
    }

    /// The cursor, if it is one that everybody may resume by.
    private static func bounded(_ cursor: Cursor?, _ heard: Cursor?) -> Cursor? {
        guard let cursor, let heard else { return nil }
        return min(cursor, heard)
    }

    /// A step of its own: a local document that values are taken of would live on the heap
    /// (Swift 6.3 doesn't undo the box), a parameter doesn't.
    private static func encode(
        _ document: borrowing JSONDocument, heard: Cursor?, into buffer: inout ByteBuffer
    ) throws(NotificationError) -> NotificationFacts {
        let root = document.root
        guard let resource = root.member("resource")?.string, !resource.isEmpty,
            let id = root.member("id")?.string, !id.isEmpty,
            let action = root.member("action")?.string, !action.isEmpty,
            let projectText = root.member("project_id")?.string, !projectText.isEmpty,
            let timestamp = root.member("timestamp")?.string, !timestamp.isEmpty
        else { throw fault(of: root) }
        guard let project = ProjectID(projectText) else { throw .projectNotUUID }
        var cursor: Cursor?
        if let text = root.member("cursor")?.string { cursor = bounded(Cursor(text), heard) }
        var origin = Span<UInt8>()
        if let text = root.member("origin")?.string { origin = text }
        return write(
            resource: resource, id: id, action: action, project: project, timestamp: timestamp,
            cursor: cursor, origin: origin, into: &buffer)
    }

    /// `origin` is empty if there is none.
    private static func write(
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

    /// The first fault of a document that lacks something.
    @inline(never)
    private static func fault(of root: JSONValue) -> NotificationError {
        guard root.kind == .object else { return .notAnObject }
        return fault(at: .resource, of: root) ?? fault(at: .id, of: root)
            ?? fault(at: .action, of: root) ?? fault(at: .projectID, of: root)
            ?? fault(at: .timestamp, of: root) ?? .missing(.timestamp)
    }

    private static func fault(
        at key: NotificationError.Key, of root: JSONValue
    ) -> NotificationError? {
        guard let value = root.member(key.name) else { return .missing(key) }
        guard let text = value.string else { return .notAString(key) }
        return text.isEmpty ? .empty(key) : nil
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

/// Why a payload is skipped. For the log: it holds nothing of the payload.
package enum NotificationError: Error, Equatable, BitwiseCopyable, Sendable {
    /// The keys that every payload must have.
    package enum Key: BitwiseCopyable, Sendable {
        case resource, id, action, projectID, timestamp

        package var name: StaticString {
            switch self {
            case .resource: "resource"
            case .id: "id"
            case .action: "action"
            case .projectID: "project_id"
            case .timestamp: "timestamp"
            }
        }
    }

    case tooLong
    case invalidJSON(JSONError)
    case notAnObject
    case missing(Key)
    case notAString(Key)
    case empty(Key)
    case projectNotUUID
}

extension NotificationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong: "longer than \(Notification.payloadBytesMax) bytes"
        case .invalidJSON(let error): "\(error.summary), at byte \(error.position)"
        case .notAnObject: "not a JSON object"
        case .missing(let key): "\(key.name) is missing"
        case .notAString(let key): "\(key.name) is not a string"
        case .empty(let key): "\(key.name) is empty"
        case .projectNotUUID: "project_id is not a UUID"
        }
    }
}
