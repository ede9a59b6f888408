internal import Reactor

/// How many connections each address, or each user, has.
///
/// An open-addressing table with linear probing. A key is in it as long as it has a connection, so
/// there are never more keys than connections and the table can't be filled by anybody: it grows
/// with them up to 8/3 of `keysMax` and shrinks never. It isn't on the path of messages.
///
/// Keys and counts stand apart, since beside each other a fifth of them would be padding.
package struct ConnectionCounts<Key: CountedKey>: ~Copyable {
    /// Connections that there can be, and so keys.
    package let keysMax: Int
    /// Keys in the table.
    package private(set) var keyCount = 0
    private let seed: UInt64
    private let none: Key
    private var keys: [Key]
    /// Zero in a free place.
    private var counts: [UInt32]

    /// Places in an empty table.
    private static var capacityMin: Int { 64 }

    /// - Parameter none: any key; it fills free places.
    package init(keysMax: Int, seed: UInt64, none: Key) {
        precondition(keysMax > 0)
        self.keysMax = keysMax
        self.seed = seed
        self.none = none
        keys = Array(repeating: none, count: Self.capacityMin)
        counts = Array(repeating: 0, count: Self.capacityMin)
    }

    /// Connections of `key`.
    package func count(of key: Key) -> Int {
        Int(counts[position(of: key)])
    }

    /// One more of `key`. Returns `false`, and counts nothing, when there are as many keys as there
    /// can be connections: whoever asks counted one twice, and had better refuse it.
    package mutating func add(_ key: Key) -> Bool {
        let position = position(of: key)
        if counts[position] > 0 {
            counts[position] += 1
            return true
        }
        guard keyCount < keysMax else { return false }
        keys[position] = key
        counts[position] = 1
        keyCount += 1
        // A quarter is empty, so that a probe is short and always ends.
        if keyCount * 4 > keys.count * 3 { grow() }
        return true
    }

    /// One less of `key`, which must have been added.
    package mutating func remove(_ key: Key) {
        let position = position(of: key)
        precondition(counts[position] > 0, "a connection was never counted")
        counts[position] -= 1
        guard counts[position] == 0 else { return }
        keyCount -= 1
        closeGap(at: position)
    }

    /// Looks at so many places from `position` on for keys with at least so many connections. Returns where to
    /// look on; `nil` at the end.
    package func forEach(
        from position: Int, looks: Int, least: UInt32, _ body: (Key, UInt32) -> Void
    ) -> Int? {
        let end = min(position + looks, counts.count)
        guard position < end else { return nil }
        for place in position..<end where counts[place] >= least {
            body(keys[place], counts[place])
        }
        return end < counts.count ? end : nil
    }

    /// Where `key` stands, or the free place where it would.
    private func position(of key: Key) -> Int {
        var position = home(of: key)
        while counts[position] > 0, keys[position] != key {
            position = (position + 1) & (keys.count - 1)
        }
        return position
    }

    private func home(of key: Key) -> Int {
        // The capacity is a power of two, and fits.
        Int(truncatingIfNeeded: key.mixed(with: seed)) & (keys.count - 1)
    }

    /// Moves back those behind a removed one that were pushed on by it (Knuth 6.4, algorithm R): a
    /// mark in its place would stay for ever.
    private mutating func closeGap(at removed: Int) {
        let mask = keys.count - 1
        var gap = removed
        var position = (gap + 1) & mask
        while counts[position] > 0 {
            let distance = (position - home(of: keys[position])) & mask
            if distance >= (position - gap) & mask {
                keys[gap] = keys[position]
                counts[gap] = counts[position]
                gap = position
            }
            position = (position + 1) & mask
        }
        keys[gap] = none
        counts[gap] = 0
    }

    private mutating func grow() {
        let oldKeys = keys
        let oldCounts = counts
        keys = Array(repeating: none, count: oldKeys.count * 2)
        counts = Array(repeating: 0, count: oldKeys.count * 2)
        for old in oldKeys.indices where oldCounts[old] > 0 {
            let position = position(of: oldKeys[old])
            keys[position] = oldKeys[old]
            counts[position] = oldCounts[old]
        }
    }
}
