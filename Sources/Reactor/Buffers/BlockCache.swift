/// Memory blocks in powers of two, kept for reuse when given back: what segments are made of.
///
/// In the steady state nothing reaches malloc(3); after a burst at most `cachedBytesMax` bytes
/// stay here.
@safe
struct BlockCache: ~Copyable {
    /// The smallest block, in bytes: a pong, a confirmation or a short notification fits.
    static let smallest = 256
    /// Bytes that may lie here unused.
    static let cachedBytesMax = 8 << 20

    private static let classCount = 13

    /// A free block's first word points to the next free block of its class.
    private var free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private(set) var cachedBytes = 0

    init() {
        unsafe free = .allocate(capacity: Self.classCount)
        unsafe free.initialize(repeating: nil, count: Self.classCount)
    }

    deinit {
        // Not by `empty`: a deinit can't change what it ends.
        for index in 0..<Self.classCount {
            var next = unsafe free[index]
            while let block = unsafe next {
                unsafe next = block.load(as: UnsafeMutableRawPointer?.self)
                unsafe block.deallocate()
            }
        }
        unsafe free.deallocate()
    }

    /// The size of the block that serves `byteCount` bytes.
    static func blockSize(for byteCount: Int) -> Int {
        var size = smallest
        while size < byteCount { size <<= 1 }
        return size
    }

    /// A block of `size` bytes, which `blockSize(for:)` returned.
    mutating func take(_ size: Int) -> UnsafeMutableRawPointer {
        let index = Self.classIndex(size)
        if index < Self.classCount, let block = unsafe free[index] {
            unsafe free[index] = block.load(as: UnsafeMutableRawPointer?.self)
            cachedBytes -= size
            return unsafe block
        }
        return .allocate(byteCount: size, alignment: 16)
    }

    mutating func giveBack(_ block: UnsafeMutableRawPointer, size: Int) {
        let index = Self.classIndex(size)
        guard index < Self.classCount, cachedBytes + size <= Self.cachedBytesMax else {
            unsafe block.deallocate()
            return
        }
        unsafe block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
        unsafe free[index] = block
        cachedBytes += size
    }

    /// Gives all blocks that lie here unused back to malloc(3).
    mutating func empty() {
        for index in 0..<Self.classCount {
            while let block = unsafe free[index] {
                unsafe free[index] = block.load(as: UnsafeMutableRawPointer?.self)
                unsafe block.deallocate()
            }
        }
        cachedBytes = 0
    }

    private static func classIndex(_ size: Int) -> Int {
        size.trailingZeroBitCount - smallest.trailingZeroBitCount
    }
}
