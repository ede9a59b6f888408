import Gateway
import Reactor
import Testing

@Suite struct TurnPortionBehaviour {
    @Test func `it is so many pieces`() {
        #expect(taken(ofPieces: 2, at: [1_000, 1_001, 1_002]) == [true, true, false])
    }

    @Test func `no piece begins when the time is over`() {
        #expect(taken(ofPieces: 9, at: [1_000, 1_099, 1_100]) == [true, true, false])
    }

    @Test func `the first is done however late it is`() {
        #expect(taken(ofPieces: 9, at: [9_000, 9_000]) == [true, false])
    }

    /// Of a portion that begins at 1,000 and lasts 100.
    private func taken(ofPieces pieces: Int, at times: [UInt64]) -> [Bool] {
        let began = Instant(nanoseconds: 1_000)
        var portion = TurnPortion(pieces: pieces, nanoseconds: 100, from: began)
        return times.map { portion.takesPiece(at: Instant(nanoseconds: $0)) }
    }
}
