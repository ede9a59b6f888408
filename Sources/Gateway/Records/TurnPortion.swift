package import Reactor

/// What a turn does of one kind of work: so many pieces, and as many as begin within a time. The first is
/// done in any case, so that the work goes on however dear a piece is.
package struct TurnPortion: BitwiseCopyable, Sendable {
    private var piecesLeft: Int
    private let began: Instant
    private let nanoseconds: UInt64
    private var hasBegun = false

    package init(pieces: Int, nanoseconds: UInt64, from began: Instant) {
        piecesLeft = pieces
        self.nanoseconds = nanoseconds
        self.began = began
    }

    /// Whether another piece is begun now; it counts then.
    package mutating func takesPiece(at now: Instant) -> Bool {
        guard piecesLeft > 0, !hasBegun || now.nanoseconds(since: began) < nanoseconds else {
            return false
        }
        hasBegun = true
        piecesLeft -= 1
        return true
    }
}
