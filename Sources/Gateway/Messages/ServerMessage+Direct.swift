package import Reactor

// Direct messages.
extension ServerMessage {
    /// A message from one user to another, without its data.
    package struct DirectHeader: BitwiseCopyable, Sendable {
        package let id: UUID
        package let sender: UserID
        package let recipient: UserID

        package init(id: UUID, sender: UserID, recipient: UserID) {
            self.id = id
            self.sender = sender
            self.recipient = recipient
        }
    }

    /// - Parameters:
    ///   - data: JSON; it is passed on as it is.
    ///   - timestamp: plain text.
    package static func writeDirect(
        _ direct: DirectHeader, data: borrowing Span<UInt8>, timestamp: borrowing Span<UInt8>,
        into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"direct","id":""#)
        direct.id.write(to: &buffer)
        buffer.append(#"","from":""#)
        direct.sender.write(to: &buffer)
        buffer.append(#"","to":""#)
        direct.recipient.write(to: &buffer)
        buffer.append(#"","data":"#)
        buffer.append(data.extracting(0..<data.count))
        buffer.append(#","timestamp":"#)
        JSONString.write(timestamp, into: &buffer)
        buffer.append("}")
    }

    /// A message was committed; also without a reference, since its id is one.
    package static func writeSent(
        _ id: UUID, reference: Reference, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"ok""#)
        writeReference(reference, into: &buffer)
        buffer.append(#","id":""#)
        id.write(to: &buffer)
        buffer.append(#""}"#)
    }

    /// A message wasn't sent.
    package static func writeNotSent(
        _ code: ErrorCode, message: StaticString, id: UUID, reference: Reference,
        into buffer: inout ByteBuffer
    ) {
        writeError(code, message: message, reference: reference, into: &buffer)
        buffer.truncate(to: buffer.count - 1)
        buffer.append(#","id":""#)
        id.write(to: &buffer)
        buffer.append(#""}"#)
    }

    /// Begins the ids of messages that another connection of the user has acknowledged; `addUser` adds
    /// them, `endAcknowledged` ends it.
    package static func beginAcknowledged(into buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"acked","ids":["#)
    }

    package static func endAcknowledged(into buffer: inout ByteBuffer) {
        buffer.append("]}")
    }

    /// Begins the ids of messages that their recipient has acknowledged, for their sender.
    package static func beginReceipt(into buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"receipt","ids":["#)
    }

    package static func endReceipt(by recipient: UserID, into buffer: inout ByteBuffer) {
        buffer.append(#"],"by":""#)
        recipient.write(to: &buffer)
        buffer.append(#""}"#)
    }
}
