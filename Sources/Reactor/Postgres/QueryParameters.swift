internal import CEpollShim

/// The parameters of one statement (`$1`, `$2`, …) in one run of bytes. One that is kept and emptied
/// allocates nothing once it has seen its largest content.
///
/// Safe outside: the pointers are private, and are filled in for the length of one call.
@safe
public struct QueryParameters: ~Copyable {
    /// Parameters of one statement; ours have a handful.
    public static let countMax = 8

    private var bytes = ByteBuffer()
    private var starts = InlineArray<8, Int>(repeating: 0)
    public private(set) var count = 0
    // What libpq reads: where each value begins, its length, and whether it is binary (1).
    private let values: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let lengths: UnsafeMutablePointer<Int32>
    private let formats: UnsafeMutablePointer<Int32>

    public init() {
        unsafe values = .allocate(capacity: Self.countMax)
        unsafe lengths = .allocate(capacity: Self.countMax)
        unsafe formats = .allocate(capacity: Self.countMax)
    }

    deinit {
        unsafe values.deallocate()
        unsafe lengths.deallocate()
        unsafe formats.deallocate()
    }

    /// Forgets the parameters and keeps the memory.
    public mutating func removeAll() {
        bytes.removeAll()
        count = 0
    }

    /// A value in text format: the bytes hold no NUL, which PostgreSQL's text can't hold either.
    public mutating func append(text: borrowing Span<UInt8>) {
        begin(format: 0)
        bytes.append(text.extracting(0..<text.count))
        end()
        bytes.append(0)  // In text format libpq goes by this, not by the length.
    }

    public mutating func append(text: borrowing ByteBuffer) {
        append(text: text.bytes)
    }

    /// For cold paths.
    public mutating func append(text: String) {
        append(text: text.utf8Span.span)
    }

    /// A number, in text format.
    public mutating func append(decimal value: Int64) {
        begin(format: 0)
        bytes.append(decimal: value)
        end()
        bytes.append(0)
    }

    /// A value in PostgreSQL's binary format of the parameter's type.
    public mutating func append(binary value: borrowing ByteBuffer) {
        begin(format: 1)
        bytes.append(value.bytes)
        end()
    }

    /// The same of bytes that stand elsewhere.
    public mutating func append(binary value: borrowing Span<UInt8>) {
        begin(format: 1)
        bytes.append(value.extracting(0..<value.count))
        end()
    }

    public func isBinary(_ index: Int) -> Bool {
        precondition(index < count)
        return unsafe formats[index] == 1
    }

    /// The bytes of a parameter, for those who stand in for the server.
    @_lifetime(borrow self)
    public func value(_ index: Int) -> Span<UInt8> {
        precondition(index < count)
        return unsafe _overrideLifetime(
            bytes.bytes.extracting(starts[index]..<starts[index] + Int(lengths[index])),
            borrowing: self)
    }

    private mutating func begin(format: Int32) {
        precondition(count < Self.countMax, "too many parameters")
        starts[count] = bytes.count
        unsafe formats[count] = format
    }

    private mutating func end() {
        unsafe lengths[count] = Int32(bytes.count - starts[count])
        count += 1
    }

    /// Calls `body` with the arrays that PQsendQueryParams takes: values, lengths, formats.
    @unsafe borrowing func withArrays<Result>(
        _ body: (
            UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<Int32>, UnsafePointer<Int32>
        ) -> Result
    ) -> Result {
        unsafe bytes.bytes.withUnsafeBytes { all in
            for index in 0..<count {
                // An empty value still needs an address: nil would be NULL.
                let start = unsafe all.baseAddress.map { unsafe $0 + starts[index] }
                unsafe values[index] = start?.assumingMemoryBound(to: CChar.self) ?? Self.nothing
            }
            return unsafe body(values, lengths, formats)
        }
    }

    private static var nothing: UnsafePointer<CChar> {
        let empty: StaticString = ""
        return unsafe UnsafeRawPointer(empty.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
