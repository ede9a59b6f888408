internal import CEpollShim

/// Names a segment of a `SegmentPool`. Zero names none, so that a zeroed record is an empty one.
@frozen public struct SegmentIndex: Hashable, BitwiseCopyable, Sendable {
    public let raw: UInt32

    @inlinable public init(raw: UInt32) {
        self.raw = raw
    }

    @inlinable public static var none: SegmentIndex { SegmentIndex(raw: 0) }
}

/// Runs of encoded bytes with a reference count: one copy, however many clients wait for it.
///
/// A segment is written while only its maker refers to it; once somebody else does, its bytes
/// don't change or move until the last reference is gone. Counts are plain integers: there is one
/// thread.
@safe
public struct SegmentPool: ~Copyable {
    @unsafe private struct Segment: BitwiseCopyable {
        /// `nil` while the entry is free.
        var block: UnsafeMutableRawPointer?
        var blockSize: Int
        var count: UInt32
        var references: UInt32
        /// Whole frames in the bytes; what they are is the maker's business.
        var frames: UInt32
        var nextFree: UInt32
    }

    private var entries: UnsafeMutablePointer<Segment>
    private var entryCapacity: Int
    private var entryCount = 1  // Entry 0 is `none`.
    private var firstFree: UInt32 = 0
    private var blocks = BlockCache()

    /// Segments that somebody refers to.
    public private(set) var liveCount = 0
    /// Bytes of memory in those segments.
    public private(set) var liveBytes = 0

    public init() {
        entryCapacity = 64
        unsafe entries = .allocate(capacity: entryCapacity)
        unsafe entries.initialize(
            to: Segment(
                block: nil, blockSize: 0, count: 0, references: 0, frames: 0, nextFree: 0))
    }

    deinit {
        for index in 1..<entryCount {
            if let block = unsafe entries[index].block { unsafe block.deallocate() }
        }
        unsafe entries.deallocate()
    }

    // MARK: Making

    /// An empty segment with one reference, the caller's, and room for `capacity` bytes.
    public mutating func make(capacity: Int) -> SegmentIndex {
        let size = BlockCache.blockSize(for: capacity)
        let index = takeEntry()
        unsafe entries[index] = Segment(
            block: blocks.take(size), blockSize: size, count: 0, references: 1, frames: 0,
            nextFree: 0)
        liveCount += 1
        liveBytes += size
        return SegmentIndex(raw: UInt32(index))
    }

    /// A segment of what `buffer` holds, with one reference.
    public mutating func make(of buffer: borrowing ByteBuffer, frames: Int) -> SegmentIndex {
        let segment = make(capacity: buffer.count)
        append(buffer.bytes, frames: frames, to: segment)
        return segment
    }

