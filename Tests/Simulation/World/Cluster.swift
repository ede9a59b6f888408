internal import Gateway
internal import Reactor

/// Several gateways beside each other, with one database, one clock and a bus between them: a world for
/// each, in all of which the same is committed.
struct Cluster: ~Copyable {
    /// The place of a gateway, in which one process follows the other.
    final class Node {
        let number: Int
        var epoch: UInt64 = 1
        var world: World
        /// Whether the process is there, and whether it goes on.
        var isThere = true
        var isFrozen = false
        /// The last frame of each process that was killed here.
        var lastWords: [SimulatedBus.Frame] = []

        init(_ number: Int, _ world: consuming World) {
            self.number = number
            self.world = world
        }

        var runs: Bool { isThere && !isFrozen }
        var identity: BusIdentity { Cluster.identity(number, epoch) }
    }

    let facts: WorldFacts
    var nodes: [Node] = []
    var bus: SimulatedBus
    var oracle: PeopleOracle
    var now = World.start
    var random: Jitter
    let isTraced: Bool

    init(_ facts: WorldFacts, isTraced: Bool) throws {
        self.facts = facts
        self.isTraced = isTraced
        bus = SimulatedBus(nodes: facts.nodes, seed: facts.seed)
        oracle = PeopleOracle(facts)
        random = Jitter(seed: facts.seed ^ 0xC105)
        for number in 0..<facts.nodes {
            var world = try World(
                facts, as: Self.identity(number, 1), node: number, at: now,
                SimulatedDatabase(Ledger(facts)))
            world.isTraced = isTraced
            nodes.append(Node(number, world))
        }
    }

    /// Each is of a host of its own.
    static func identity(_ number: Int, _ epoch: UInt64) -> BusIdentity {
        BusIdentity(node: UInt64(number + 1) << 8, epoch: epoch)
    }

    var transcript: Transcript {
        var transcript = Transcript()
        for node in nodes { transcript.note(node.world.transcript) }
        return transcript
    }

    mutating func play(_ actions: [Action]) throws(Violation) {
        for action in actions {
            if isTraced { print(action) }
            try act(action)
        }
        try finish()
    }

    // MARK: A turn

    /// Each that goes on has a turn, in an order of chance.
    mutating func turn(milliseconds: UInt64) throws(Violation) {
        oracle.noteClaims(nodes)
        let first = random.below(nodes.count)
        for offset in nodes.indices {
            let node = nodes[(first + offset) % nodes.count]
            if node.runs { try turn(of: node) }
        }
        now = now.advanced(byMilliseconds: milliseconds)
        for node in nodes {
            if node.runs {
                node.world.pass(milliseconds: milliseconds)
                node.world.beginTurn()
            } else {
                node.world.now = now
            }
        }
    }

    private mutating func turn(of node: Node) throws(Violation) {
        if facts.plantedFault == .raisesTheDead { raiseTheDead(node) }
        let arrivals = bus.arrivals(at: node.number, now)
        for frame in arrivals { oracle.noteArrival(of: frame, at: node, now) }
        node.world.busArrivals += arrivals.map(\.bytes)
        if facts.plantedFault == .endsTheSilent {
            node.world.busArrivals += oracle.silent(at: node, now).map { Self.goodbye(of: $0) }
        }
        node.world.answerPings()
        try node.world.runTurn()
        send(from: node)
        try oracle.judge(node, among: nodes, now)
        if node.world.isDrained { end(node.number, saysGoodbye: true) }
    }

    private mutating func send(from node: Node) {
        for frame in node.world.takeFrames() {
            if facts.plantedFault == .losesPeopleParts,
                frame[2] == SimulatedBus.Frame.peoplePart
            {
                continue
            }
            carry(frame, from: node)
        }
    }

    private mutating func carry(_ frame: [UInt8], from node: Node) {
        node.lastWords = [
            SimulatedBus.Frame(bytes: frame, sender: node.number, epoch: node.epoch, due: now)
        ]
        bus.carry(frame, from: node.number, epoch: node.epoch, at: now) {
            Self.identity($0, 0).node
        }
    }

    // MARK: Processes

    mutating func end(_ number: Int, saysGoodbye: Bool) {
        let node = nodes[number]
        guard node.isThere else { return }
        if saysGoodbye, !node.isFrozen { carry(node.world.goodbye(), from: node) }
        node.isThere = false
        node.isFrozen = false
        bus.forget(number)
        node.world.loseEverybody()
    }

    mutating func begin(_ number: Int) {
        let node = nodes[number]
        guard !node.isThere else { return }
        node.epoch += 1
        var database = SimulatedDatabase(node.world.database.ledger)
        database.ledger.losePending()
        database.losses = node.world.database.losses
        database.switchings = node.world.database.switchings
        var world = Self.world(facts, node.identity, number, now, database)
        world.transcript = node.world.transcript
        world.isTraced = isTraced
        world.lookAtDatabase()
        node.world = world
        node.isThere = true
        bus.isLive[number] = true
        oracle.noteBegin(node)
    }

    private static func world(
        _ facts: WorldFacts, _ identity: BusIdentity, _ number: Int, _ now: Instant,
        _ database: SimulatedDatabase
    ) -> World {
        do {
            return try World(facts, as: identity, node: number, at: now, database)
        } catch {
            preconditionFailure("the first one could be made: \(error)")
        }
    }

    // MARK: Planted mistakes

    private static func goodbye(of process: BusIdentity) -> [UInt8] {
        var bytes = ByteBuffer()
        BusFrame(sender: process, number: 0, .goodbye(GoodbyeFrame())).write(into: &bytes)
        return bytes.copy()
    }

    private func raiseTheDead(_ node: Node) {
        for other in nodes where !other.isThere {
            for frame in other.lastWords where frame.kind != SimulatedBus.Frame.goodbye {
                node.world.busArrivals.append(frame.bytes)
            }
        }
    }
}

extension World {
    mutating func beginTurn() { core.beginTurn(now: now, wall: wall) }

    mutating func takeFrames() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        while core.sendBusFrame(by: { bytes in
            frames.append(bytes.indices.map { bytes[$0] })
            return true
        }) {}
        return frames
    }

    func goodbye() -> [UInt8] {
        var bytes = ByteBuffer()
        core.writeGoodbye(into: &bytes)
        return bytes.copy()
    }

    /// The process is over, and with it all connections.
    mutating func loseEverybody() {
        live = []
        seats = seats.map { _ in nil }
    }

    /// Clients answer the gateway's pings, however long the time is that passes.
    mutating func answerPings() {
        for number in live {
            let peer = kernel.peers[number]
            guard peer.isPrompt,
                now.nanoseconds(since: peer.lastArrival) > 20_000_000_000
            else { continue }
            say(.pongFrame, 1, peer.seat)
        }
    }
}

extension Transcript {
    mutating func note(_ other: Transcript) {
        digest = (digest ^ other.digest) &* 0x100_0000_01B3
        byteCount += other.byteCount
    }
}
