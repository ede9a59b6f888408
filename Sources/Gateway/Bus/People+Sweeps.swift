package import Reactor

// Passes over all entries, by which those are taken out that aren't so any more: a part in each turn.
extension People {
    /// When `sweep` has something to do; `nil` when it hasn't.
    package var sweepDue: Instant? {
        if sweepPosition != nil { return Instant(nanoseconds: 0) }
        var due: Instant?
        for source in sources {
            guard let at = source.sweeps.first?.at else { continue }
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
            let due = sources[place].sweeps.prefix { $0.at <= now }
            guard let last = due.last else { continue }
            sources[place].sweeps.removeFirst(due.count)
            sources[place].sweptFrom = last.generation
        }
        return 0
    }

    /// Whether it is of a generation that the pass takes out.
    private func isOutdated(_ entry: PeopleEntry) -> Bool {
        guard entry.seen != .absent else { return false }
        let place = Int(entry.source)
        guard let sweptFrom = sources[place].sweptFrom else { return false }
        // Generations go round; as few as there are at a time can't be mistaken for one another.
        let generation = sources[place].generation
        return generation &- entry.generation > generation &- sweptFrom
    }

    private mutating func endSweep() {
        sweepPosition = nil
        for place in sources.indices where sources[place].sweptFrom != nil {
            sources[place].sweptFrom = nil
            if sources[place].hasEnded, sources[place].count == 0, sources[place].sweeps.isEmpty {
                free(UInt16(place))
            }
        }
    }
}
