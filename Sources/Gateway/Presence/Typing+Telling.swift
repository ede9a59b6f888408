package import Reactor

// The topics that are due, and what is told of them, one user of the project after the other.
extension Typing {
    package var hasWorkLeft: Bool { !queued.isEmpty }
    package var queuedCount: Int { queued.count }

    package mutating func dequeueTopic() -> UInt32? {
        while let raw = queued.removeFirst() {
            guard topics[Int(raw)].isInUse, topics[Int(raw)].isQueued else { continue }
            topics[Int(raw)].isQueued = false
            return raw
        }
        return nil
    }

    package mutating func requeue(_ raw: UInt32) {
        guard !topics[Int(raw)].isQueued else { return }
        topics[Int(raw)].isQueued = true
        queued.append(raw)
    }

    package func project(of raw: UInt32) -> ProjectID { topics[Int(raw)].project }
    package func isUnderWay(_ raw: UInt32) -> Bool { topics[Int(raw)].cursor != nil }
    package func frame(of raw: UInt32) -> SegmentIndex { topics[Int(raw)].frame }
    package mutating func setFrame(_ frame: SegmentIndex, of raw: UInt32) {
        topics[Int(raw)].frame = frame
    }

    /// Begins to tell who types.
    ///
    /// - Parameter users: how many users the project's presence has.
    package mutating func begin(
        _ raw: UInt32, users: Int, into text: inout ByteBuffer, _ now: Instant
    ) {
        topics[Int(raw)].write(without: nil, into: &text)
        topics[Int(raw)].beginTelling(users: users, now)
    }

    package mutating func nextPosition(of raw: UInt32) -> Int? {
        guard let cursor = topics[Int(raw)].cursor, cursor > 0 else { return nil }
        topics[Int(raw)].cursor = cursor - 1
        return cursor - 1
    }

    /// What a connection of a user is told.
    package enum News: BitwiseCopyable, Sendable {
        case nothing
        /// What everyone is told.
        case all
        /// The same without the user.
        case others
    }

    /// Nothing where nobody but the user types or did, since that is nothing to tell the user.
    package func news(for user: UserID, in raw: UInt32) -> News {
        let topic = topics[Int(raw)]
        guard let position = topic.typist(of: user) else { return .all }
        let typist = topic.typists[position]
        let others = topic.toldCount - (typist.isTold ? 1 : 0)
        let othersBefore = topic.toldBefore - (typist.wasTold ? 1 : 0)
        if others == 0, othersBefore == 0 { return .nothing }
        return typist.isTold ? .others : .all
    }

    package func write(_ raw: UInt32, without user: UserID, into text: inout ByteBuffer) {
        topics[Int(raw)].write(without: user, into: &text)
    }

    /// All were told. Returns the frame.
    package mutating func end(_ raw: UInt32, _ now: Instant) -> SegmentIndex {
        let frame = topics[Int(raw)].frame
        topics[Int(raw)].frame = .none
        topics[Int(raw)].endTelling()
        update(raw, now)
        return frame
    }
}
