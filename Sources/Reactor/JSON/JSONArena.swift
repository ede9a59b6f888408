internal import CEpollShim

/// Where jansson's memory comes from: one block that is handed out front to back, and is whole
/// again as soon as the last piece is given back. So a document that is parsed, read and
/// destroyed, one at a time, costs no call of malloc.
///
/// **The module's one piece of global state**, because jansson's allocation functions are global
/// and take no context (`json_set_alloc_funcs`). It is a single atomic word, so any number of
/// threads may parse at once (test suites do; the gateway parses on one thread only): pieces
/// then just lie in the block side by side. A document that is kept pins the block, and all
/// later ones go to malloc once it is used up: correct, but slow; hence documents are short-lived.
///
/// What the block can't hold goes to malloc. Where a piece came from is told by its address.
/// jansson 2.14 never resizes a piece.
enum JSONArena {
    /// Bytes of the block. The worst 512-byte message (brackets) takes a quarter of it, a token or
    /// a notification of realistic shape a hundredth. Pages are touched only when used.
    static let byteCount: UInt = 256 << 10

    /// Pieces start at multiples of this, as malloc's do on x86-64 (`max_align_t`).
    private static let alignment: UInt = 16

    /// The state fills the block's first `alignment` bytes: the number of pieces in use in its
    /// upper half, bytes handed out in its lower half. In one word, so that the two can't
    /// contradict each other.
    private static let wholeBlock = UInt64(alignment)
    private static let onePiece: UInt64 = 1 << 32
    private static let offsetMask: UInt64 = onePiece - 1

    /// The block's address; zero if there was no memory for it, and then malloc does everything.
    /// Never freed.
    private static let base: UInt = {
        guard let block = unsafe aligned_alloc(Int(alignment), Int(byteCount)) else { return 0 }
        unsafe block.storeBytes(of: wholeBlock, as: UInt64.self)
        return UInt(bitPattern: block)
    }()

    /// Makes jansson use the block and seeds its hash tables, once a process. Documents do this
    /// before they parse. Pieces that jansson allocated earlier are recognised as malloc's.
    static let isInstalled: Bool = {
        unsafe json_set_alloc_funcs(
            { size in unsafe JSONArena.allocate(size) },
            { piece in unsafe JSONArena.free(piece) })
        // Zero: take the seed from the system's random source, so that no peer can choose keys
        // that collide.
        json_object_seed(0)
        return true
    }()

    // Hot path.
    private static func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        guard let state = unsafe state, size >= 0, size <= Int(byteCount) else {
            return unsafe malloc(size)
        }
        let rounded = (UInt64(max(size, 1)) + wholeBlock - 1) / wholeBlock * wholeBlock
        var current = unsafe ces_atomic_load(state)
        while true {
            let offset = current & offsetMask
            guard offset + rounded <= UInt64(byteCount) else { return unsafe malloc(size) }
            // Neither half overflows: there are at most byteCount / alignment pieces.
            let desired = current + onePiece + rounded
            if unsafe ces_atomic_compare_exchange(state, &current, desired) != 0 {
                return unsafe UnsafeMutableRawPointer(bitPattern: base + UInt(offset))
            }
        }
    }

    // Hot path.
    private static func free(_ piece: UnsafeMutableRawPointer?) {
        let address = UInt(bitPattern: piece)
        guard let state = unsafe state, address >= base, address - base < byteCount else {
            unsafe CEpollShim.free(piece)
            return
        }
        var current = unsafe ces_atomic_load(state)
        while true {
            precondition(current >= onePiece)  // Else a piece was given back twice.
            let isLast = current < onePiece * 2
            let desired = isLast ? wholeBlock : current - onePiece
            if unsafe ces_atomic_compare_exchange(state, &current, desired) != 0 { return }
        }
    }

    private static var state: UnsafeMutablePointer<UInt64>? {
        unsafe UnsafeMutablePointer(bitPattern: base)
    }
}
