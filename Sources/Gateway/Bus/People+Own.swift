package import Reactor

// What this node says of its own users.
extension People {
    /// What has to be said, of users who may be seen otherwise than was said: frames with their numbers.
    ///
    /// - Parameter isGreeting: whether somebody new may be there, who knows nothing.
    package mutating func publish(
        _ news: [PresenceChange], isGreeting: Bool, _ now: Instant
    ) -> [(number: UInt64, frame: PeopleFrame)] {
        var frames: [(number: UInt64, frame: PeopleFrame)] = []
        var told: [PresenceChange] = []
        let omitted = !self.omitted.isEmpty
        for one in news {
            guard let change = note(one) else { continue }
            told.append(change)
            if told.count == BusFrame.peopleMax {
                frames.append(frame(telling: told))
                told.removeAll()
            }
        }
        let isSilent =
            now.nanoseconds(since: toldAt) >= Limits.busHeartbeatNanoseconds || isGreeting
        let hasNews = !told.isEmpty || omitted != !self.omitted.isEmpty
        // Who has never had anything to say says nothing.
        if hasNews || isSilent && frames.isEmpty && sources[0].number > 0 {
            frames.append(frame(telling: told))
        }
        if !frames.isEmpty { toldAt = now }
        return frames
    }

    /// Returns what the others have to know of it.
    private mutating func note(_ news: PresenceChange) -> PresenceChange? {
        let pair = news.pair
        omitted.remove(pair)
        guard let index = table.find(pair, of: Self.own) else {
            guard news.seen != .absent else { return nil }
            guard sources[0].count < Limits.busPeoplePerNodeMax,
                table.insert(pair, of: Self.own, generation: 0, news.seen) != nil
            else {
                omitted.insert(pair)
                return nil
            }
            sources[0].count += 1
            sources[0].hash &+= Self.mixed(pair, news.seen)
            return PresenceChange(pair, news.seen, isAnew: removals.contains(pair))
        }
        let before = table[index]
        guard before.seen != news.seen || before.isAnew else { return nil }
        sources[0].hash &-= Self.mixed(pair, before.seen)
        guard news.seen != .absent else {
            sources[0].count -= 1
            table.remove(index)
            return PresenceChange(pair, .absent)
        }
        sources[0].hash &+= Self.mixed(pair, news.seen)
        table[index].seen = news.seen
        table[index].isAnew = false
        return PresenceChange(pair, news.seen, isAnew: before.isAnew || removals.contains(pair))
    }

    private mutating func frame(
        telling changes: [PresenceChange]
    ) -> (number: UInt64, frame: PeopleFrame) {
        sources[0].number += 1
        var frame = PeopleFrame(hash: sources[0].hash)
        frame.omits = !omitted.isEmpty
        frame.changes = changes
        return (sources[0].number, frame)
    }

    /// A part of what was said, from a position on.
    package func part(_ wanted: PeopleWanted, for node: UInt64) -> (
        number: UInt64, part: PeoplePart
    ) {
        var position = Int(wanted.first)
        var entries: [PresenceChange] = []
        let last = min(table.end, position + Limits.busPeopleLooksPerTurn)
        while position < last, entries.count < BusFrame.peopleMax {
            let index = UInt32(position)
            let entry = table[index]
            if entry.seen != .absent, entry.source == Self.own {
                let pair = table.pair(at: index)
                entries.append(
                    PresenceChange(pair, entry.seen, isAnew: removals.contains(pair)))
            }
            position += 1
        }
        let end = position < table.end ? UInt32(position) : PeoplePart.atEnd
        let part = PeoplePart(target: node, first: wanted.first, end: end, entries: entries)
        return (sources[0].number, part)
    }
}
