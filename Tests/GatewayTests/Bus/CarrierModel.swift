import Gateway
import Reactor
import Testing

/// Several hosts that meet in one place, to which a stranger can write as well; links that are cut, lossy
/// and slow, and clocks that have nothing in common.
private final class Host {
    var bus: Bus
    var envelopes: Envelopes
    let identity: BusIdentity
    /// Which secret it has.
    var secret: UInt64
    /// What its clock is ahead of the world's, in milliseconds; one has just been switched on, in 1970.
    let ahead: UInt64
    var counts: [ProjectID: UInt32] = [:]
    var changed: Set<ProjectID> = []
    var clients: UInt64 = 0
    var arriving: [[UInt8]] = []
    /// Whether nothing of it goes out or comes in, which nobody tells it.
    var isCut = false

    init(_ identity: BusIdentity, ahead: UInt64, secret: UInt64, world: Instant) throws {
        self.identity = identity
        self.ahead = ahead
        self.secret = secret
        bus = Bus(identity, now: world.advanced(byMilliseconds: ahead))
        envelopes = try Envelopes(
            identity, secret: Self.bytes(of: secret).span, prefix: "devhive", skipsOwnHost: false,
            seed: identity.epoch)
    }

    static func bytes(of secret: UInt64) -> [UInt8] { Array("secret \(secret)".utf8) }
}

private struct CarrierWorld {
    var hosts: [Host?] = []
    var random: Jitter
    var now = Instant(nanoseconds: 0)
    var epoch: UInt64 = 0
    var isLossy = true
    /// What a stranger has recorded, and says again.
    var tape: [[UInt8]] = []
    var hasStranger = true
    /// The newest secret, and how many times there was another.
    var secret: UInt64 = 0

    init(hosts count: Int, seed: UInt64) throws {
        random = Jitter(seed: seed)
        hosts = Array(repeating: nil, count: count)
        for place in 0..<count { try begin(place) }
    }

    mutating func once(in count: UInt64) -> Bool { random.next() % count == 0 }

    /// One whose node is the same as before, in another epoch.
    mutating func begin(_ place: Int) throws {
        epoch += 1
        let ahead = place == 0 ? 0 : random.next() % 1_000_000_000
        hosts[place] = try Host(
            BusIdentity(node: UInt64(place) << 8, epoch: epoch), ahead: ahead, secret: secret,
            world: now)
    }

    /// A host gets the newest secret, if it hasn't got it.
    mutating func renew(_ place: Int) throws {
        guard let host = hosts[place], host.secret != secret else { return }
        host.secret = secret
        let authentication = try HMACSHA256(key: Host.bytes(of: secret).span)
        host.envelopes.change(by: authentication, now.advanced(byMilliseconds: host.ahead))
    }

    mutating func end(_ place: Int, withGoodbye: Bool) {
        guard let host = hosts[place] else { return }
        if withGoodbye {
            let frame = BusTesting.bytes(of: host.bus.goodbye())
            if let envelope = host.envelopes.wrap(frame.span) { carry(envelope, from: place) }
        }
        hosts[place] = nil
    }

    mutating func carry(_ envelope: [UInt8], to target: UInt64? = nil, from sender: Int) {
        guard hosts[sender]?.isCut == false else { return }
        if once(in: 4), tape.count < 2_000 { tape.append(envelope) }
        for place in hosts.indices {
            guard let host = hosts[place], !host.isCut,
                target == nil || target == host.identity.node
            else { continue }
            // The place where they meet loses nothing of its own, but links break.
            if isLossy, once(in: 6) { continue }
            host.arriving.append(envelope)
        }
    }

    mutating func disturb() {
        guard hasStranger, once(in: 3) else { return }
        var envelope: [UInt8]
        if !tape.isEmpty, !once(in: 4) {
            envelope = tape[Int(random.next() % UInt64(tape.count))]
            if once(in: 4) { envelope[Int(random.next() % UInt64(envelope.count))] ^= 1 }
        } else {
            envelope = Array(repeating: 0xDE, count: Int(random.next() % 20_000))
        }
        for host in hosts { host?.arriving.append(envelope) }
    }

