package import Reactor

// Passes over all entries, by which those are taken out that aren't so any more: a part in each turn.
extension People {
    /// When `sweep` has something to do; `nil` when it hasn't.
    package var sweepDue: Instant? {
        if sweepPosition != nil { return Instant(nanoseconds: 0) }
        var due: Instant?
        for source in sources {
            guard let at = source.sweepAt else { continue }
            due = min(due ?? at, at)
        }
        return due
    }

    package mutating func sweep(_ now: Instant) {
        guard let due = sweepDue, due <= now else { return }
        var position = sweepPosition ?? beginSweep(now)
        var looks = Limits.busPeopleLooksPerTurn
        var removals = Limits.busPeopleRemovalsPerTurn
        while position < table.end, looks > 0, removals > 0 {
            looks -= 1
            let index = UInt32(position)
            if isOutdated(table[index]) {
                removeOld(index)
                removals -= 1
            }
            position += 1
        }
        sweepPosition = position
        if position >= table.end { endSweep() }
    }

    private mutating func beginSweep(_ now: Instant) -> Int {
        for place in sources.indices {
            guard let at = sources[place].sweepAt, at <= now else { continue }
            sources[place].sweepAt = nil
            sources[place].sweptFrom = sources[place].generation
        }
        return 0
    }

    /// Whether it is of a generation that was a former one when the pass began.
    private func isOutdated(_ entry: PeopleEntry) -> Bool {
        guard entry.seen != .absent else { return false }
        let source = sources[Int(entry.source)]
        guard let sweptFrom = source.sweptFrom else { return false }
        // Generations go round; as few as there are at a time can't be mistaken for one another.
        return source.generation &- entry.generation > source.generation &- sweptFrom
    }

    private mutating func endSweep() {
        sweepPosition = nil
        for place in sources.indices where sources[place].sweptFrom != nil {
            sources[place].sweptFrom = nil
            if sources[place].hasEnded, sources[place].count == 0, sources[place].sweepAt == nil {
                free(UInt16(place))
            }
        }
    }
}
