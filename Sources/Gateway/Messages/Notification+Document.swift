package import Reactor

// Payloads that aren't plain: read whole, as JSON, and told apart when something is amiss.
extension Notification {
    /// The same as `encode` for any payload.
    static func encodeDocument(
        _ payload: borrowing Span<UInt8>, heard: Cursor?, into buffer: inout ByteBuffer
    ) throws(NotificationError) -> NotificationFacts {
        guard payload.count <= payloadBytesMax else { throw .tooLong }
        let document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(payload)
        } catch {
            throw .invalidJSON(error)
        }
        return try encode(document, heard: heard, into: &buffer)
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
