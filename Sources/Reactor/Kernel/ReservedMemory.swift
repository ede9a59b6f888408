internal import CEpollShim

/// Zeroed memory straight from mmap(2), for tables that are sized for the worst case: a page
/// becomes resident when it is first written.
enum ReservedMemory {
    /// Traps when the address space is exhausted, which is a fault in the configuration and found
    /// at start: tables are reserved before the first client is served.
    static func reserve<Element: BitwiseCopyable>(
        _ type: Element.Type, count: Int
    ) -> UnsafeMutablePointer<Element> {
        let byteCount = count * MemoryLayout<Element>.stride
        guard let start = unsafe ces_mmap_reserve(byteCount) else {
            preconditionFailure("mmap of \(byteCount) bytes failed")
        }
        return unsafe start.bindMemory(to: Element.self, capacity: count)
    }

    /// Lets the kernel have back what lies behind the first `first` elements, in whole pages: it
    /// reads as zero afterwards.
    static func discard<Element: BitwiseCopyable>(
        _ start: UnsafeMutablePointer<Element>, from first: Int, count: Int
    ) {
        let stride = MemoryLayout<Element>.stride
        let pageSize = Int(getpagesize())
        let begin = (first * stride + pageSize - 1) / pageSize * pageSize
        guard begin < count * stride else { return }
        let status = unsafe madvise(
            UnsafeMutableRawPointer(start) + begin, count * stride - begin, MADV_DONTNEED)
        precondition(status == 0)  // Only memory that isn't ours fails.
    }

    static func release<Element: BitwiseCopyable>(
        _ start: UnsafeMutablePointer<Element>, count: Int
    ) {
        let status = unsafe munmap(start, count * MemoryLayout<Element>.stride)
        precondition(status == 0)  // Only an address that was never mapped fails.
    }
}
