package import Reactor

/// What a connection is to be sent.
package enum PresenceNews: BitwiseCopyable, Sendable {
    /// What has changed: the frame of the round.
    case changes
    /// Who is present, whole.
    case list
    /// How many are.
    case count
}

// Rounds: when changes are told, and to whom. The core walks the users of a room, asks for each of
// their connections what it is to be sent, and says whether it could be.
extension Presence {
    // MARK: Pace

    /// Something is to be told: not before that instant, and not faster than the pace.
    mutating func scheduleRound(of raw: UInt32, notBefore: Instant, _ now: Instant) {
        var at = notBefore
        if let last = self[raw].lastRound {
            at = max(at, last.advanced(byNanoseconds: self[raw].pace))
        }
        if let planned = self[raw].roundAt, planned <= at { return }
        self[raw].roundAt = at
        guard self[raw].cursor == nil else { return }  // When the one under way is over.
        arm(raw, now)
    }

    private mutating func arm(_ raw: UInt32, _ now: Instant) {
        if let roundAt = self[raw].roundAt, roundAt <= now { queue(raw) }
        setTimer(of: raw)
    }

    mutating func queue(_ raw: UInt32) {
        guard !self[raw].isQueued else { return }
        self[raw].isQueued = true
        queued.append(raw)
    }

    /// Whether something is to be told in this turn.
    package var hasWorkLeft: Bool { !queued.isEmpty || hasAsks }

    /// Rounds that are due or under way.
    package var queuedCount: Int { queued.count }

    /// The room whose round is served next, taken out of the list.
    package mutating func dequeueRoom() -> UInt32? {
        while let raw = queued.removeFirst() {
            guard isInUse(raw), self[raw].isQueued else { continue }
            self[raw].isQueued = false
            return raw
        }
        queued.returnMemory()
        return nil
    }

    /// The room's round goes on in the next turn.
    package mutating func requeue(_ raw: UInt32) { queue(raw) }

    /// The room's round, which may be under way, can't be served for now.
    package mutating func postponeRound(of raw: UInt32, _ now: Instant) {
        self[raw].roundAt = now.advanced(byNanoseconds: Limits.presenceDelayNanoseconds)
        setTimer(of: raw)
    }

    package func project(of raw: UInt32) -> ProjectID { self[raw].project }

    // MARK: A round

    package func isRoundUnderWay(in raw: UInt32) -> Bool { self[raw].cursor != nil }

    /// Begins a round: writes what has changed. Returns whether there is something written.
    package mutating func beginRound(
        of raw: UInt32, into text: inout ByteBuffer, _ now: Instant
    ) -> Bool {
        let truncates = truncates(raw)
        let flips = truncates != self[raw].isTruncated
        let tells = self[raw].isChanged(truncates: truncates) || self[raw].hasEarlyStates
        self[raw].roundAt = nil
        if tells || self[raw].hasWaiting { self[raw].lastRound = now }
        self[raw].hasWaiting = false
        self[raw].changesCount = false
        var isWritten = false
        if tells {
            self[raw].sequence += 1
            if flips || self[raw].earlyStatesAreOld { forgetStates(of: raw, all: flips) }
            self[raw].changesCount = self[raw].visibleCount != self[raw].publishedCount
            if !truncates, !flips {
                writeChanges(of: raw, into: &text)
                isWritten = true
            }
            publish(raw, truncates: truncates)
        }
        self[raw].cursor = self[raw].users.count
        return isWritten
    }

    /// Nobody follows the changes: what is so now counts as told.
    mutating func publishSilently(_ raw: UInt32) {
        self[raw].sequence += 1
        publish(raw, truncates: truncates(raw))
    }

    /// The frame that `beginRound` has written, which the round keeps until its end.
    package mutating func setFrame(_ frame: SegmentIndex, of raw: UInt32) {
        self[raw].frame = frame
    }
    package func frame(of raw: UInt32) -> SegmentIndex { self[raw].frame }

    /// Lets connections get a state instead of the changes: all, or those whose state has the number of
    /// this round and isn't so any more.
    private mutating func forgetStates(of raw: UInt32, all: Bool) {
        for position in self[raw].users.indices {
            var next = firstWatch(of: position, in: raw)
            while let watch = next {
                next = nextWatch(after: watch, of: position, in: raw)
                var marks = marks(of: watch, position, raw)
                guard all || marks.isAt(self[raw].sequence) else { continue }
                marks.remove(.hasState)
                setMarks(marks, of: watch, position, raw)
            }
        }
    }

    private mutating func publish(_ raw: UInt32, truncates: Bool) {
        for position in self[raw].users.indices.reversed() {
            let current = self[raw][position].current
            self[raw][position].published = truncates ? .absent : current
            guard current == .absent else { continue }
            removeIfGone(position, raw)
        }
        self[raw].changedCount = truncates ? self[raw].visibleCount : 0
        self[raw].publishedCount = self[raw].visibleCount
        self[raw].isTruncated = truncates
        self[raw].hasEarlyStates = false
        self[raw].earlyStatesAreOld = false
    }

    /// The next user of the round; `nil` when all were served. Backwards: who comes meanwhile stands
    /// behind, and who takes the place of one that goes was served, which its connections know.
    package mutating func nextUser(in raw: UInt32) -> Int? {
        guard let cursor = self[raw].cursor, cursor > 0 else { return nil }
        self[raw].cursor = cursor - 1
        return cursor - 1
    }

    /// What the connection is to be sent in the round; `nil` for nothing.
    package mutating func news(
        for watch: Watch, of position: Int, in raw: UInt32
    ) -> PresenceNews? {
        var marks = marks(of: watch, position, raw)
        let listed = marks.contains(.wantsList) && !self[raw].isTruncated
        guard marks.contains(.hasState) else { return listed ? .list : .count }
        if marks.isAt(self[raw].sequence) { return nil }
        if listed { return .changes }
        if self[raw].changesCount { return .count }
        marks.noteSent(self[raw].sequence)
        setMarks(marks, of: watch, position, raw)
        return nil
    }

    /// The round is over. Returns its frame.
    package mutating func endRound(of raw: UInt32, _ now: Instant) -> SegmentIndex {
        let frame = self[raw].frame
        self[raw].frame = .none
        self[raw].cursor = nil
        arm(raw, now)
        discardIfUnused(raw)
        return frame
    }
}
