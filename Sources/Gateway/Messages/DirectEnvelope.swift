internal import Reactor

/// What the answer to a direct message repeats, of one that can't be read as a whole: its data isn't accepted as
/// JSON, or costs too much to read. So its sender knows which one it was.
struct DirectEnvelope: BitwiseCopyable {
    let id: UUID?
    let reference: Reference

    /// `nil` when it isn't known to be a direct message: its type is said twice, or with escapes, or behind a
    /// fault of the grammar. What else can't be read is left out.
    ///
    /// - Parameter scratch: emptied.
    init?(_ text: borrowing Span<UInt8>, scratch: inout ByteBuffer) {
        var type: Range<Int>?
        var id: Range<Int>?
        var reference: Range<Int>?
        var members = JSONText.Members()
        while let member = members.next(in: text) {
            let key = text.extracting(member.key)
            if key.isEqual(to: "type") {
                guard type == nil else { return nil }
                type = member.value
            } else if key.isEqual(to: "id") {
                guard id == nil else { return nil }
                id = member.value
            } else if key.isEqual(to: "ref") {
                guard reference == nil else { return nil }
                reference = member.value
            }
        }
        guard let type, text.extracting(type).isEqual(to: "\"direct\"") else { return nil }
        self.id = id.flatMap { Self.uuid(text.extracting($0)) }
        self.reference =
            reference.map { Self.reference(text.extracting($0), &scratch) } ?? .absent
        scratch.removeAll()
    }

    private static func uuid(_ value: borrowing Span<UInt8>) -> UUID? {
        let quote = UInt8(ascii: "\"")
        guard value.count == UUID.textCount + 2, value[0] == quote,
            value[value.count - 1] == quote
        else { return nil }
        return UUID(value.extracting(1..<(value.count - 1)))
    }

    /// Reads it by a document of its own, since it may have escapes.
    private static func reference(
        _ value: borrowing Span<UInt8>, _ scratch: inout ByteBuffer
    ) -> Reference {
        guard value.count <= Limits.referenceJSONBytesMax else { return .absent }
        scratch.removeAll()
        scratch.append(#"{"ref":"#)
        scratch.append(value)
        scratch.append("}")
        do throws(JSONError) {
            return reference(in: try JSONDocument(scratch.bytes))
        } catch {
            return .absent
        }
    }

    private static func reference(in document: borrowing JSONDocument) -> Reference {
        do throws(ClientMessageError) {
            return try ClientMessage.reference(in: document.root)
        } catch {
            return .absent
        }
    }
}
