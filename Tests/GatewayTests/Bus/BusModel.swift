import Gateway
import Reactor
import Testing

/// Several nodes beside each other, and a carrier that loses, repeats and delays frames.
private final class Node {
    var bus: Bus
    let identity: BusIdentity
    /// What it counts.
    var counts: [ProjectID: UInt32] = [:]
    var changed: Set<ProjectID> = []
    var clients: UInt64 = 0
    /// Who is present there.
    var present: [MembershipPair: Visibility] = [:]
    var changedPresent: Set<MembershipPair> = []
    /// Frames on their way to it, by who sent them: those of one node stay in their order.
    var arriving: [Int: [[UInt8]]] = [:]

    init(_ identity: BusIdentity, now: Instant) {
        self.identity = identity
        bus = Bus(identity, now: now)
    }
}

private struct BusWorld {
    var nodes: [Node?]
    var random: Jitter
    var now = BusTesting.start
    var epoch: UInt64 = 0
    var isLossy = true

    init(nodes count: Int, seed: UInt64) {
        random = Jitter(seed: seed)
        nodes = Array(repeating: nil, count: count)
        for place in 0..<count { begin(place) }
    }

    mutating func once(in count: UInt64) -> Bool { random.next() % count == 0 }

    mutating func begin(_ place: Int) {
        epoch += 1
        nodes[place] = Node(BusIdentity(node: UInt64(place), epoch: epoch), now: now)
    }

    /// The process ends. Of that the others hear by the carrier, or not at all.
    mutating func end(_ place: Int) {
        guard let node = nodes[place] else { return }
        nodes[place] = nil
        let goodbye = BusFrame(sender: node.identity, number: 0, .goodbye(GoodbyeFrame()))
        if !isLossy || !once(in: 3) { carry(BusTesting.bytes(of: goodbye), from: place) }
    }

    mutating func carry(_ frame: [UInt8], from sender: Int) {
        for place in nodes.indices where place != sender {
            if isLossy, once(in: 4) { continue }
            nodes[place]?.arriving[sender, default: []].append(frame)
            if isLossy, once(in: 8) { nodes[place]?.arriving[sender, default: []].append(frame) }
            if isLossy, once(in: 30) {
                let noise = (0..<random.next() % 60).map { _ in UInt8(random.next() & 0xFF) }
                nodes[place]?.arriving[sender, default: []].append(noise)
            }
        }
    }

    mutating func turn(milliseconds: UInt64) {
        for place in nodes.indices {
            guard let node = nodes[place] else { continue }
            // What came first from whom differs from node to node.
            for sender in node.arriving.keys.sorted() where !isLossy || !once(in: 3) {
                let frames = node.arriving.removeValue(forKey: sender) ?? []
                for frame in frames {
                    switch node.bus.receive(frame.span, now) {
                    case .nothing, .people, .typing, .sends: break
                    case .users(let wanted, let asker):
                        node.bus.answer(wanted, of: asker, with: [], now)
                    }
                }
            }
            let hasChanges = !node.changed.isEmpty || !node.changedPresent.isEmpty
            let isDue = node.bus.isBatchDue(
                hasChanges: hasChanges, clients: node.clients, now)
            if isDue {
                let changes = node.changed.map { ProjectCount($0, node.counts[$0] ?? 0) }
                node.changed = []
                let present = node.changedPresent.map {
                    PresenceChange($0, node.present[$0] ?? .absent)
                }
                node.changedPresent = []
                node.bus.publish(changes, clients: node.clients, present: present, now)
            }
            node.bus.check(now)
            for frame in node.bus.takeFrames() { carry(frame, from: place) }
        }
        now = now.advanced(byMilliseconds: milliseconds)
    }

