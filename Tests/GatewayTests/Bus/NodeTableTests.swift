import Gateway
import Reactor
import Testing

@Suite struct NodeTableBehaviour {
    private static let one = BusIdentity(node: 1, epoch: 11)
    private static let project = BusTesting.project(1)

    /// What a node tells that counts these, and nothing before.
    private static func frame(
        _ counts: [ProjectCount], clients: UInt32 = 0, of all: [ProjectCount]? = nil
    ) -> CountsFrame {
        var whole = ProjectCounts()
        for count in all ?? counts { #expect(whole.set(count) == true) }
        var frame = CountsFrame(clients: clients, hash: whole.hash)
        frame.changes = counts
        return frame
    }

    private static func count(_ clients: UInt32, _ project: ProjectID = project) -> ProjectCount {
        ProjectCount(project, clients)
    }

    @Test func `a node's counts are known by its first frame`() {
        var table = NodeTable(own: 9)
        let outcome = table.receive(
            Self.frame([Self.count(3)], clients: 5), number: 1, from: Self.one, .at(milliseconds: 0)
        )
        #expect(outcome == .newcomer)
        #expect(table.clients == 5 && table.clients(of: Self.project) == 3)
        #expect(!table.isPartial(.at(milliseconds: 0)))
        #expect(table.dequeueWanted() == nil)
    }

    @Test func `what is told again, or late, changes nothing`() {
        var table = NodeTable(own: 9)
        let now = Instant.at(milliseconds: 0)
        let first = Self.frame([Self.count(1)])
        let second = Self.frame([Self.count(2)])
        #expect(table.receive(first, number: 1, from: Self.one, now) == .newcomer)
        #expect(table.receive(second, number: 2, from: Self.one, now) == .taken)
        #expect(table.receive(second, number: 2, from: Self.one, now) == .stale)
        #expect(table.receive(first, number: 1, from: Self.one, now) == .stale)
        #expect(table.clients(of: Self.project) == 2 && table.gaps == 0)
    }

    @Test func `a gap that the next frame closes asks for nothing`() {
        var table = NodeTable(own: 9)
        let now = Instant.at(milliseconds: 0)
        _ = table.receive(Self.frame([Self.count(1)]), number: 1, from: Self.one, now)
        _ = table.receive(Self.frame([Self.count(3)]), number: 3, from: Self.one, now)
        #expect(table.gaps == 1)
        #expect(table.dequeueWanted() == nil)
        #expect(table.clients(of: Self.project) == 3)
    }

    @Test
    func `another hash asks that node for all that it counts, and until it is there it is partial`()
    {
        var table = NodeTable(own: 9)
        let now = Instant.at(milliseconds: 0)
        let all = [Self.count(1), Self.count(4, BusTesting.project(2))]
        _ = table.receive(Self.frame([all[0]], of: all), number: 7, from: Self.one, now)
        #expect(table.dequeueWanted() == SnapshotWanted(target: Self.one, shard: 0))
        #expect(table.isPartial(now))
        let snapshot = SnapshotFrame(target: 9, shards: 0..<256, counts: all)
        #expect(table.receive(snapshot, number: 7, from: Self.one, now) == true)
        #expect(table.clients(of: BusTesting.project(2)) == 4)
        #expect(!table.isPartial(now))
        #expect(table.dequeueWanted() == nil)
    }

    @Test func `a snapshot comes part by part, and a part that wasn't asked for is none`() {
        var table = NodeTable(own: 9)
        let now = Instant.at(milliseconds: 0)
        let all = (1...40).map { Self.count(UInt32($0), BusTesting.project(UInt64($0))) }
        let lower = all.filter { ProjectCounts.shard(of: $0.project) < 128 }
        let upper = all.filter { ProjectCounts.shard(of: $0.project) >= 128 }
        _ = table.receive(Self.frame([], of: all), number: 2, from: Self.one, now)
        _ = table.dequeueWanted()
        let second = SnapshotFrame(target: 9, shards: 128..<256, counts: upper)
        #expect(table.receive(second, number: 2, from: Self.one, now) == false)
        let first = SnapshotFrame(target: 9, shards: 0..<128, counts: lower)
        let late = table.receive(first, number: 1, from: Self.one, now)
        let foreign = table.receive(
            first, number: 2, from: BusIdentity(node: 1, epoch: 12), now)
        var elsewhere = first
        elsewhere.target = 8
        let others = table.receive(elsewhere, number: 2, from: Self.one, now)
        #expect(!late && !foreign && !others)
        #expect(table.receive(first, number: 2, from: Self.one, now) == true)
        #expect(table.dequeueWanted() == SnapshotWanted(target: Self.one, shard: 128))
        #expect(table.receive(second, number: 2, from: Self.one, now) == true)
        #expect(!table.isPartial(now))
        #expect(all.allSatisfy { table.clients(of: $0.project) == UInt64($0.clients) })
    }

    @Test
    func `a part that doesn't come is asked for again, and a snapshot isn't begun twice a second`()
    {
        var table = NodeTable(own: 9)
        let all = [Self.count(1)]
        let unknown = Self.frame([], of: all)
        _ = table.receive(unknown, number: 1, from: Self.one, .at(milliseconds: 0))
        #expect(table.dequeueWanted() != nil)
        _ = table.receive(unknown, number: 2, from: Self.one, .at(milliseconds: 100))
        #expect(table.dequeueWanted() == nil)
        #expect(table.check(.at(milliseconds: 999)) == [])
        #expect(table.dequeueWanted() == nil)
        #expect(table.check(.at(milliseconds: 1_000)) == [])
        #expect(table.dequeueWanted() == SnapshotWanted(target: Self.one, shard: 0))
        // One that brings nothing.
        let empty = SnapshotFrame(target: 9, shards: 0..<256, counts: [])
        #expect(table.receive(empty, number: 2, from: Self.one, .at(milliseconds: 1_001)) == true)
        _ = table.receive(unknown, number: 3, from: Self.one, .at(milliseconds: 1_100))
        #expect(table.dequeueWanted() != nil, "the last one was begun long ago")
        #expect(table.receive(empty, number: 3, from: Self.one, .at(milliseconds: 1_101)) == true)
        _ = table.receive(unknown, number: 4, from: Self.one, .at(milliseconds: 1_200))
        #expect(table.dequeueWanted() == nil)
        #expect(table.isPartial(.at(milliseconds: 1_200)))
    }

    @Test func `silence of 10 s makes it partial, and of 30 s removes the node and its clients`() {
        var table = NodeTable(own: 9)
        _ = table.receive(
            Self.frame([Self.count(3)], clients: 3), number: 1, from: Self.one,
            .at(milliseconds: 0))
        #expect(!table.isPartial(.at(milliseconds: 9_999)))
        #expect(table.isPartial(.at(milliseconds: 10_000)))
        #expect(table.report(.at(milliseconds: 10_000)).map(\.isFrozen) == [true])
        #expect(table.nodes(with: Self.project, .at(milliseconds: 10_000)).isEmpty)
        #expect(table.check(.at(milliseconds: 29_999)) == [])
        #expect(table.clients == 3, "what it counted last still counts")
        #expect(table.check(.at(milliseconds: 30_000)) == [1])
        #expect(table.clients == 0 && table.clients(of: Self.project) == 0)
        #expect(table.presentCount == 0 && table.checkDue == nil)
        #expect(!table.isPartial(.at(milliseconds: 30_000)))
    }

    @Test func `any frame of a node ends its silence`() {
        var table = NodeTable(own: 9)
        _ = table.receive(Self.frame([]), number: 1, from: Self.one, .at(milliseconds: 0))
        table.heard(BusIdentity(node: 1, epoch: 99), .at(milliseconds: 9_000))
        #expect(table.isPartial(.at(milliseconds: 10_000)), "that was another process")
        table.heard(Self.one, .at(milliseconds: 10_000))
        #expect(!table.isPartial(.at(milliseconds: 10_000)))
    }

    @Test func `a new epoch replaces the old one at once, of which nothing more is taken`() {
        var table = NodeTable(own: 9)
        let now = Instant.at(milliseconds: 0)
        _ = table.receive(
            Self.frame([Self.count(3)], clients: 3), number: 8, from: Self.one, now)
        let next = BusIdentity(node: 1, epoch: 12)
        #expect(table.receive(Self.frame([], clients: 1), number: 1, from: next, now) == .newcomer)
        #expect(table.clients == 1 && table.clients(of: Self.project) == 0)
        let late = table.receive(
            Self.frame([Self.count(3)], clients: 3), number: 9, from: Self.one, now)
        #expect(late == .stale && table.clients == 1 && table.presentCount == 1)
    }

    @Test func `a goodbye removes the node, and what still comes of it is nobody's`() {
        var table = NodeTable(own: 9)
        let now = Instant.at(milliseconds: 0)
        let frame = Self.frame([Self.count(3)], clients: 3)
        _ = table.receive(frame, number: 1, from: Self.one, now)
        #expect(table.receiveGoodbye(of: BusIdentity(node: 1, epoch: 12), now) == false)
        #expect(table.receiveGoodbye(of: Self.one, now) == true)
        #expect(table.presentCount == 0 && table.clients == 0)
        #expect(table.receive(frame, number: 2, from: Self.one, now) == .stale)
        #expect(table.receiveGoodbye(of: Self.one, now) == false)
        let next = BusIdentity(node: 1, epoch: 12)
        #expect(table.receive(frame, number: 1, from: next, now) == .newcomer)
        #expect(table.presentCount == 1 && table.clients == 3 && table.ends == 1)
    }

    @Test func `its own frames are nobody's`() {
        var table = NodeTable(own: 9)
        let own = BusIdentity(node: 9, epoch: 1)
        let outcome = table.receive(Self.frame([]), number: 1, from: own, .at(milliseconds: 0))
        #expect(outcome == .stale && table.presentCount == 0)
    }

    @Test func `beyond the bound no further node is known, and those who are stay so`() {
        var table = NodeTable(own: 0)
        let now = Instant.at(milliseconds: 0)
        for node in 1...UInt64(Limits.busNodesMax) {
            let identity = BusIdentity(node: node, epoch: 1)
            #expect(table.receive(Self.frame([]), number: 1, from: identity, now) == .newcomer)
        }
        let further = BusIdentity(node: 1_000_000, epoch: 1)
        #expect(table.receive(Self.frame([]), number: 1, from: further, now) == .full)
        let known = BusIdentity(node: 1, epoch: 1)
        #expect(table.receive(Self.frame([]), number: 2, from: known, now) == .taken)
        #expect(table.presentCount == Limits.busNodesMax)
    }

    @Test func `a shard takes as many projects as a frame, and a node with more says so`() {
        var own = OwnCounts(now: .at(milliseconds: 0))
        var table = NodeTable(own: 9)
        var projects: [ProjectID] = []
        var number: UInt64 = 0
        while projects.count <= ProjectCounts.projectsPerShardMax {
            number += 1
            let project = BusTesting.project(number)
            if ProjectCounts.shard(of: project) == 0 { projects.append(project) }
        }
        let now = Instant.at(milliseconds: 0)
        for batch in own.publish(projects.map { ProjectCount($0, 1) }, clients: 1, now) {
            _ = table.receive(batch.frame, number: batch.number, from: Self.one, now)
        }
        #expect(table.isPartial(now))
        #expect(table.dequeueWanted() == nil)
        let snapshot = own.counts.snapshot(from: 0)
        #expect(snapshot.counts.count == ProjectCounts.projectsPerShardMax)
        // One leaves, and the one that had no room gets it when it changes.
        let last = projects[projects.count - 1]
        let changes = [ProjectCount(projects[0], 0), ProjectCount(last, 2)]
        for batch in own.publish(changes, clients: 1, now) {
            _ = table.receive(batch.frame, number: batch.number, from: Self.one, now)
        }
        #expect(!table.isPartial(now) && table.clients(of: last) == 2)
    }
}
