package import Reactor

extension SegmentPool {
    /// Puts the next piece of a fragmented message behind those before it. `message` is where the
    /// message lies; `none` before its first piece. What bounds it is `MessageLimits`.
    package mutating func assemble(
        _ piece: borrowing Span<UInt8>, into message: inout SegmentIndex
    ) {
        if message == .none { message = make(capacity: piece.count) }
        append(piece, to: message)
    }
}