    mutating func turn(milliseconds: UInt64) {
        disturb()
        for place in hosts.indices {
            guard let host = hosts[place] else { continue }
            let local = now.advanced(byMilliseconds: host.ahead)
            if !isLossy || !once(in: 3) { hear(host, local) }
            let isDue = host.bus.isBatchDue(
                hasChanges: !host.changed.isEmpty, clients: host.clients, local)
            if isDue {
                let changes = host.changed.map { ProjectCount($0, host.counts[$0] ?? 0) }
                host.changed = []
                host.bus.publish(changes, clients: host.clients, local)
            }
            host.bus.check(local)
            while let outgoing = host.envelopes.dequeueOutgoing() {
                carry(outgoing.bytes, to: outgoing.target, from: place)
            }
            for frame in host.bus.takeFrames() {
                guard let envelope = host.envelopes.wrap(frame.span) else { continue }
                carry(envelope, to: BusFrame.target(of: frame.span), from: place)
            }
        }
        now = now.advanced(byMilliseconds: milliseconds)
    }

    private func hear(_ host: Host, _ local: Instant) {
        let arrived = host.arriving
        host.arriving = []
        for envelope in arrived {
            guard case .frame(let range) = host.envelopes.open(envelope.span, local) else {
                continue
            }
            let frame = Array(envelope[range])
            if case .users(let wanted, let asker) = host.bus.receive(frame.span, local) {
                host.bus.answer(wanted, of: asker, with: [], local)
            }
        }
        if host.envelopes.isGreetingDue {
            host.envelopes.isGreetingDue = false
            host.bus.greet()
        }
    }

    mutating func change(_ projects: UInt64) {
        guard let host = hosts[Int(random.next() % UInt64(hosts.count))] else { return }
        for _ in 0..<random.next() % 20 {
            let project = BusTesting.project(random.next() % projects)
            host.counts[project] = UInt32(random.next() % 4)
            host.changed.insert(project)
        }
        host.clients = random.next() % 1_000
    }

    /// Whether each present host counts exactly the others that are, and knows that it does.
    func agrees(_ projects: UInt64) -> Bool {
        let present = hosts.compactMap { $0 }
        return present.allSatisfy { host in
            let others = present.filter { $0 !== host }
            let local = now.advanced(byMilliseconds: host.ahead)
            guard host.bus.nodeCount == present.count, !host.bus.isPartial(local),
                host.bus.clients(of: BusTesting.project(0)).all
                    == others.reduce(0, { $0 + $1.clients })
            else { return false }
            return (0..<projects).allSatisfy { number in
                let project = BusTesting.project(number)
                return host.bus.clients(of: project).project
                    == others.reduce(0) { $0 + UInt64($1.counts[project] ?? 0) }
            }
        }
    }
}

@Suite struct CarrierModelBehaviour {
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `whatever is cut, lost, said again or restarted, soon after it all count the same`(
        seed: UInt64
    ) throws {
        var world = try CarrierWorld(hosts: 2 + Int(seed % 4), seed: seed)
        let projects: UInt64 = seed % 5 == 0 ? 3_000 : 50
        for _ in 0..<600 {
            let place = Int(world.random.next() % UInt64(world.hosts.count))
            if world.once(in: 2) { world.change(projects) }
            if world.once(in: 40) { world.hosts[place]?.isCut.toggle() }
            if world.once(in: 60) {
                world.end(place, withGoodbye: world.once(in: 2))
                if !world.once(in: 4) { try world.begin(place) }
            }
            if world.once(in: 80) { world.secret += 1 }
            if world.once(in: 10) { try world.renew(place) }
            world.turn(milliseconds: world.once(in: 100) ? 9_000 : 20 + world.random.next() % 200)
        }
        for place in world.hosts.indices { try world.renew(place) }
        // Who has ended without a word is gone after 30 s; the rest takes a heartbeat.
        // What the stranger has kept back is said once, and then again and again.
        world.isLossy = false
        for host in world.hosts {
            host?.isCut = false
            host?.arriving += world.tape
        }
        for _ in 0..<400 { world.turn(milliseconds: 100) }
        #expect(world.agrees(projects), "seed \(seed)")
    }

