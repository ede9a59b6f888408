internal import Reactor

/// Why a frame is skipped.
package enum BusFrameFault: Error, Equatable, Sendable {
    /// Longer than any frame.
    case oversized
    /// Of another version, which may mean anything.
    case version
    /// Cut off, of an unknown kind, or with bytes that no frame has there.
    case malformed
}

extension BusFrame {
    /// Reads a whole frame. What `write` would have written otherwise is refused.
    package init(_ bytes: borrowing Span<UInt8>) throws(BusFrameFault) {
        guard bytes.count <= Limits.busFrameBytesMax else { throw .oversized }
        guard bytes.count >= 2, bytes[0] == Self.magic else { throw .malformed }
        guard bytes[1] == Self.version else { throw .version }
        guard bytes.count >= Self.headerBytes, bytes[3] <= 1 else { throw .malformed }
        let mark = bytes[3] == 1
        let content = try Self.content(
            kind: bytes[2], mark, bytes.extracting(Self.headerBytes..<bytes.count))
        self.init(
            sender: BusIdentity(node: bytes.word(at: 4), epoch: bytes.word(at: 12)),
            number: bytes.word(at: 20), content)
        switch content {
        case .counts, .people: guard number > 0 else { throw .malformed }
        default: break
        }
    }

    private static func content(
        kind: UInt8, _ mark: Bool, _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> Content {
        switch kind {
        case 1: return .counts(try counts(mark, body))
        case 2:
            guard body.count == 20, !mark, body.halfWord(at: 16) < ProjectCounts.shardCount else {
                throw .malformed
            }
            let target = BusIdentity(node: body.word(at: 0), epoch: body.word(at: 8))
            return .snapshotWanted(
                SnapshotWanted(target: target, shard: Int(body.halfWord(at: 16))))
        case 3 where !mark: return .snapshot(try snapshot(body))
        case 4:
            guard body.count == (mark ? 44 : 28) else { throw .malformed }
            return .usersWanted(
                UsersWanted(
                    target: body.word(at: 0), question: body.halfWord(at: 8),
                    project: body.id(at: 12), after: mark ? body.id(at: 28) : nil))
        case 5: return .users(try users(isLast: mark, body))
        case 6 where !mark: return .goodbye(try goodbye(body))
        case 7: return .people(try people(mark, body))
        case 8 where !mark: return .peopleWanted(try peopleWanted(body))
        case 9 where !mark: return .peoplePart(try peoplePart(body))
        case 10 where !mark: return .typing(try typing(body))
        case 11 where !mark: return .connections(try userCounts(body))
        case 12 where !mark: return .sends(try userCounts(body))
        default: throw .malformed
        }
    }

    private static func goodbye(
        _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> GoodbyeFrame {
        guard !body.isEmpty else { return GoodbyeFrame() }
        guard body.count == 4 else { throw .malformed }
        let milliseconds = body.halfWord(at: 0)
        guard (1...UInt32(Limits.reconnectWindowMillisecondsMax)).contains(milliseconds) else {
            throw .malformed
        }
        return GoodbyeFrame(windowMilliseconds: milliseconds)
    }

    private static func counts(
        _ mark: Bool, _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> CountsFrame {
        guard body.count >= 12, (body.count - 12) % 20 == 0 else { throw .malformed }
        var frame = CountsFrame(clients: body.halfWord(at: 0), hash: body.word(at: 4))
        frame.omitsProjects = mark
        frame.changes = projectCounts(in: body, from: 12)
        return frame
    }

    private static func snapshot(
        _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> SnapshotFrame {
        guard body.count >= 12, (body.count - 12) % 20 == 0 else { throw .malformed }
        let bounds = body.halfWord(at: 8)
        let (first, end) = (Int(bounds >> 16), Int(bounds & 0xFFFF))
        guard first < end, end <= ProjectCounts.shardCount else { throw .malformed }
        let counts = projectCounts(in: body, from: 12)
        for count in counts {
            guard count.clients > 0,
                (first..<end).contains(ProjectCounts.shard(of: count.project))
            else { throw .malformed }
        }
        return SnapshotFrame(target: body.word(at: 0), shards: first..<end, counts: counts)
    }

    private static func users(
        isLast: Bool, _ body: borrowing Span<UInt8>
    ) throws(BusFrameFault) -> UsersFrame {
        guard body.count >= 12, (body.count - 12) % 16 == 0 else { throw .malformed }
        var frame = UsersFrame(
            target: body.word(at: 0), question: body.halfWord(at: 8), isLast: isLast, users: [])
        frame.users.reserveCapacity((body.count - 12) / 16)
        for position in stride(from: 12, to: body.count, by: 16) {
            let user = body.id(at: position)
            if let last = frame.users.last, last >= user { throw .malformed }
            frame.users.append(user)
        }
        // Nobody is asked for more after nobody.
        guard isLast || !frame.users.isEmpty else { throw .malformed }
        return frame
    }

    private static func projectCounts(
        in body: borrowing Span<UInt8>, from start: Int
    ) -> [ProjectCount] {
        var counts: [ProjectCount] = []
        counts.reserveCapacity((body.count - start) / 20)
        for position in stride(from: start, to: body.count, by: 20) {
            counts.append(ProjectCount(body.id(at: position), body.halfWord(at: position + 16)))
        }
        return counts
    }
}

extension Span<UInt8> {
    func word(at position: Int) -> UInt64 {
        var word: UInt64 = 0
        for offset in 0..<8 { word = word << 8 | UInt64(self[position + offset]) }
        return word
    }

    func halfWord(at position: Int) -> UInt32 {
        var word: UInt32 = 0
        for offset in 0..<4 { word = word << 8 | UInt32(self[position + offset]) }
        return word
    }

    func id(at position: Int) -> UUID {
        UUID(high: word(at: position), low: word(at: position + 8))
    }
}
