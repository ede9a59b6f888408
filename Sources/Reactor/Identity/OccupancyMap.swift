/// Which of a table's slots are occupied: a bit for each.
///
/// The lowest free slot is handed out first. So the occupied ones stay together at the front, where
/// a walk over all of them is short, and what a crowd leaves behind at the end can be given back.
@safe
struct OccupancyMap: ~Copyable {
    private let words: UnsafeMutablePointer<UInt64>
    private let wordCount: Int
    private let capacity: Int
    /// No word before this one has a free slot.
    private var firstFreeWord = 0
    /// Every occupied slot lies below this index.
    private(set) var highWaterMark = 0

    init(capacity: Int) {
        self.capacity = capacity
        wordCount = (capacity + 63) / 64
        unsafe words = ReservedMemory.reserve(UInt64.self, count: wordCount)
    }

    deinit {
        unsafe ReservedMemory.release(words, count: wordCount)
    }

    /// Occupies the lowest free slot; `nil` when there is none.
    mutating func takeLowest() -> UInt32? {
        while firstFreeWord < wordCount, unsafe words[firstFreeWord] == .max {
            firstFreeWord += 1
        }
        guard firstFreeWord < wordCount else { return nil }
        let bit = unsafe (~words[firstFreeWord]).trailingZeroBitCount
        let index = firstFreeWord * 64 + bit
        guard index < capacity else { return nil }
        unsafe words[firstFreeWord] |= 1 << UInt64(bit)
        highWaterMark = max(highWaterMark, index + 1)
        return UInt32(index)
    }

    /// Frees an occupied slot.
    mutating func giveBack(_ index: UInt32) {
        let word = Int(index) / 64
        unsafe words[word] &= ~(1 << UInt64(index % 64))
        firstFreeWord = min(firstFreeWord, word)
        if Int(index) + 1 == highWaterMark { lowerHighWaterMark(from: word) }
    }

    /// The highest slot was freed: the mark goes down to the next occupied one. Each word that is
    /// passed was passed once on the way up.
    private mutating func lowerHighWaterMark(from top: Int) {
        var word = top
        while word > 0, unsafe words[word] == 0 { word -= 1 }
        highWaterMark = unsafe word * 64 + (64 - words[word].leadingZeroBitCount)
    }
}
