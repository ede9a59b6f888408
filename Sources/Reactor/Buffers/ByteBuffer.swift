internal import CEpollShim

/// A growing run of bytes that encoders append to; one that is kept and emptied allocates nothing
/// once it has seen its largest content.
///
/// Not for bytes of unknown amount from a peer: it grows as far as it is told to. Whoever appends
/// such bytes checks a limit first.
@safe
public struct ByteBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>
    @usableFromInline var capacity: Int
    /// Bytes written so far.
    @inlinable public var count: Int { length }
    @usableFromInline var length: Int

    public init(capacity: Int = 256) {
        precondition(capacity > 0)
        unsafe self.base = .allocate(capacity: capacity)
        self.capacity = capacity
        self.length = 0
    }

    deinit {
        unsafe base.deallocate()
    }

    /// The bytes written so far; valid until the next change.
    ///
    /// A span of a buffer that a large value keeps counts, for the compiler, as a borrow of all of that
    /// value, so that nothing else of it could be changed in the same call. Hence those who are called
    /// with the core's buffers take the buffer itself.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span(_unsafeStart: base, count: length)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The bytes in an array of their own, for cold paths.
    public borrowing func copy() -> [UInt8] {
        unsafe Array(UnsafeBufferPointer(start: base, count: count))
    }

    /// Forgets the content and keeps the memory.
    @inlinable public mutating func removeAll() {
        length = 0
    }

    /// Keeps the first `newCount` bytes.
    public mutating func truncate(to newCount: Int) {
        precondition(newCount >= 0 && newCount <= count)
        length = newCount
    }

    // Hot path, as the next three.
    @inlinable public mutating func append(_ byte: UInt8) {
        reserve(1)
        unsafe base[length] = byte
        length += 1
    }

    @inlinable public mutating func append(_ text: StaticString) {
        let added = text.utf8CodeUnitCount
        reserve(added)
        unsafe (base + length).update(from: text.utf8Start, count: added)
        length += added
    }

    @inlinable public mutating func append(_ source: Span<UInt8>) {
        let added = source.count
        guard added > 0 else { return }
        reserve(added)
        let target = unsafe base + length
        unsafe source.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe target.update(from: start, count: added)
        }
        length += added
    }

    /// For cold paths: a `String` is slower than a span of its bytes.
    @inline(never)
    public mutating func append(text: String) {
        append(text.utf8Span.span)
    }

    /// The number in decimal digits.
    public mutating func append(decimal value: UInt64) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var first = 20
        var rest = value
        repeat {
            first -= 1
            digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        append(digits.span.extracting(first..<20))
    }

    public mutating func append(decimal value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(decimal: value.magnitude)
    }

    /// Appends `added` zeros, to be overwritten through `mutableBytes`.
    public mutating func append(zeros added: Int) {
        precondition(added >= 0)
        reserve(added)
        unsafe (base + length).update(repeating: 0, count: added)
        length += added
    }

    /// Lets `fill` write at most `bytesMax` bytes behind what is there, and takes in as many as it
    /// says that it wrote. Returns their number.
    @discardableResult
    @unsafe mutating func append(
        atMost bytesMax: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Int
    ) -> Int {
        reserve(bytesMax)
        let written = unsafe fill(base + length)
        precondition(written >= 0 && written <= bytesMax)
        length += written
        return written
    }

    /// Forgets the first bytes, and moves the others to the front.
    public mutating func removeFirst(_ removed: Int) {
        precondition(removed >= 0 && removed <= count)
        unsafe base.update(from: base + removed, count: length - removed)
        length -= removed
    }

    /// The bytes written so far, to be changed in place.
    public var mutableBytes: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get {
            let span = unsafe MutableSpan(_unsafeStart: base, count: count)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// Whether the content is exactly `other`. Not for secrets: it stops at the first difference.
    public func isEqual(to other: borrowing Span<UInt8>) -> Bool {
        guard other.count == count else { return false }
        return unsafe other.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return true }
            return unsafe memcmp(base, start, bytes.count) == 0
        }
    }

    /// Makes room for `additional` bytes more.
    @inlinable public mutating func reserve(_ additional: Int) {
        let needed = length + additional
        if needed > capacity { grow(to: needed) }
    }

    /// Overwrites one byte already written.
    public mutating func replace(at index: Int, with byte: UInt8) {
        precondition(index >= 0 && index < count)
        unsafe base[index] = byte
    }

    @inline(never) @usableFromInline
    mutating func grow(to needed: Int) {
        let larger = max(needed, capacity * 2)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        unsafe moved.update(from: base, count: length)
        unsafe base.deallocate()
        unsafe base = moved
        capacity = larger
    }
}

extension String {
    /// The buffer's content as text, ill-formed UTF-8 repaired. For logs, errors and tests.
    public init(decoding buffer: borrowing ByteBuffer) {
        self = unsafe buffer.bytes.withUnsafeBufferPointer { bytes in
            unsafe String(decoding: bytes, as: UTF8.self)
        }
    }
}
