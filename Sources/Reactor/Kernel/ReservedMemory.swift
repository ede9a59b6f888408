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

    static func release<Element: BitwiseCopyable>(
        _ start: UnsafeMutablePointer<Element>, count: Int
    ) {
        let status = unsafe munmap(start, count * MemoryLayout<Element>.stride)
        precondition(status == 0)  // Only an address that was never mapped fails.
    }
}
