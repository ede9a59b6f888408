/// Finds its way in bytes that this program wrote itself: a run of whole frames without masks.
///
/// When a slow client's queue is dropped, the frame that it has already received a part of must
/// still be sent to its end. Anything but whole frames is a mistake of ours and traps.
package enum ServerFrames {
    /// The end of the frame that `offset` lies within; `offset` itself if a frame starts there or
    /// the run ends there, since then there is nothing to finish. Walks over the frames before it.
    package static func end(ofFrameContaining offset: Int, in frames: borrowing Span<UInt8>) -> Int
    {
        precondition(offset >= 0 && offset <= frames.count)
        var boundary = 0
        while boundary < offset { boundary = end(ofFrameAt: boundary, in: frames) }
        return boundary
    }

    /// How many frames stand from `offset` on, which must be the start of one or the end.
    package static func count(in frames: borrowing Span<UInt8>, from offset: Int = 0) -> Int {
        precondition(offset >= 0 && offset <= frames.count)
        var count = 0
        var boundary = offset
        while boundary < frames.count {
            boundary = end(ofFrameAt: boundary, in: frames)
            count += 1
        }
        return count
    }

    /// The kind and the payload of the frame that starts at `start`.
    static func frame(
        at start: Int, in frames: borrowing Span<UInt8>
    ) -> (opcode: Opcode, payload: Range<Int>) {
        guard let opcode = Opcode(rawValue: frames[start] & 0x0F) else {
            preconditionFailure("a reserved opcode among the server's own frames")
        }
        return (opcode, payload(ofFrameAt: start, in: frames))
    }

    private static func end(ofFrameAt start: Int, in frames: borrowing Span<UInt8>) -> Int {
        payload(ofFrameAt: start, in: frames).upperBound
    }

    private static func payload(
        ofFrameAt start: Int, in frames: borrowing Span<UInt8>
    ) -> Range<Int> {
        let short = Int(frames[start + 1])
        precondition(short < 0x80, "masked frame among the server's own")
        var payloadCount = short
        var payloadStart = start + 2
        if short > 125 {
            let width = short == 126 ? 2 : 8
            payloadCount = 0
            for index in 0..<width {
                payloadCount = payloadCount << 8 | Int(frames[payloadStart + index])
            }
            payloadStart += width
        }
        precondition(payloadCount >= 0 && payloadCount <= frames.count - payloadStart)
        return payloadStart..<payloadStart + payloadCount
    }
}
