internal import CEpollShim

/// The kinds of JSON values (RFC 8259 §3), numbers told apart by how they are written: `1` is an
/// integer, `1.0` and `1e0` are reals.
public enum JSONKind: BitwiseCopyable, Sendable {
    case object, array, string, integer, real, bool, null
}

/// A place in a `JSONDocument`. The compiler sees to it that neither it nor the spans it gives
/// out outlive the document, which nothing changes.
@safe
public struct JSONValue: ~Escapable, BitwiseCopyable {
    private let node: UnsafeMutablePointer<json_t>

    /// `node` must stay valid, and the caller must tie the result to what keeps it so.
    @unsafe
    @_lifetime(immortal)
    init(_ node: UnsafeMutablePointer<json_t>) {
        unsafe self.node = unsafe node
    }

    // Hot path.
    public var kind: JSONKind {
        switch unsafe ces_json_typeof(node) {
        case JSON_OBJECT: .object
        case JSON_ARRAY: .array
        case JSON_STRING: .string
        case JSON_INTEGER: .integer
        case JSON_REAL: .real
        case JSON_TRUE, JSON_FALSE: .bool
        default: .null
        }
    }

    /// The value of an object's member; `nil` when there is none, and for what is no object.
    ///
    /// Hot path.
    @_lifetime(copy self)
    public func member(_ key: StaticString) -> JSONValue? {
        let found = unsafe key.utf8Start.withMemoryRebound(
            to: CChar.self, capacity: key.utf8CodeUnitCount
        ) { name in
            unsafe json_object_getn(node, name, key.utf8CodeUnitCount)
        }
        guard let found = unsafe found else { return nil }
        let value = unsafe JSONValue(found)
        return unsafe _overrideLifetime(value, copying: self)
    }

    /// The same, but a member that is `null` counts as absent: for optional keys.
    ///
    /// Hot path.
    @_lifetime(copy self)
    public func memberUnlessNull(_ key: StaticString) -> JSONValue? {
        guard let value = member(key), value.kind != .null else { return nil }
        return value
    }

    /// How many elements an array has; zero for other kinds.
    public var elementCount: Int { unsafe json_array_size(node) }

    /// An array's element; `nil` beyond its end, and for other kinds.
    @_lifetime(copy self)
    public func element(at index: Int) -> JSONValue? {
        guard index >= 0, let found = unsafe json_array_get(node, index) else { return nil }
        let value = unsafe JSONValue(found)
        return unsafe _overrideLifetime(value, copying: self)
    }

    /// A string's UTF-8 with the escapes resolved; `nil` for other kinds.
    ///
    /// Hot path.
    public var string: Span<UInt8>? {
        @_lifetime(copy self)
        get {
            guard let text = unsafe json_string_value(node) else { return nil }
            let count = unsafe json_string_length(node)
            let bytes = unsafe UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
            let span = unsafe Span(_unsafeStart: bytes, count: count)
            return unsafe _overrideLifetime(span, copying: self)
        }
    }

    /// The value of a number written without fraction and exponent; `nil` for other kinds.
    public var integer: Int64? {
        kind == .integer ? Int64(unsafe json_integer_value(node)) : nil
    }

    /// The value of a number written with fraction or exponent, always finite; `nil` for other
    /// kinds.
    public var real: Double? {
        kind == .real ? unsafe json_real_value(node) : nil
    }

    /// `nil` for other kinds.
    public var bool: Bool? {
        kind == .bool ? unsafe ces_json_typeof(node) == JSON_TRUE : nil
    }
}
