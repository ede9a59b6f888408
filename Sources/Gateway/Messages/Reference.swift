package import Reactor

/// The `ref` of a client's message, which the answer repeats so that the client knows what is
/// answered. The client's choice: a string or an integer, or none.
package struct Reference: BitwiseCopyable, Sendable {
    /// Bytes of UTF-8 that a string may have: a UUID or two, and it fits into the message's value.
    package static let textBytesMax = 64

    private enum Content: BitwiseCopyable, Sendable {
        case absent
        case integer(Int64)
        case text(count: UInt8)
    }

    private var content: Content
    private var text: InlineArray<64, UInt8>

    /// No `ref`: success is silent.
    package static let absent = Reference(content: .absent)

    /// Whether the client wants an answer in case of success too.
    package var isPresent: Bool {
        if case .absent = content { false } else { true }
    }

    package init(integer: Int64) {
        self.init(content: .integer(integer))
    }

    /// `nil` for a text that is too long.
    package init?(text source: borrowing Span<UInt8>) {
        guard source.count <= Self.textBytesMax else { return nil }
        self.init(content: .text(count: UInt8(source.count)))
        for index in 0..<source.count { text[index] = source[index] }
    }

    private init(content: Content) {
        self.content = content
        self.text = InlineArray(repeating: 0)
    }

    /// Appends it as the JSON value that the client sent; nothing if it is absent.
    package func write(to buffer: inout ByteBuffer) {
        switch content {
        case .absent: break
        case .integer(let value): buffer.append(decimal: value)
        case .text(let count):
            JSONString.write(text.span.extracting(0..<Int(count)), into: &buffer)
        }
    }
}
