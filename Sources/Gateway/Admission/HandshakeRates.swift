package import Reactor

/// How fast each address may make handshakes: a token bucket for each, in the form of the generic
/// cell rate algorithm (ITU-T I.371), where one number says when the bucket will be full again.
///
/// The table has a fixed size: sets of four addresses. Where a fifth comes, the one whose bucket is
/// fullest is forgotten, and begins with a full one when it comes back. So somebody with very many
/// addresses can make the table forget, and gains the burst of one address each time, which having
/// many addresses gives him anyway; nobody is refused because of others.
package struct HandshakeRates: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var address = NetworkAddress.local
        /// When the bucket is full, in nanoseconds; in the past in an entry that says nothing.
        var fullAt: UInt64 = 0
    }

    private static var setCount: Int { 4_096 }
    private static var entriesPerSet: Int { 4 }

    /// Addresses that are remembered at the same time.
    package static var addressesMax: Int { setCount * entriesPerSet }

    /// Nanoseconds between handshakes at the steady rate.
    private let interval: UInt64
    /// Nanoseconds by which a bucket may lack of being full: the burst less one handshake.
    private let tolerance: UInt64
    private let seed: UInt64
    /// Empty until the first handshake is counted.
    private var entries: [Entry] = []

    package init(perSecond: Int, burst: Int, seed: UInt64) {
        precondition(perSecond > 0 && perSecond <= 1_000_000 && burst > 0)
        interval = 1_000_000_000 / UInt64(perSecond)
        tolerance = interval * UInt64(burst - 1)
        self.seed = seed
    }

    /// Takes a token of the address. Returns how many nanoseconds are missing until there is one,
    /// zero when it was taken.
    package mutating func take(_ address: NetworkAddress, at now: Instant) -> UInt64 {
        if entries.isEmpty {
            entries = Array(repeating: Entry(), count: Self.addressesMax)
        }
        let position = position(of: address)
        let known = entries[position].address == address
        let full = known ? max(entries[position].fullAt, now.nanoseconds) : now.nanoseconds
        let missing = full - now.nanoseconds
        guard missing <= tolerance else { return missing - tolerance }
        entries[position] = Entry(
            address: address,
            fullAt: Instant(nanoseconds: full).advanced(byNanoseconds: interval).nanoseconds)
        return 0
    }

    /// The entry of the address, or the one of its set that is soonest full.
    private func position(of address: NetworkAddress) -> Int {
        let mixed = Int(truncatingIfNeeded: address.mixed(with: seed)) & (Self.setCount - 1)
        let first = mixed * Self.entriesPerSet
        var soonest = first
        for position in first..<first + Self.entriesPerSet {
            if entries[position].address == address { return position }
            if entries[position].fullAt < entries[soonest].fullAt { soonest = position }
        }
        return soonest
    }
}
