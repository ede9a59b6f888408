package import Reactor

/// What is known of the other nodes: what each counts, and whether it can be relied on.
///
/// A value without a clock or a carrier. Each node's counts are its own, so nothing has to be agreed
/// upon: the newest frame wins, and the hash in each says whether anything was missed.
package struct NodeTable: Sendable {
    private struct Node: Sendable {
        var epoch: UInt64
        /// The epoch before this one, or the one that has ended: what still comes of it is late.
        var endedEpoch: UInt64?
        /// Whether the process is there; if not, the place is kept a while for `endedEpoch`.
        var isPresent = true
        var number: UInt64
        var heardAt: Instant
        var clients: UInt32 = 0
        var omitsProjects = false
        var counts = ProjectCounts()
        /// Of the counts as they should be; another one says that something was missed.
        var hash: UInt64 = 0
        /// The snapshot that is on its way; `nil` without one.
        var snapshot: SnapshotProgress?
        /// When the last snapshot was begun.
        var snapshotBegan: Instant?
    }

    private struct SnapshotProgress: Sendable {
        var shard: Int
        var askedAt: Instant
    }

    /// What became of a frame.
    package enum Outcome: Equatable, Sendable {
        case taken
        /// The same, and the node is a new one, to which we are unknown.
        case newcomer
        /// Older than what is known.
        case stale
        /// There is no room for another node.
        case full
    }

    private let own: UInt64
    private var nodes: [UInt64: Node] = [:]
    /// Projects of all nodes together.
    private var projectCount = 0
    /// Snapshots to be asked for, emptied by whoever sends.
    private var wanted: [SnapshotWanted] = []

    package private(set) var gaps: UInt64 = 0
    package private(set) var snapshots: UInt64 = 0
    /// Projects for which there was no room.
    package private(set) var refusals: UInt64 = 0
    /// Nodes whose end was seen.
    package private(set) var ends: UInt64 = 0

    package init(own: UInt64) { self.own = own }

    // MARK: Asking

    package var presentCount: Int { nodes.values.count { $0.isPresent } }

    /// The nodes that are there, and whether each is silent.
    package func report(_ now: Instant) -> [(node: UInt64, isFrozen: Bool)] {
        nodes.filter { $0.value.isPresent }.sorted { $0.key < $1.key }
            .map { ($0.key, Self.isFrozen($0.value, now)) }
    }

    /// Whether the process is there.
    package func knows(_ process: BusIdentity) -> Bool {
        guard let node = nodes[process.node] else { return false }
        return node.isPresent && node.epoch == process.epoch
    }

    package func hasFrozen(_ now: Instant) -> Bool {
        nodes.values.contains { $0.isPresent && Self.isFrozen($0, now) }
    }

    /// Whether what is known may be less, or older, than what is.
    package func isPartial(_ now: Instant) -> Bool {
        nodes.values.contains { node in
            node.isPresent
                && (Self.isFrozen(node, now) || node.omitsProjects
                    || node.counts.hash != node.hash)
        }
    }

    private static func isFrozen(_ node: Node, _ now: Instant) -> Bool {
        now.nanoseconds(since: node.heardAt) >= Limits.busFreezeNanoseconds
    }

    /// Connections of all other nodes.
    package var clients: UInt64 {
        nodes.values.reduce(0) { $0 + UInt64($1.clients) }
    }

    /// The same of one project.
    package func clients(of project: ProjectID) -> UInt64 {
        nodes.values.reduce(0) { $0 + UInt64($1.counts[project]) }
    }

    /// Nodes that have clients of the project and can be asked who they are.
    package func nodes(with project: ProjectID, _ now: Instant) -> [UInt64] {
        nodes.filter { $0.value.counts[project] > 0 && !Self.isFrozen($0.value, now) }
            .map(\.key).sorted()
    }

    // MARK: Hearing

    package mutating func receive(
        _ frame: CountsFrame, number: UInt64, from sender: BusIdentity, _ now: Instant
    ) -> Outcome {
        let outcome = note(sender, number: number, now)
        switch outcome {
        case .stale, .full: return outcome
        case .taken, .newcomer: break
        }
        guard var node = nodes.removeValue(forKey: sender.node) else {
            preconditionFailure("a node that was noted is there")
        }
        if outcome == .taken {
            guard number > node.number else {
                nodes[sender.node] = node
                return .stale
            }
            if number != node.number &+ 1 { gaps &+= 1 }
        }
        node.number = number
        node.clients = frame.clients
        node.omitsProjects = frame.omitsProjects
        node.hash = frame.hash
        for change in frame.changes { set(change, of: &node) }
        if node.counts.hash == node.hash {
            // Whatever was missed has come by other frames.
            node.snapshot = nil
        } else if node.snapshot == nil {
            beginSnapshot(of: &node, sender, now)
        }
        nodes[sender.node] = node
        return outcome
    }

    /// A part of a snapshot that was asked for here. Returns whether it was of use.
    package mutating func receive(
        _ frame: SnapshotFrame, number: UInt64, from sender: BusIdentity, _ now: Instant
    ) -> Bool {
        guard frame.target == own, var node = nodes[sender.node], node.isPresent,
            node.epoch == sender.epoch, number >= node.number,
            node.snapshot?.shard == frame.shards.lowerBound
        else { return false }
        nodes[sender.node] = nil
        node.heardAt = now
        for shard in frame.shards {
            let before = node.counts.count
            node.counts.removeAll(inShard: shard)
            projectCount -= before - node.counts.count
        }
        for count in frame.counts { set(count, of: &node) }
        if frame.shards.upperBound == ProjectCounts.shardCount {
            node.snapshot = nil
        } else {
            ask(&node, sender, from: frame.shards.upperBound, now)
        }
        nodes[sender.node] = node
        return true
    }

    /// Any other frame of a node says that it is there.
    package mutating func heard(_ sender: BusIdentity, _ now: Instant) {
        guard nodes[sender.node]?.isPresent == true, nodes[sender.node]?.epoch == sender.epoch
        else { return }
        nodes[sender.node]?.heardAt = now
    }

    /// The node has ended. Returns whether it was there.
    package mutating func receiveGoodbye(of sender: BusIdentity, _ now: Instant) -> Bool {
        guard let node = nodes[sender.node], node.isPresent, node.epoch == sender.epoch else {
            return false
        }
        end(sender.node)
        nodes[sender.node]?.heardAt = now
        return true
    }

    private mutating func end(_ name: UInt64) {
        guard let node = nodes[name] else { return }
        projectCount -= node.counts.count
        if node.isPresent { ends &+= 1 }
        var ended = Node(epoch: node.epoch, number: node.number, heardAt: node.heardAt)
        ended.endedEpoch = node.epoch
        ended.isPresent = false
        nodes[name] = ended
    }

    /// Notes that a node was heard, and by which process of it.
    private mutating func note(
        _ sender: BusIdentity, number: UInt64, _ now: Instant
    ) -> Outcome {
        guard sender.node != own else { return .stale }
        guard let node = nodes[sender.node] else {
            guard nodes.count < Limits.busNodesMax else { return .full }
            if checkDue == nil {
                checkDue = now.advanced(byNanoseconds: Limits.busCheckNanoseconds)
            }
            nodes[sender.node] = Node(epoch: sender.epoch, number: number, heardAt: now)
            return .newcomer
        }
        if sender.epoch == node.endedEpoch { return .stale }
        if node.isPresent, sender.epoch == node.epoch {
            nodes[sender.node]?.heardAt = now
            return .taken
        }
        end(sender.node)
        var successor = Node(epoch: sender.epoch, number: number, heardAt: now)
        successor.endedEpoch = node.epoch
        nodes[sender.node] = successor
        return .newcomer
    }

    private mutating func set(_ count: ProjectCount, of node: inout Node) {
        let isNew = node.counts[count.project] == 0 && count.clients > 0
        let hasRoom = !isNew || projectCount < Limits.busProjectsMax
        let before = node.counts.count
        guard hasRoom, node.counts.set(count) else {
            refusals &+= 1
            return
        }
        projectCount += node.counts.count - before
    }

    // MARK: Snapshots

    /// Not at once again when one has ended without helping, and not without room for it: each further
    /// frame of the node says whether it is still needed.
    private mutating func beginSnapshot(
        of node: inout Node, _ sender: BusIdentity, _ now: Instant
    ) {
        if let began = node.snapshotBegan,
            now.nanoseconds(since: began) < Limits.busSnapshotPauseNanoseconds
        {
            return
        }
        guard projectCount < Limits.busProjectsMax else { return }
        node.snapshotBegan = now
        snapshots &+= 1
        ask(&node, sender, from: 0, now)
    }

    private mutating func ask(
        _ node: inout Node, _ sender: BusIdentity, from shard: Int, _ now: Instant
    ) {
        node.snapshot = SnapshotProgress(shard: shard, askedAt: now)
        wanted.append(SnapshotWanted(target: sender, shard: shard))
    }

    /// What others have to be asked for.
    package mutating func dequeueWanted() -> SnapshotWanted? { wanted.popLast() }

    // MARK: Time

    /// When the nodes are looked at next; `nil` without any.
    package private(set) var checkDue: Instant?

    /// Removes who has been silent for too long, and asks again for what hasn't come. Returns the nodes
    /// that went.
    package mutating func check(_ now: Instant) -> [UInt64] {
        var gone: [UInt64] = []
        for (name, node) in nodes {
            if now.nanoseconds(since: node.heardAt) >= Limits.busRemovalNanoseconds {
                if node.isPresent { gone.append(name) }
                end(name)
                nodes[name] = nil
            } else if let snapshot = node.snapshot,
                now.nanoseconds(since: snapshot.askedAt) >= Limits.busSnapshotPauseNanoseconds
            {
                nodes[name]?.snapshot?.askedAt = now
                let target = BusIdentity(node: name, epoch: node.epoch)
                wanted.append(SnapshotWanted(target: target, shard: snapshot.shard))
            }
        }
        checkDue =
            nodes.isEmpty ? nil : now.advanced(byNanoseconds: Limits.busCheckNanoseconds)
        return gone
    }
}
