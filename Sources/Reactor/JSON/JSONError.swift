internal import CEpollShim

/// Why a text isn't a JSON document that the gateway accepts (RFC 8259).
///
/// It says what is wrong and where, and holds nothing of the text itself, which may be a secret.
public struct JSONError: Error, Equatable, BitwiseCopyable, Sendable {
    public enum Reason: BitwiseCopyable, Sendable {
        /// Not JSON's grammar, or a lone surrogate escape.
        case invalidSyntax
        /// Bytes that aren't UTF-8.
        case invalidUTF8
        /// The text stops within the document; so does an empty one.
        case prematureEnd
        /// Something other than white space follows the document.
        case trailingBytes
        /// `\u0000`, which C strings can't hold.
        case nullCharacter
        /// One object names a key twice: whoever reads the first and whoever reads the last
        /// would disagree.
        case duplicateKey
        /// An integer beyond 64 bits or a real beyond a `Double`.
        case numberOutOfRange
        /// Nested deeper than 2,048 (jansson's `JSON_PARSER_MAX_DEPTH`).
        case tooDeep
        case outOfMemory
    }

    public let reason: Reason
    /// Bytes of the text that had been read when the fault was noticed.
    public let position: Int

    public init(reason: Reason, position: Int) {
        self.reason = reason
        self.position = position
    }

    /// For answers and logs: plain ASCII without quotes.
    public var summary: StaticString {
        switch reason {
        case .invalidSyntax: "invalid JSON"
        case .invalidUTF8: "invalid UTF-8"
        case .prematureEnd: "JSON ends too early"
        case .trailingBytes: "something follows the JSON document"
        case .nullCharacter: "a NUL character is not allowed"
        case .duplicateKey: "a key stands twice in one object"
        case .numberOutOfRange: "a number is out of range"
        case .tooDeep: "JSON is nested too deeply"
        case .outOfMemory: "out of memory"
        }
    }

    init(_ error: json_error_t) {
        let code = unsafe withUnsafePointer(to: error) { unsafe ces_json_error_code($0) }
        self.init(reason: Self.reason(ofCode: code), position: Int(max(0, error.position)))
    }

    private static func reason(ofCode code: Int32) -> Reason {
        switch UInt32(bitPattern: code) {
        case json_error_invalid_utf8.rawValue: .invalidUTF8
        case json_error_premature_end_of_input.rawValue: .prematureEnd
        case json_error_end_of_input_expected.rawValue: .trailingBytes
        case json_error_null_character.rawValue, json_error_null_byte_in_key.rawValue:
            .nullCharacter
        case json_error_duplicate_key.rawValue: .duplicateKey
        case json_error_numeric_overflow.rawValue: .numberOutOfRange
        case json_error_stack_overflow.rawValue: .tooDeep
        case json_error_out_of_memory.rawValue: .outOfMemory
        default: .invalidSyntax
        }
    }
}
