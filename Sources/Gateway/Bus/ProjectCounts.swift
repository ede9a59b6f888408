/// How many clients of a node look at which project.
///
/// The projects stand in shards, by a hash that all nodes share: a shard always fits into one frame,
/// so a snapshot goes from shard to shard, at the cost of what is in them.
package struct ProjectCounts: Equatable, Sendable {
    package static let shardCount = 256
    /// Projects of one shard: as many as a snapshot's frame takes. Whoever chooses projects so that they
    /// meet in a shard only keeps those of this one from being told.
    package static let projectsPerShardMax = BusFrame.projectsMax

    private var shards: [[ProjectID: UInt32]] = Array(repeating: [:], count: shardCount)
    /// Projects with clients.
    package private(set) var count = 0
    /// Of all projects and their numbers, in any order: who has the same hash has the same numbers.
    package private(set) var hash: UInt64 = 0

    package init() {}

    package static func shard(of project: ProjectID) -> Int {
        Int(project.mixed(with: 0) >> 56)
    }

    package subscript(project: ProjectID) -> UInt32 {
        shards[Self.shard(of: project)][project] ?? 0
    }

    /// Returns `false` when there is no room for the project in its shard.
    package mutating func set(_ new: ProjectCount) -> Bool {
        let shard = Self.shard(of: new.project)
        let old = shards[shard][new.project]
        if old == nil, new.clients > 0, shards[shard].count >= Self.projectsPerShardMax {
            return false
        }
        if let old {
            hash &-= Self.mixed(new.project, old)
            count -= 1
        }
        if new.clients > 0 {
            shards[shard][new.project] = new.clients
            hash &+= Self.mixed(new.project, new.clients)
            count += 1
        } else {
            shards[shard][new.project] = nil
        }
        return true
    }

    package mutating func removeAll(inShard shard: Int) {
        for (project, clients) in shards[shard] { hash &-= Self.mixed(project, clients) }
        count -= shards[shard].count
        shards[shard].removeAll()
    }

    /// Of as many shards as fit into one frame, from `first` on.
    package func snapshot(from first: Int) -> (shards: Range<Int>, counts: [ProjectCount]) {
        var counts: [ProjectCount] = []
        var end = first
        while end < Self.shardCount,
            counts.count + shards[end].count <= BusFrame.projectsMax
        {
            for (project, clients) in shards[end] { counts.append(ProjectCount(project, clients)) }
            end += 1
        }
        return (first..<end, counts)
    }

    /// Sums of this wrap, as the hash does.
    private static func mixed(_ project: ProjectID, _ clients: UInt32) -> UInt64 {
        project.mixed(with: 1 + UInt64(clients))
    }
}
