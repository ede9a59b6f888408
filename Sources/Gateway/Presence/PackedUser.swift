internal import Reactor

/// A user of a room at rest, in three words: nobody lingers there, and all was told, so that neither a
/// deadline nor what was told is kept.
struct PackedUser: BitwiseCopyable {
    static var wordCount: Int { 3 }
    /// Bits of the first other connection, of the marks of the first one, of how the user is seen, and
    /// how elsewhere; one more says that the user is suspended.
    static var moreBits: Int { 21 }
    private static var watchBits: Int { 5 }
    private static var visibilityBits: Int { 2 }
    private static var watchShift: Int { moreBits }
    private static var currentShift: Int { watchShift + watchBits }
    private static var elsewhereShift: Int { currentShift + visibilityBits }
    private static var suspendedShift: Int { elsewhereShift + visibilityBits }

    let high: UInt64
    let low: UInt64
    /// The first connection, and the bits above.
    let rest: UInt64

    init(_ high: UInt64, _ low: UInt64, _ rest: UInt64) {
        self.high = high
        self.low = low
        self.rest = rest
    }

    init(_ user: PresentUser) {
        var bits = user.more | UInt32(user.watch.rawValue) << Self.watchShift
        bits |= UInt32(user.current.rawValue) << Self.currentShift
        bits |= UInt32(user.elsewhere.rawValue) << Self.elsewhereShift
        if user.marks.contains(.isSuspended) { bits |= 1 << Self.suspendedShift }
        high = user.user.high
        low = user.user.low
        rest = UInt64(user.client) << 32 | UInt64(bits)
    }

    var user: UserID { UserID(high: high, low: low) }

    private var bits: UInt32 { UInt32(truncatingIfNeeded: rest) }

    var current: Visibility { visibility(at: Self.currentShift) }

    private func visibility(at shift: Int) -> Visibility {
        switch bits >> shift & 3 {
        case 0: .absent
        case 1: .away
        default: .active
        }
    }

    /// - Parameter isTruncated: whether nobody was told who is present.
    func unpacked(isTruncated: Bool) -> PresentUser {
        let watch = UInt8(truncatingIfNeeded: bits >> Self.watchShift & (1 << Self.watchBits - 1))
        var user = PresentUser(
            user, ClientIndex(rest >> 32), WatchMarks(rawValue: watch))
        user.more = bits & (1 << Self.moreBits - 1)
        user.current = current
        user.published = isTruncated ? .absent : current
        user.elsewhere = visibility(at: Self.elsewhereShift)
        if user.hasConnections { user.marks.insert(.isOwn) }
        if bits >> Self.suspendedShift & 1 == 1 { user.marks.insert(.isSuspended) }
        return user
    }
}
