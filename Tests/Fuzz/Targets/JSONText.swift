internal import Gateway
internal import Reactor

/// JSON that this program has written, read again.
enum JSONText {
    static func isObject(_ text: borrowing Span<UInt8>) -> Bool {
        do throws(JSONError) {
            let document = try JSONDocument(text)
            return document.root.kind == .object
        } catch {
            return false
        }
    }

    /// Appends `"key":` and the string.
    static func append(
        _ key: StaticString, _ value: borrowing Span<UInt8>, to buffer: inout ByteBuffer
    ) {
        buffer.append(buffer.count == 0 ? "{\"" : ",\"")
        buffer.append(key)
        buffer.append("\":")
        JSONString.write(value, into: &buffer)
    }
}
