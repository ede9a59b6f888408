internal import Reactor

/// What connections are counted by.
package protocol CountedKey: Equatable, BitwiseCopyable {
    /// The key's bits in one word, well enough mixed with a secret `seed` that nobody can choose
    /// keys that collide.
    func mixed(with seed: UInt64) -> UInt64
}

extension NetworkAddress: CountedKey {
    package func mixed(with seed: UInt64) -> UInt64 {
        var mixer = Jitter(seed: raw ^ seed)
        return mixer.next()
    }
}

extension UUID: CountedKey {
    package func mixed(with seed: UInt64) -> UInt64 {
        var first = Jitter(seed: high ^ seed)
        var second = Jitter(seed: low ^ first.next())
        return second.next()
    }
}

/// How many connections each address, or each user, has.
///
/// An open-addressing table with linear probing. A key is in it as long as it has a connection, so
/// there are never more keys than connections and the table can't be filled by anybody: it grows
/// with them up to twice `keysMax` and shrinks never. It isn't on the path of messages.
package struct ConnectionCounts<Key: CountedKey>: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var key: Key
        /// Zero in a free entry.
        var count: UInt32
    }

    /// Connections that there can be, and so keys.
    package let keysMax: Int
    /// Keys in the table.
    package private(set) var keyCount = 0
    private let seed: UInt64
    private var entries: [Entry]
    private let free: Entry

    /// Entries of an empty table.
    private static var capacityMin: Int { 64 }

    /// - Parameter none: any key; it fills free entries.
    package init(keysMax: Int, seed: UInt64, none: Key) {
        precondition(keysMax > 0)
        self.keysMax = keysMax
        self.seed = seed
        free = Entry(key: none, count: 0)
        entries = Array(repeating: free, count: Self.capacityMin)
    }

    /// Connections of `key`.
    package func count(of key: Key) -> Int {
        Int(entries[position(of: key)].count)
    }

    /// One more of `key`. Returns `false`, and counts nothing, when there are as many keys as there
    /// can be connections: whoever asks counted one twice, and had better refuse it.
    package mutating func add(_ key: Key) -> Bool {
        let position = position(of: key)
        if entries[position].count > 0 {
            entries[position].count += 1
            return true
        }
        guard keyCount < keysMax else { return false }
        entries[position] = Entry(key: key, count: 1)
        keyCount += 1
        // Half empty, so that a probe is short and always ends.
        if keyCount * 2 > entries.count { grow() }
        return true
    }

    /// One less of `key`, which must have been added.
    package mutating func remove(_ key: Key) {
        let position = position(of: key)
        precondition(entries[position].count > 0, "a connection was never counted")
        entries[position].count -= 1
        guard entries[position].count == 0 else { return }
        keyCount -= 1
        closeGap(at: position)
    }

    /// Where `key` stands, or the free entry where it would.
    private func position(of key: Key) -> Int {
        var position = home(of: key)
        while entries[position].count > 0, entries[position].key != key {
            position = (position + 1) & (entries.count - 1)
        }
        return position
    }

    private func home(of key: Key) -> Int {
        // The capacity is a power of two, and fits.
        Int(truncatingIfNeeded: key.mixed(with: seed)) & (entries.count - 1)
    }

    /// Moves back the entries behind a removed one that were pushed on by it (Knuth 6.4, algorithm
    /// R): a mark in its place would stay for ever.
    private mutating func closeGap(at removed: Int) {
        let mask = entries.count - 1
        var gap = removed
        var position = (gap + 1) & mask
        while entries[position].count > 0 {
            let distance = (position - home(of: entries[position].key)) & mask
            if distance >= (position - gap) & mask {
                entries[gap] = entries[position]
                gap = position
            }
            position = (position + 1) & mask
        }
        entries[gap] = free
    }

    private mutating func grow() {
        let old = entries
        entries = Array(repeating: free, count: old.count * 2)
        for entry in old where entry.count > 0 { entries[position(of: entry.key)] = entry }
    }
}
