internal import Reactor

extension BusFrame {
    /// Users in a frame that counts something of them.
    package static let userCountsMax = (Limits.busFrameBytesMax - headerBytes) / 20

    static func userCounts(_ body: borrowing Span<UInt8>) throws(BusFrameFault) -> [UserCount] {
        guard !body.isEmpty, body.count % 20 == 0 else { throw .malformed }
        var counts: [UserCount] = []
        counts.reserveCapacity(body.count / 20)
        for position in stride(from: 0, to: body.count, by: 20) {
            let word = body.halfWord(at: position + 16)
            counts.append(
                UserCount(
                    body.id(at: position), word & UserCount.most,
                    asksOthers: word > UserCount.most))
        }
        return counts
    }
}

extension ByteBuffer {
    mutating func append(_ count: UserCount) {
        append(bigEndian: count.user)
        append(bigEndian: count.count | (count.asksOthers ? UserCount.most + 1 : 0))
    }
}
