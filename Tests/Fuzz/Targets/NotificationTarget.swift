internal import Gateway
internal import Reactor

/// `Notification`: the message that clients get is JSON, and a payload made of its parts gives the
/// same message again. What a plain payload is taken for is what the JSON document says.
enum NotificationTarget {
    private static let heard = Cursor(transaction: .max)

    static func run(_ input: [UInt8]) {
        var message = ByteBuffer()
        message.append("before")
        let facts: NotificationFacts
        do throws(NotificationError) {
            facts = try Notification.encode(
                payload: input.span, outline: nil, heard: heard, into: &message)
        } catch {
            precondition(PayloadOutline(input.span) == nil, "plain, and yet refused")
            precondition(message.copy() == Array("before".utf8), "written, and then refused")
            precondition(!error.description.isEmpty)
            return
        }
        let text = Array(message.copy().dropFirst(6))
        precondition(JSONText.isObject(text.span))
        if let outline = PayloadOutline(input.span) {
            var other = ByteBuffer()
            do throws(NotificationError) {
                let same = try Notification.encode(
                    payload: input.span, outline: outline, heard: heard, into: &other)
                precondition(outline.project == facts.project && same == facts)
            } catch {
                preconditionFailure("\(error)")
            }
            precondition(other.copy() == text, "two readings of one payload")
        }
        if let timestamp = facts.timestamp { check(timestamp) }

        let again = payload(of: text)
        // It may be longer than what came: escapes differ.
        guard again.count <= Notification.payloadBytesMax else { return }
        message.removeAll()
        do throws(NotificationError) {
            let same = try Notification.encode(payload: again.span, heard: heard, into: &message)
            precondition(same == facts)
        } catch {
            preconditionFailure("\(error)")
        }
        precondition(message.copy() == text)
    }

    /// A time that was read is written as the same time, unless it is of a year that has no text.
    private static func check(_ timestamp: Timestamp) {
        let text = timestamp.description
        precondition(text.utf8.count == 27, text)
        precondition(Timestamp(text.utf8Span.span) != nil, text)
    }

    private static func payload(of message: [UInt8]) -> [UInt8] {
        do throws(JSONError) {
            return payload(of: try JSONDocument(message.span))
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private static func payload(of message: borrowing JSONDocument) -> [UInt8] {
        var buffer = ByteBuffer()
        let root = message.root
        guard let data = root.member("data"), root.member("type")?.string != nil else {
            preconditionFailure("a key is missing")
        }
        copy("resource", of: root, to: &buffer)
        copy("action", of: root, to: &buffer)
        copy("project_id", of: root, to: &buffer)
        copy("id", of: data, to: &buffer)
        copy("timestamp", of: data, to: &buffer)
        if root.member("cursor") != nil { copy("cursor", of: root, to: &buffer) }
        if root.member("origin") != nil { copy("origin", of: root, to: &buffer) }
        buffer.append("}")
        return buffer.copy()
    }

    private static func copy(
        _ key: StaticString, of object: borrowing JSONValue, to buffer: inout ByteBuffer
    ) {
        guard let text = object.member(key)?.string, !text.isEmpty else {
            preconditionFailure("\(key) is missing or empty")
        }
        JSONText.append(key, text, to: &buffer)
    }
}