    @Test
    func
        `a cut makes it partial after 10 s, takes clients away after 30, and heals in a heartbeat`()
        throws
    {
        var world = try CarrierWorld(hosts: 3, seed: 1)
        world.isLossy = false
        world.hasStranger = false
        let project = BusTesting.project(1)
        for host in world.hosts.compactMap({ $0 }) {
            host.counts[project] = 10
            host.changed.insert(project)
            host.clients = 10
        }
        for _ in 0..<40 { world.turn(milliseconds: 100) }
        #expect(world.agrees(2))
        let first = try #require(world.hosts[0])
        let second = try #require(world.hosts[1])
        let third = try #require(world.hosts[2])
        func local(_ host: Host) -> Instant { world.now.advanced(byMilliseconds: host.ahead) }

        third.isCut = true
        let cutAt = world.now
        var (partialFrom, goneFrom): (UInt64?, UInt64?)
        for _ in 0..<600 {
            world.turn(milliseconds: 100)
            let passed = world.now.nanoseconds(since: cutAt) / 1_000_000
            let isPartial = first.bus.isPartial(local(first))
            let found = first.bus.clients(of: project).project
            if isPartial, partialFrom == nil { partialFrom = passed }
            if found == 10, goneFrom == nil { goneFrom = passed }
            // Until it is gone all of it counts, and nothing of the one that isn't cut ever goes.
            #expect(found == (goneFrom == nil ? 20 : 10))
            #expect(isPartial == (partialFrom != nil && goneFrom == nil))
            let other = second.bus.clients(of: project).project
            #expect(other == found || other + 10 == found || found + 10 == other)
        }
        #expect((7_000...10_200).contains(try #require(partialFrom)))
        #expect((27_000...31_200).contains(try #require(goneFrom)))
        #expect(third.bus.nodeCount == 1)

        // What changes on both sides meanwhile is known soon after the end.
        third.counts[project] = 7
        third.changed.insert(project)
        third.clients = 7
        third.isCut = false
        let healedAt = world.now
        while !world.agrees(2), world.now.nanoseconds(since: healedAt) < 10_000_000_000 {
            world.turn(milliseconds: 100)
            #expect(first.bus.clients(of: project).project >= 10)
        }
        #expect(world.now.nanoseconds(since: healedAt) <= 4_000_000_000)
    }

    @Test func `while hosts get a new secret one after the other, nobody misses anything`() throws {
        var world = try CarrierWorld(hosts: 3, seed: 4)
        world.isLossy = false
        world.hasStranger = false
        for _ in 0..<40 { world.turn(milliseconds: 100) }
        world.secret += 1
        for place in 0..<3 {
            try world.renew(place)
            world.change(50)
            // Longer than after which who isn't heard is gone.
            for turn in 0..<400 {
                world.turn(milliseconds: 100)
                for host in world.hosts.compactMap({ $0 }) {
                    let local = world.now.advanced(byMilliseconds: host.ahead)
                    let isWhole = host.bus.nodeCount == 3 && !host.bus.isPartial(local)
                    #expect(isWhole)
                }
                if turn > 40 { #expect(world.agrees(50)) }
            }
        }
        // Nor when it is over.
        for _ in 0..<7_000 { world.turn(milliseconds: 100) }
        #expect(world.agrees(50))
        let unauthentic = world.hosts.compactMap { $0?.envelopes.figures.unauthentic }
        #expect(unauthentic == [0, 0, 0])
    }

    @Test func `a process that follows another in its place takes its clients along at once`()
        throws
    {
        var world = try CarrierWorld(hosts: 2, seed: 2)
        world.isLossy = false
        for _ in 0..<20 { world.turn(milliseconds: 100) }
        let first = try #require(world.hosts[0])
        world.hosts[1]?.clients = 5
        for _ in 0..<20 { world.turn(milliseconds: 100) }
        #expect(first.bus.clients(of: BusTesting.project(0)).all == 5)
        world.end(1, withGoodbye: false)
        try world.begin(1)
        world.hosts[1]?.clients = 3
        for _ in 0..<20 {
            world.turn(milliseconds: 100)
            let nodeCount = first.bus.nodeCount
            #expect(nodeCount == 2)
        }
        #expect(world.agrees(1))
    }
}
