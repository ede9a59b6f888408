internal import Reactor

/// What a client says about a direct message that it sends, besides the data.
package struct DirectWords: Equatable, BitwiseCopyable, Sendable {
    /// The sender's name for it.
    package let id: UUID
    package let recipient: UserID
    package let wantsReceipt: Bool
    package let ttlSeconds: UInt32
}

extension DirectWords {
    /// Reads them, and the data into the caller's buffer, as they are written in `text`, of which `root` was made.
    init(
        _ root: JSONValue, _ text: borrowing Span<UInt8>, data: inout ByteBuffer,
        reference: Reference
    ) throws(ClientMessageError) {
        id = try Self.uuid("id", .id, in: root, reference)
        recipient = try Self.uuid("to", .recipient, in: root, reference)
        wantsReceipt = try ClientMessage.bool("receipt", .receipt, in: root, reference)
        ttlSeconds = try Self.seconds(in: root, reference)
        guard let value = root.memberUnlessNull("data") else {
            throw ClientMessageError(.missing(.data), reference: reference)
        }
        guard value.kind == .object else {
            throw ClientMessageError(.wrongType(.data), reference: reference)
        }
        // Who writes the key with escapes can't be passed on.
        guard let range = JSONText.member("data", in: text) else {
            throw ClientMessageError(.missing(.data), reference: reference)
        }
        guard range.count <= Limits.directBytesMax else {
            throw ClientMessageError(.dataTooLong, reference: reference)
        }
        data.append(text.extracting(range))
    }

    private static func uuid(
        _ key: StaticString, _ name: ClientMessageError.Key, in root: JSONValue,
        _ reference: Reference
    ) throws(ClientMessageError) -> UUID {
        guard let value = root.memberUnlessNull(key) else {
            throw ClientMessageError(.missing(name), reference: reference)
        }
        guard let text = value.string else {
            throw ClientMessageError(.wrongType(name), reference: reference)
        }
        guard let uuid = UUID(text) else {
            throw ClientMessageError(.invalid(name), reference: reference)
        }
        return uuid
    }

    private static func seconds(
        in root: JSONValue, _ reference: Reference
    ) throws(ClientMessageError) -> UInt32 {
        guard let value = root.memberUnlessNull("ttl_s") else { return Limits.directSecondsDefault }
        guard let integer = value.integer else {
            throw ClientMessageError(.wrongType(.ttl), reference: reference)
        }
        guard integer > 0, integer <= Int64(Limits.directSecondsMax) else {
            throw ClientMessageError(.invalid(.ttl), reference: reference)
        }
        return UInt32(integer)
    }

    /// Reads the ids of an acknowledgment, and writes them one behind the other.
    static func readIDs(
        in root: JSONValue, into ids: inout ByteBuffer, reference: Reference
    ) throws(ClientMessageError) {
        guard let value = root.memberUnlessNull("ids") else {
            throw ClientMessageError(.missing(.ids), reference: reference)
        }
        guard value.kind == .array else {
            throw ClientMessageError(.wrongType(.ids), reference: reference)
        }
        let count = value.elementCount
        guard count > 0, count <= Limits.directAcksMax else {
            throw ClientMessageError(.invalid(.ids), reference: reference)
        }
        for position in 0..<count {
            guard let text = value.element(at: position)?.string else {
                throw ClientMessageError(.wrongType(.ids), reference: reference)
            }
            guard let id = UUID(text) else {
                throw ClientMessageError(.invalid(.ids), reference: reference)
            }
            id.write(to: &ids)
        }
    }
}
