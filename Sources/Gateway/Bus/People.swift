package import Reactor

/// Who is present where, of users of other nodes as those say, and of own ones as others were told.
///
/// A value without a clock or a carrier, beside `NodeTable`, which says whether a process is there.
/// Each node's entries are its own. They are of generations: after something was missed a new one
/// begins, to which entries are taken over as they are said again, and what is left of the former ones
/// in the end isn't so any more. So nobody leaves who is found to be there.
package struct People: ~Copyable {
    /// A node that says something, or the own one.
    struct Source: Sendable {
        var name: UInt64
        var epoch: UInt64
        /// Of its last frame.
        var number: UInt64 = 0
        /// Entries of the present generation, and those of former ones.
        var generation: UInt8 = 0
        var count = 0
        var oldCount = 0
        /// Of the present generation's entries, as they are and as they should be.
        var hash: UInt64 = 0
        var told: UInt64 = 0
        /// Whether it has more entries than it tells of.
        var omits = false
        var snapshot: SnapshotProgress?
        var snapshotBegan: Instant?
        /// When former generations are taken out, the oldest first: each process that ended here has a time
        /// of its own. Empty when there is nothing to be taken out, or that waits for a snapshot.
        var sweeps: [Sweep] = []
        /// The generation before which those are that the pass under way takes out.
        var sweptFrom: UInt8?
        /// Whether its process is over, of which entries are left.
        var hasEnded = false
        var isFree = false

        init(_ identity: BusIdentity) {
            name = identity.node
            epoch = identity.epoch
        }
    }

    /// What isn't so any more from an instant on: generations before this one.
    struct Sweep: Sendable {
        var generation: UInt8
        let at: Instant
    }

    struct SnapshotProgress: Sendable {
        var position: UInt32
        var askedAt: Instant
    }

    /// The own node's place among the sources.
    static var own: UInt16 { 0 }

    var table: PeopleTable
    var sources: [Source]
    private var sourceOfNode: [UInt64: UInt16] = [:]
    private var freeSources: [UInt16] = []
    /// Snapshots to be asked for, emptied by whoever sends.
    private var wanted: [PeopleWanted] = []
    /// Users who may be seen otherwise than before, for whoever shows them.
    private var changed: [MembershipPair] = []
    private var nextChanged = 0
    /// Where the pass stands that takes out former generations; `nil` without one.
    var sweepPosition: Int?
    var removals = RecentRemovals()
    /// Own users for whom there is no room.
    var omitted: Set<MembershipPair> = []
    /// When others were told something the last time.
    var toldAt = Instant(nanoseconds: 0)

    package private(set) var gaps: UInt64 = 0
    package private(set) var snapshots: UInt64 = 0
    /// Nodes and entries for which there was no room.
    package internal(set) var refusals: UInt64 = 0

    package init(own identity: BusIdentity, seed: UInt64) {
        table = PeopleTable(seed: seed)
        sources = [Source(identity)]
    }

    // MARK: Asking

    /// How others see the user in the project.
    package func seen(_ pair: MembershipPair) -> Visibility {
        var seen = Visibility.absent
        table.forEach(pair) { _, entry in
            guard entry.source != Self.own, !entry.isShunned else { return }
            seen = seen.joined(with: entry.seen)
        }
        return seen
    }

    /// Users whom others see in the project; some more than once.
    package func users(of project: ProjectID) -> [UserID] {
        table.users(of: project, except: Self.own)
    }

    /// Whether what is known may be less than what is, though all are heard.
    package var isPartial: Bool {
        sources.indices.dropFirst().contains { place in
            let source = sources[place]
            return !source.isFree && !source.hasEnded
                && (source.hash != source.told || source.omits)
        }
    }

    /// Entries of other nodes, and of this one.
    package var elsewhereCount: Int { table.count - ownCount }
    package var ownCount: Int { sources[Int(Self.own)].count }

    /// The next user who may be seen otherwise.
    package mutating func dequeueChanged() -> MembershipPair? {
        guard nextChanged < changed.count else { return nil }
        defer {
            if nextChanged == changed.count {
                changed.removeAll(keepingCapacity: true)
                nextChanged = 0
            }
        }
        nextChanged += 1
        return changed[nextChanged - 1]
    }

    mutating func noteChanged(_ pair: MembershipPair) { changed.append(pair) }

    // MARK: Hearing

    /// What the process of a node says that is there.
    package mutating func receive(
        _ frame: PeopleFrame, number: UInt64, from sender: BusIdentity, _ now: Instant
    ) -> NodeTable.Outcome {
        succeed(sender, now)
        guard let place = sourceOfNode[sender.node] ?? makeSource(sender) else {
            refusals &+= 1
            return .full
        }
        let last = sources[Int(place)].number
        guard number > last else { return .stale }
        if last > 0, number != last &+ 1 { gaps &+= 1 }
        sources[Int(place)].number = number
        sources[Int(place)].hasEnded = false
        sources[Int(place)].told = frame.hash
        sources[Int(place)].omits = frame.omits
        for change in frame.changes { set(change, of: place, now) }
        if sources[Int(place)].hash == sources[Int(place)].told {
            // Whatever was missed has come by other frames.
            endSnapshot(of: place, now)
        } else if sources[Int(place)].snapshot == nil {
            beginSnapshot(of: place, now)
        }
        return .taken
    }

    /// A part of a snapshot that was asked for here. Returns whether it was of use.
    package mutating func receive(
        _ part: PeoplePart, number: UInt64, from sender: BusIdentity, _ now: Instant
    ) -> Bool {
        guard let place = sourceOfNode[sender.node], part.target == sources[0].name,
            sources[Int(place)].epoch == sender.epoch, number >= sources[Int(place)].number,
            sources[Int(place)].snapshot?.position == part.first
        else { return false }
        for change in part.entries { set(change, of: place, now) }
        if part.end == PeoplePart.atEnd {
            endSnapshot(of: place, now)
        } else {
            ask(place, from: part.end, now)
        }
        return true
    }

    private mutating func makeSource(_ sender: BusIdentity) -> UInt16? {
        guard sourceOfNode.count < Limits.busNodesMax else { return nil }
        let place: UInt16
        if let free = freeSources.popLast() {
            place = free
            sources[Int(place)] = Source(sender)
        } else {
            place = UInt16(sources.count)
            sources.append(Source(sender))
        }
        sourceOfNode[sender.node] = place
        return place
    }

    private mutating func set(_ change: PresenceChange, of place: UInt16, _ now: Instant) {
        let generation = sources[Int(place)].generation
        guard let index = table.find(change.pair, of: place) else {
            guard change.seen != .absent else { return }
            add(change, of: place, now)
            return
        }
        let before = table[index]
        forgetHash(of: before, change.pair, place)
        if change.seen == .absent {
            sources[Int(place)].count -= 1
            if before.generation != generation { sources[Int(place)].oldCount -= 1 }
            table.remove(index)
        } else {
            if before.generation != generation { sources[Int(place)].oldCount -= 1 }
            sources[Int(place)].hash &+= Self.mixed(change.pair, change.seen)
            table[index].generation = generation
            table[index].seen = change.seen
            if change.isAnew { believeAnew(index, change.pair) }
        }
        let isShunned = before.isShunned && !change.isAnew
        let isOther = before.seen != change.seen || before.isShunned
        if isOther, !isShunned { noteChanged(change.pair) }
    }

    private mutating func add(_ change: PresenceChange, of place: UInt16, _ now: Instant) {
        guard sources[Int(place)].count < Limits.busPeoplePerNodeMax,
            let index = table.insert(
                change.pair, of: place, generation: sources[Int(place)].generation, change.seen)
        else {
            refusals &+= 1
            return
        }
        sources[Int(place)].count += 1
        sources[Int(place)].hash &+= Self.mixed(change.pair, change.seen)
        if change.isAnew {
            believeAnew(index, change.pair)
        } else if removals.contains(change.pair) {
            shun(index, change.pair, now)
            return
        }
        noteChanged(change.pair)
    }

    /// Takes an entry's part out of its generation's hash, if it is of the present one.
    private mutating func forgetHash(
        of entry: PeopleEntry, _ pair: MembershipPair, _ place: UInt16
    ) {
        guard entry.generation == sources[Int(place)].generation else { return }
        sources[Int(place)].hash &-= Self.mixed(pair, entry.seen)
    }

    /// Takes an entry of a former generation out.
    mutating func removeOld(_ index: UInt32) {
        let entry = table[index]
        let pair = table.pair(at: index)
        sources[Int(entry.source)].count -= 1
        sources[Int(entry.source)].oldCount -= 1
        table.remove(index)
        if !entry.isShunned { noteChanged(pair) }
    }

    /// Sums of this wrap, as the hash does.
    static func mixed(_ pair: MembershipPair, _ seen: Visibility) -> UInt64 {
        pair.user.mixed(with: pair.project.mixed(with: 1 + UInt64(seen.rawValue)))
    }

    // MARK: Snapshots

    /// Not at once again when one has ended without helping, and not without room for it: each further
    /// frame of the node says whether it is still needed.
    private mutating func beginSnapshot(of place: UInt16, _ now: Instant) {
        let source = sources[Int(place)]
        if let began = source.snapshotBegan,
            now.nanoseconds(since: began) < Limits.busSnapshotPauseNanoseconds
        {
            return
        }
        guard table.count < Limits.busPeopleMax, source.count < Limits.busPeoplePerNodeMax
        else { return }
        sources[Int(place)].snapshotBegan = now
        snapshots &+= 1
        beginGeneration(of: place)
        ask(place, from: 0, now)
    }

    /// What is known is believed until it is said again, or found to be no more.
    private mutating func beginGeneration(of place: UInt16) {
        sources[Int(place)].generation &+= 1
        sources[Int(place)].hash = 0
        sources[Int(place)].oldCount = sources[Int(place)].count
    }

    private mutating func endSnapshot(of place: UInt16, _ now: Instant) {
        guard sources[Int(place)].snapshot != nil else { return }
        sources[Int(place)].snapshot = nil
        sweepLater(place, now)
    }

    private mutating func sweepLater(_ place: UInt16, _ at: Instant) {
        guard sources[Int(place)].oldCount > 0 || sources[Int(place)].hasEnded else { return }
        let generation = sources[Int(place)].generation
        if let last = sources[Int(place)].sweeps.last,
            at <= last.at || sources[Int(place)].sweeps.count == Limits.busSweepsMax
        {
            let later = max(last.at, at)
            sources[Int(place)].sweeps.removeLast()
            sources[Int(place)].sweeps.append(Sweep(generation: generation, at: later))
        } else {
            sources[Int(place)].sweeps.append(Sweep(generation: generation, at: at))
        }
    }

    private mutating func ask(_ place: UInt16, from position: UInt32, _ now: Instant) {
        sources[Int(place)].snapshot = SnapshotProgress(position: position, askedAt: now)
        let target = BusIdentity(node: sources[Int(place)].name, epoch: sources[Int(place)].epoch)
        wanted.append(PeopleWanted(target: target, first: position))
    }

    /// What others have to be asked for.
    package mutating func dequeueWanted() -> PeopleWanted? { wanted.popLast() }

    /// Asks again for what hasn't come, and forgets what was remembered for a while.
    package mutating func check(_ now: Instant) {
        for place in sources.indices.dropFirst() {
            guard let snapshot = sources[place].snapshot,
                now.nanoseconds(since: snapshot.askedAt) >= Limits.busSnapshotPauseNanoseconds
            else { continue }
            ask(UInt16(place), from: snapshot.position, now)
        }
        endShunning(now)
    }

    // MARK: Nodes that come and go

    /// Another process is in the node's place. The former one's users may come back, wherever.
    package mutating func succeed(_ process: BusIdentity, _ now: Instant) {
        guard let place = sourceOfNode[process.node],
            sources[Int(place)].epoch != process.epoch
        else { return }
        sources[Int(place)].epoch = process.epoch
        sources[Int(place)].hasEnded = false
        retire(place, now.advanced(byNanoseconds: Limits.presenceGraceNanoseconds))
    }

    /// The node's process is over: of its users it isn't known whether they are. They have as long to come
    /// back as there: the time that they were told, and what everybody has.
    package mutating func end(_ node: UInt64, windowMilliseconds: UInt32 = 0, _ now: Instant) {
        let window = UInt64(windowMilliseconds) * 1_000_000
        end(node, at: now.advanced(byNanoseconds: Limits.presenceGraceNanoseconds + window))
    }

    /// The node has been silent for so long that its users are gone.
    package mutating func remove(_ node: UInt64, _ now: Instant) { end(node, at: now) }

    private mutating func end(_ node: UInt64, at: Instant) {
        guard let place = sourceOfNode[node] else { return }
        sources[Int(place)].hasEnded = true
        retire(place, at)
    }

    /// Nothing that the node has said is confirmed from here on.
    private mutating func retire(_ place: UInt16, _ at: Instant) {
        beginGeneration(of: place)
        sources[Int(place)].number = 0
        sources[Int(place)].told = 0
        sources[Int(place)].omits = false
        sources[Int(place)].snapshot = nil
        sources[Int(place)].snapshotBegan = nil
        sweepLater(place, at)
    }

    mutating func free(_ place: UInt16) {
        sourceOfNode[sources[Int(place)].name] = nil
        sources[Int(place)].isFree = true
        freeSources.append(place)
    }
}
