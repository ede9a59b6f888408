package import Reactor

/// How fast each address, or each user, may do something: a token bucket for each, in the form of the
/// generic cell rate algorithm (ITU-T I.371), where one number says when the bucket is full again.
///
/// The table has a fixed size: sets of four keys. Where a fifth comes, the one whose bucket is fullest
/// is forgotten, and begins with a full one when it comes back. So somebody with very many keys can
/// make the table forget, and gains the burst of one key each time, which having many gives him
/// anyway; nobody is refused because of others.
package struct TokenBuckets<Key: CountedKey>: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var key: Key
        /// When the bucket is full, in nanoseconds; in the past in an entry that says nothing.
        var fullAt: UInt64 = 0
    }

    private static var setCount: Int { 4_096 }
    private static var entriesPerSet: Int { 4 }

    /// Keys that are remembered at the same time.
    package static var keysMax: Int { setCount * entriesPerSet }

    /// Nanoseconds between two tokens at the steady rate.
    private let interval: UInt64
    /// Nanoseconds by which a bucket may lack of being full: the burst less one.
    private let tolerance: UInt64
    private let seed: UInt64
    /// Empty until the first token is taken.
    private var entries: [Entry] = []

    package init(perSecond: Int, burst: Int, seed: UInt64) {
        precondition(perSecond > 0 && perSecond <= 1_000_000)
        self.init(
            intervalNanoseconds: 1_000_000_000 / UInt64(perSecond), burst: burst, seed: seed)
    }

    package init(intervalNanoseconds: UInt64, burst: Int, seed: UInt64) {
        precondition(burst > 0)
        interval = intervalNanoseconds
        tolerance = interval * UInt64(burst - 1)
        self.seed = seed
    }

    /// Takes a token of the key. Returns how many nanoseconds are missing until there is one,
    /// zero when it was taken.
    package mutating func take(_ key: Key, at now: Instant) -> UInt64 {
        if entries.isEmpty {
            entries = Array(repeating: Entry(key: key), count: Self.keysMax)
        }
        let position = position(of: key)
        let known = entries[position].key == key
        let full = known ? max(entries[position].fullAt, now.nanoseconds) : now.nanoseconds
        let missing = full - now.nanoseconds
        guard missing <= tolerance else { return missing - tolerance }
        entries[position] = Entry(
            key: key,
            fullAt: Instant(nanoseconds: full).advanced(byNanoseconds: interval).nanoseconds)
        return 0
    }

    /// Takes tokens that were used elsewhere, whether they are there or not: of a bucket no more than it holds
    /// is owed.
    package mutating func charge(_ key: Key, _ tokens: Int, at now: Instant) {
        if entries.isEmpty {
            entries = Array(repeating: Entry(key: key), count: Self.keysMax)
        }
        let position = position(of: key)
        let known = entries[position].key == key
        let full = known ? max(entries[position].fullAt, now.nanoseconds) : now.nanoseconds
        let burst = tolerance / interval + 1
        let used = interval * min(UInt64(clamping: tokens), burst)
        let most = now.nanoseconds.addingReportingOverflow(2 * (tolerance + interval))
        let charged = full.addingReportingOverflow(used)
        guard !most.overflow, !charged.overflow else { return }
        entries[position] = Entry(key: key, fullAt: min(charged.partialValue, most.partialValue))
    }

    /// The entry of the key, or the one of its set that is soonest full.
    private func position(of key: Key) -> Int {
        let mixed = Int(truncatingIfNeeded: key.mixed(with: seed)) & (Self.setCount - 1)
        let first = mixed * Self.entriesPerSet
        var soonest = first
        for position in first..<first + Self.entriesPerSet {
            if entries[position].key == key { return position }
            if entries[position].fullAt < entries[soonest].fullAt { soonest = position }
        }
        return soonest
    }
}
