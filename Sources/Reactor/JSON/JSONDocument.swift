internal import CEpollShim

/// A parsed JSON text, by jansson, whose root is any value (RFC 8259 §2).
///
/// Owns the tree; `JSONValue`s point into it and can't outlive it. Meant to be read and destroyed
/// at once: what it costs in memory, and why not to keep one, is said at `JSONArena`. Where that
/// matters, read it in a function that takes it as a borrowed parameter: Swift 6.3 puts a local
/// variable of this type on the heap once values are taken of it.
@safe
public struct JSONDocument: ~Copyable {
    private let tree: UnsafeMutablePointer<json_t>

    private static let flags = Int(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)

    /// Parses the whole of `text`, which isn't needed afterwards. Strict: UTF-8 only, no key
    /// twice in an object, no `\u0000`, no lone surrogates, nothing behind the root.
    ///
    /// Hot path.
    public init(_ text: borrowing Span<UInt8>) throws(JSONError) {
        precondition(JSONArena.isInstalled)
        var error = json_error_t()
        let tree = unsafe text.withUnsafeBufferPointer { bytes in
            // An empty span has no address, which jansson takes for a misuse.
            unsafe bytes.baseAddress.flatMap { start in
                unsafe start.withMemoryRebound(to: CChar.self, capacity: bytes.count) { start in
                    unsafe json_loadb(start, bytes.count, Self.flags, &error)
                }
            }
        }
        guard !text.isEmpty else { throw JSONError(reason: .prematureEnd, position: 0) }
        guard let tree = unsafe tree else { throw JSONError(error) }
        unsafe self.tree = unsafe tree
    }

    deinit {
        unsafe ces_json_decref(tree)
    }

    /// The document's outermost value.
    public var root: JSONValue {
        @_lifetime(borrow self)
        get {
            let value = unsafe JSONValue(tree)
            return unsafe _overrideLifetime(value, borrowing: self)
        }
    }
}