    /// Appends to a segment that only its maker refers to.
    ///
    /// - Parameter frames: how many whole frames the bytes are.
    public mutating func append(
        _ bytes: borrowing Span<UInt8>, frames: Int = 0, to index: SegmentIndex
    ) {
        let entry = checked(index)
        precondition(unsafe entries[entry].references == 1)
        let count = Int(unsafe entries[entry].count)
        if unsafe count + bytes.count > entries[entry].blockSize {
            grow(entry, to: count + bytes.count)
        }
        guard let block = unsafe entries[entry].block else { preconditionFailure() }
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe (block + count).copyMemory(from: start, byteCount: source.count)
        }
        unsafe entries[entry].count = UInt32(count + bytes.count)
        unsafe entries[entry].frames += UInt32(frames)
    }

    public mutating func append(
        _ buffer: borrowing ByteBuffer, frames: Int = 0, to index: SegmentIndex
    ) {
        append(buffer.bytes, frames: frames, to: index)
    }

    /// Appends the content of another segment.
    public mutating func append(contentsOf source: SegmentIndex, to index: SegmentIndex) {
        precondition(source != index)
        let from = unsafe entries[checked(source)]
        guard let block = unsafe from.block else { preconditionFailure() }
        // The source's block stays where it is: only the target's may grow.
        let span = unsafe Span(
            _unsafeStart: block.assumingMemoryBound(to: UInt8.self), count: Int(from.count))
        append(span, frames: unsafe Int(from.frames), to: index)
    }

    /// Empties a segment that only its maker refers to.
    public mutating func removeAll(_ index: SegmentIndex) {
        let entry = checked(index)
        precondition(unsafe entries[entry].references == 1)
        unsafe entries[entry].count = 0
        unsafe entries[entry].frames = 0
    }

    // MARK: Referring

    /// One reference more.
    public mutating func retain(_ index: SegmentIndex) {
        let entry = checked(index)
        unsafe entries[entry].references += 1
    }

    /// One reference less; with the last one the memory goes back.
    public mutating func release(_ index: SegmentIndex) {
        let entry = checked(index)
        unsafe entries[entry].references -= 1
        if unsafe entries[entry].references == 0 { free(entry) }
    }

    /// References to the segment now.
    public func references(of index: SegmentIndex) -> Int {
        unsafe Int(entries[checked(index)].references)
    }

    // MARK: Reading

    /// Bytes in the segment.
    public func count(of index: SegmentIndex) -> Int {
        unsafe Int(entries[checked(index)].count)
    }

    /// Whole frames in the segment.
    public func frames(of index: SegmentIndex) -> Int {
        unsafe Int(entries[checked(index)].frames)
    }

    /// The segment's bytes; valid until the pool's next change.
    @_lifetime(borrow self)
    public func bytes(of index: SegmentIndex) -> Span<UInt8> {
        let entry = checked(index)
        let count = unsafe Int(entries[entry].count)
        guard let block = unsafe entries[entry].block else { preconditionFailure() }
        let start = unsafe block.assumingMemoryBound(to: UInt8.self)
        let span = unsafe Span(_unsafeStart: start, count: count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// Where the segment's bytes begin, for system calls. They stay there while the caller's
    /// reference lasts and the segment is not appended to.
    @unsafe public func address(of index: SegmentIndex) -> UnsafeRawPointer {
        guard let block = unsafe entries[checked(index)].block else { preconditionFailure() }
        return UnsafeRawPointer(block)
    }

    /// Gives the memory that is kept for later segments back, and through it what malloc(3) itself
    /// holds back (malloc_trim(3)).
    public mutating func returnMemory() {
        blocks.empty()
        _ = malloc_trim(0)
    }

    // MARK: Entries

    private func checked(_ index: SegmentIndex) -> Int {
        let entry = Int(index.raw)
        precondition(entry > 0 && entry < entryCount)
        precondition(unsafe entries[entry].references > 0)
        return entry
    }

    private mutating func takeEntry() -> Int {
        if firstFree != 0 {
            let index = Int(firstFree)
            firstFree = unsafe entries[index].nextFree
            return index
        }
        if entryCount == entryCapacity { growEntries() }
        entryCount += 1
        return entryCount - 1
    }

    private mutating func free(_ entry: Int) {
        let segment = unsafe entries[entry]
        guard let block = unsafe segment.block else { preconditionFailure() }
        unsafe blocks.giveBack(block, size: segment.blockSize)
        liveCount -= 1
        liveBytes -= unsafe segment.blockSize
        unsafe entries[entry].block = nil
        unsafe entries[entry].nextFree = firstFree
        firstFree = UInt32(entry)
    }

    private mutating func grow(_ entry: Int, to needed: Int) {
        let old = unsafe entries[entry]
        guard let block = unsafe old.block else { preconditionFailure() }
        let size = BlockCache.blockSize(for: needed)
        let larger = unsafe blocks.take(size)
        unsafe larger.copyMemory(from: block, byteCount: Int(old.count))
        unsafe blocks.giveBack(block, size: old.blockSize)
        unsafe entries[entry].block = larger
        unsafe entries[entry].blockSize = size
        liveBytes += unsafe size - old.blockSize
    }

    @inline(never)
    private mutating func growEntries() {
        let larger = UnsafeMutablePointer<Segment>.allocate(capacity: entryCapacity * 2)
        unsafe larger.update(from: entries, count: entryCount)
        unsafe entries.deallocate()
        unsafe entries = larger
        entryCapacity *= 2
    }
}