    mutating func change(_ projects: UInt64) {
        guard let node = nodes[Int(random.next() % UInt64(nodes.count))] else { return }
        for _ in 0..<random.next() % 20 {
            let project = BusTesting.project(random.next() % projects)
            node.counts[project] = UInt32(random.next() % 4)
            node.changed.insert(project)
        }
        node.clients = random.next() % 1_000
        for _ in 0..<random.next() % 20 {
            let pair = Self.pair(random.next() % projects, random.next() % 3)
            node.present[pair] = Visibility(rawValue: UInt8(random.next() % 3)) ?? .absent
            node.changedPresent.insert(pair)
        }
    }

    static func pair(_ project: UInt64, _ user: UInt64) -> MembershipPair {
        MembershipPair(project: BusTesting.project(project), user: UserID(high: 2, low: user))
    }

    private func expectSamePeople(
        _ node: Node, _ others: [Node], _ projects: UInt64, _ seed: UInt64
    ) {
        let isPartial = node.bus.isPartialOfPeople(now)
        #expect(!isPartial, "seed \(seed)")
        for number in 0..<projects * 3 {
            let pair = Self.pair(number / 3, number % 3)
            let expected = others.reduce(Visibility.absent) {
                $0.joined(with: $1.present[pair] ?? .absent)
            }
            let found = node.bus.people.seen(pair)
            #expect(found == expected, "seed \(seed)")
        }
    }

    func expectAgreement(_ projects: UInt64, _ seed: UInt64) {
        let present = nodes.compactMap { $0 }
        for node in present {
            let others = present.filter { $0 !== node }
            let nodeCount = node.bus.nodeCount
            #expect(nodeCount == present.count, "seed \(seed)")
            let isPartial = node.bus.isPartial(now)
            #expect(!isPartial, "seed \(seed)")
            for number in 0..<projects {
                let project = BusTesting.project(number)
                let expected = others.reduce(0) { $0 + UInt64($1.counts[project] ?? 0) }
                let found = node.bus.clients(of: project).project
                #expect(found == expected, "seed \(seed)")
            }
            expectSamePeople(node, others, projects, seed)
            let clients = others.reduce(0) { $0 + $1.clients }
            let all = node.bus.clients(of: BusTesting.project(0)).all
            #expect(all == clients, "seed \(seed)")
        }
    }
}

@Suite struct BusModelBehaviour {
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `whatever is lost, repeated, late or restarted, at rest all count the same`(seed: UInt64) {
        var world = BusWorld(nodes: 2 + Int(seed % 4), seed: seed)
        // Some with so many projects that a snapshot has several parts.
        let projects: UInt64 = seed % 5 == 0 ? 3_000 : 50
        for _ in 0..<600 {
            if world.once(in: 2) { world.change(projects) }
            if world.once(in: 60) {
                let place = Int(world.random.next() % UInt64(world.nodes.count))
                world.end(place)
                if !world.once(in: 4) { world.begin(place) }
            }
            // At times so long that who isn't heard is frozen, or gone.
            world.turn(milliseconds: world.once(in: 100) ? 9_000 : 20 + world.random.next() % 200)
        }
        world.isLossy = false
        for _ in 0..<400 { world.turn(milliseconds: 100) }
        world.expectAgreement(projects, seed)
    }

    @Test func `a change is known everywhere after a batch, and rest costs a heartbeat in 3 s`() {
        var world = BusWorld(nodes: 3, seed: 1)
        world.isLossy = false
        for _ in 0..<30 { world.turn(milliseconds: 100) }
        let node = world.nodes[0]
        node?.counts[BusTesting.project(1)] = 7
        node?.changed.insert(BusTesting.project(1))
        node?.clients = 7
        for _ in 0..<11 { world.turn(milliseconds: 10) }
        world.expectAgreement(2, 1)
        let before = world.nodes[1]?.bus.figures(world.now).framesReceived ?? 0
        for _ in 0..<30 { world.turn(milliseconds: 1_000) }
        let after = world.nodes[1]?.bus.figures(world.now).framesReceived ?? 0
        #expect((18...22).contains(after - before), "of two others, in 30 s")
    }
}
