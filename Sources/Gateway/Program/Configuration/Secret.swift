/// Bytes that no log, error or dump shows: a key, or a connection string with a password.
package struct Secret: Sendable {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    package var isEmpty: Bool { bytes.isEmpty }

    /// The content as text, for a library that wants it so; `nil` if it isn't UTF-8 or holds a
    /// zero byte, where a C string would end.
    package var text: String? {
        bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { isEmpty ? "(none)" : "****" }
    package var debugDescription: String { description }
    /// Without this, `dump` and the printing of any type around it would show the bytes.
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
