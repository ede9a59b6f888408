import Foundation
import Gateway
import Reactor
import Testing

/// As many nodes as a system may have, and users who come and go at all of them. The carrier loses nothing.
private struct BusCrowd: ~Copyable {
    /// Users of a project, and times that each comes or goes in a second.
    static let team: UInt64 = 50
    static let changesPerUser = 0.008

    private final class Node {
        var bus: Bus
        var counts: [ProjectID: UInt32] = [:]
        var changed: Set<ProjectID> = []

        init(_ number: Int) {
            bus = Bus(BusTesting.identity(UInt64(number + 1)), now: BusTesting.start)
        }
    }

    private let nodes: [Node]
    private let projects: UInt64
    private var random = Jitter(seed: 1)
    private var now = BusTesting.start
    private(set) var bytesSaid = 0
    private(set) var framesSaid = 0

    init(nodes count: Int, users: UInt64) {
        nodes = (0..<count).map { Node($0) }
        projects = users / Self.team
    }

    mutating func pass(milliseconds: UInt64, changes: Double) {
        let stepMilliseconds: UInt64 = 5
        var due = 0.0
        for _ in 0..<milliseconds / stepMilliseconds {
            due += changes * Double(stepMilliseconds) / 1_000
            while due >= 1 {
                due -= 1
                change()
            }
            for place in nodes.indices { turn(place) }
            now = now.advanced(byMilliseconds: stepMilliseconds)
        }
    }

    private mutating func change() {
        let node = nodes[Int(random.next() % UInt64(nodes.count))]
        let project = BusTesting.project(random.next() % projects)
        let count = node.counts[project] ?? 0
        node.counts[project] = count > 0 && random.next() % 2 == 0 ? count - 1 : count + 1
        node.changed.insert(project)
    }

    private mutating func turn(_ place: Int) {
        let node = nodes[place]
        if node.bus.isBatchDue(hasChanges: !node.changed.isEmpty, clients: 1, now) {
            let changes = node.changed.map { ProjectCount($0, node.counts[$0] ?? 0) }
            node.changed = []
            node.bus.publish(changes, clients: 1, now)
        }
        node.bus.check(now)
        for frame in node.bus.takeFrames() {
            framesSaid += 1
            bytesSaid += frame.count
            for other in nodes.indices where other != place {
                _ = nodes[other].bus.receive(frame.span, now)
            }
        }
    }

    mutating func forgetFigures() {
        framesSaid = 0
        bytesSaid = 0
    }

    /// Whether each node knows of the first projects what all count.
    func agrees(projects count: UInt64) -> Bool {
        (0..<count).allSatisfy { number in
            let project = BusTesting.project(number)
            let sum = nodes.reduce(0) { $0 + UInt64($1.counts[project] ?? 0) }
            return nodes.allSatisfy {
                $0.bus.clients(of: project).project + UInt64($0.counts[project] ?? 0) == sum
            }
        }
    }
}

@Suite struct BusScale {
    /// docs/several-hosts.md: from one frame, of 40 bytes and 20 a change, to the next it is 75 ms, and longer if nothing
    /// has changed by then.
    @Test(arguments: [(2, 100_000), (8, 100_000), (8, 1_000_000), (32, 100_000), (128, 100_000)])
    func `as many bytes are said as are computed, and all know all`(nodes: Int, users: UInt64) {
        let seconds = 4
        let changes = Double(users) * BusCrowd.changesPerUser
        var crowd = BusCrowd(nodes: nodes, users: users)
        crowd.pass(milliseconds: 1_000, changes: changes)
        crowd.forgetFigures()
        crowd.pass(milliseconds: UInt64(seconds) * 1_000, changes: changes)
        let ofNode = changes / Double(nodes)
        let frames = 1 / (0.075 + exp(-0.075 * ofNode) / ofNode)
        let bytes = 40 * frames + 20 * ofNode
        let said = Double(crowd.bytesSaid) / Double(nodes * seconds)
        #expect((0.85...1.15).contains(said / bytes), "\(said) bytes a second, \(bytes) computed")
        let framesSaid = Double(crowd.framesSaid) / Double(nodes * seconds)
        #expect((0.85...1.15).contains(framesSaid / frames), "\(framesSaid), \(frames) computed")
        crowd.pass(milliseconds: 300, changes: 0)
        let agrees = crowd.agrees(projects: 200)
        #expect(agrees)
    }
}
