/// What a worker and its parent tell each other about who leads: a packet of five bytes.
package struct SessionControl: Equatable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// To a worker: it leads from now on, and has no followers yet.
        case lead = 1
        /// To a worker, with a link's end: it follows from now on.
        case follow
        /// To the leader, with a link's end: there is a follower more.
        case follower
        /// To the parent: the leader didn't show in time that it runs.
        case leaderIsSilent
        /// To the parent: the link has ended.
        case linkHasEnded
    }

    package let kind: Kind
    /// Which naming of a leader it is about.
    package let generation: UInt32

    package init(_ kind: Kind, _ generation: UInt32) {
        self.kind = kind
        self.generation = generation
    }

    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 5, let kind = Kind(rawValue: bytes[0]) else { return nil }
        self.init(kind, bytes.span.halfWord(at: 1))
    }

    package var bytes: [UInt8] {
        [kind.rawValue]
            + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: generation >> UInt32($0)) }
    }
}
