internal import Reactor

// Which project a payload is about, without understanding the rest of it.
extension Notification {
    private static let key: StaticString = #""project_id":""#

    /// The project of a payload of the plain kind that the triggers write: one object, no
    /// white space around the key, no backslash anywhere. `nil` for any other payload, which
    /// `encode` has to look at.
    ///
    /// In such a payload what it finds is what `encode` finds, or `encode` refuses it: without
    /// nested objects and escapes `{"project_id":"` and `,"project_id":"` are the key of the object
    /// or no JSON at all; and one that comes twice is left to `encode`.
    ///
    /// Hot path: a tenth of what `encode` costs, for projects in which nobody is interested.
    package static func project(in payload: borrowing Span<UInt8>) -> ProjectID? {
        let keyCount = key.utf8CodeUnitCount
        guard payload.count > 0, payload[0] == UInt8(ascii: "{") else { return nil }
        var found: ProjectID?
        var index = 1
        while index < payload.count {
            switch payload[index] {
            case UInt8(ascii: "\\"), UInt8(ascii: "{"):
                return nil
            case UInt8(ascii: "p") where isKey(at: index - 1, in: payload):
                let start = index - 1 + keyCount
                let end = start + UUID.textCount
                guard found == nil, end < payload.count, payload[end] == UInt8(ascii: "\""),
                    let project = ProjectID(payload.extracting(start..<end))
                else { return nil }
                found = project
                index = end
            default:
                break
            }
            index += 1
        }
        return found
    }

    /// Whether the key begins at `start`, a quotation mark, right behind a brace or a comma.
    private static func isKey(at start: Int, in payload: borrowing Span<UInt8>) -> Bool {
        let count = key.utf8CodeUnitCount
        guard start > 0, start + count <= payload.count,
            payload[start - 1] == UInt8(ascii: ",") || payload[start - 1] == UInt8(ascii: "{")
        else { return false }
        for offset in 0..<count {
            let expected = unsafe key.utf8Start[offset]  // In bounds: under its count.
            guard payload[start + offset] == expected else { return false }
        }
        return true
    }
}
