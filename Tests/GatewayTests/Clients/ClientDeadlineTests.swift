import Gateway
import Reactor
import Testing

/// What is due for a client when, to the tick: without a core, which would act on it.
@Suite struct ClientDeadlineBehaviour {
    private static let began: UInt32 = 10_000

    /// One client in a phase, with nothing due.
    private struct One: ~Copyable {
        var clients: Clients
        let index: ClientIndex

        init(_ events: [ClientLifecycle.Event]) {
            let clock = TurnClock.at(tick: began)
            var clients = Clients(
                slots: 8, ClientTimes(), decompresses: false, seed: 1, now: clock.now)
            guard
                let index = clients.insert(descriptor: 7, peer: .local, flags: [], clock)
            else { preconditionFailure("no place for one of eight") }
            for event in events { _ = clients[index].handle(event) }
            clients[index].deadlineTick = .max
            clients[index].pingTick = .max
            clients[index].heardTick = began
            self.clients = clients
            self.index = index
        }

        mutating func deadline(at tick: UInt32, heardEveryone: Bool = true) -> ClientDeadline {
            clients.deadline(of: index, heardEveryone: heardEveryone, .at(tick: tick))
        }
    }

    private static let open: [ClientLifecycle.Event] = [.upgraded, .authenticated]
    /// Ticks within which something has to be heard, or taken: the first tick at which the time has
    /// passed for certain.
    private static let readTicks = UInt32(60_000_000_000 / TimerWheel.tickNanoseconds) + 1
    private static let stallTicks =
        UInt32(Limits.stallSecondsMax * 1_000_000_000 / TimerWheel.tickNanoseconds) + 1

    /// Expects nothing before `due`, and `expected` in it and behind it.
    private func expect(
        _ expected: ClientDeadline, at due: UInt32, after events: [ClientLifecycle.Event],
        _ change: (inout Client) -> Void
    ) {
        for (tick, deadline) in [(due - 1, .nothing), (due, expected), (due + 1, expected)] {
            var one = One(events)
            let index = one.index
            change(&one.clients[index])
            let found = one.deadline(at: tick)
            #expect(found == deadline, "at \(tick), due at \(due)")
        }
    }

    @Test func `the time of a phase is up at its deadline and not a tick before`() {
        let due = Self.began + 100
        let cases: [(ClientDeadline, [ClientLifecycle.Event])] = [
            (.proxyHeaderLate, [.proxyHeaderAwaited]),
            (.requestLate, []),
            (.initLate, [.upgraded]),
            (.closeLate, Self.open + [.closeSent]),
            (.closeLate, [.lastAnswerQueued]),
            (.closeLate, [.lastAnswerQueued, .outputSent]),
            (.closeLate, Self.open + [.closeReceived]),
        ]
        for (deadline, events) in cases {
            expect(deadline, at: due, after: events) { $0.deadlineTick = due }
        }
    }

    @Test func `an open WebSocket and one that is over have no phase to be late in`() {
        for events in [Self.open, [.connectionLost]] {
            var one = One(events)
            let index = one.index
            one.clients[index].deadlineTick = Self.began
            let found = one.deadline(at: Self.began + 1)
            #expect(found == .nothing)
        }
    }

    @Test func `whoever was answered and asks nothing more goes without a word`() {
        let due = Self.began + 100
        expect(.idle, at: due, after: []) {
            $0.deadlineTick = due
            $0.flags.insert(.answered)
        }
    }

    @Test(arguments: [ClientFlags.awaitsMembership, .awaitsAnswer].map(\.rawValue))
    func `whoever waits for us when its time is up goes without a word`(reason: UInt16) {
        let due = Self.began + 100
        expect(.idle, at: due, after: []) {
            $0.deadlineTick = due
            $0.flags.insert(ClientFlags(rawValue: reason))
        }
    }

    @Test func `a token expires, whatever else is due`() {
        let due = Self.began + 100
        expect(.tokenExpired, at: due, after: Self.open) {
            $0.expiryTick = due
            $0.pingTick = due
        }
    }

    @Test func `silence is noticed to the tick`() {
        expect(.silent, at: Self.began + Self.readTicks, after: Self.open) { _ in }
    }

    @Test func `nobody is silent while not everything that arrived was read`() {
        var one = One(Self.open)
        let found = one.deadline(at: Self.began + 10 * Self.readTicks, heardEveryone: false)
        #expect(found == .nothing)
    }

    @Test func `nobody is silent of whom nothing is read`() {
        var one = One(Self.open)
        let index = one.index
        one.clients[index].flags.insert(.awaitsMembership)
        let found = one.deadline(at: Self.began + 10 * Self.readTicks)
        #expect(found == .nothing)
    }

    @Test(arguments: [open, open + [.closeSent], [.upgraded], []] as [[ClientLifecycle.Event]])
    func `a socket that takes nothing is given up, in every phase`(
        events: [ClientLifecycle.Event]
    ) {
        expect(.stalled, at: Self.began + Self.stallTicks, after: events) {
            $0.queue.marks.insert(.blocked)
            $0.queue.progressTick = Self.began
            $0.heardTick = Self.began + Self.stallTicks
        }
        var one = One(events)
        let index = one.index
        one.clients[index].queue.progressTick = Self.began
        one.clients[index].heardTick = Self.began + Self.stallTicks
        let found = one.deadline(at: Self.began + Self.stallTicks)
        #expect(found == .nothing, "nothing waits for the socket")
    }

    // MARK: Pings

    @Test(arguments: [open, [.upgraded]] as [[ClientLifecycle.Event]])
    func `pings come in their interval`(events: [ClientLifecycle.Event]) {
        let due = Self.began + 100
        expect(.pingDue, at: due, after: events) { $0.pingTick = due }
        var one = One(events)
        let index = one.index
        one.clients[index].pingTick = due
        let first = one.deadline(at: due)
        let again = one.deadline(at: due)
        #expect(first == .pingDue)
        #expect(again == .nothing)
        let interval = TimerWheel.tick(
            ClientTimes().pingNanoseconds, after: TurnClock.at(tick: due).now)
        #expect(one.clients[index].pingTick == interval)
    }

    @Test func `the first ping comes at a random moment of the interval's second half`() {
        var one = One([.upgraded])
        let index = one.index
        let clock = TurnClock.at(tick: Self.began)
        let interval = ClientTimes().pingNanoseconds
        let first = TimerWheel.tick(interval / 2, after: clock.now)
        let last = TimerWheel.tick(interval, after: clock.now)
        var ticks: Set<UInt32> = []
        for _ in 0..<1_000 {
            one.clients.scheduleFirstPing(of: index, clock)
            ticks.insert(one.clients[index].pingTick)
        }
        #expect(ticks.allSatisfy { (first...last).contains($0) })
        #expect(ticks.count > 100)
    }

    // MARK: A process that stood still

    @Test func `the time by which a ping is late is taken off the silence`() {
        var one = One(Self.open)
        let index = one.index
        // Asked at 500, but the process stood still until 5,000: it has been silent for 500.
        one.clients[index].pingTick = Self.began + 500
        let now = Self.began + 5_000
        one.clients[index].heardTick = Self.began + 100
        let found = one.deadline(at: now)
        #expect(found == .pingDue)
        #expect(one.clients[index].heardTick == now - 400)
    }

    @Test func `whoever was silent for too long before that is silent still`() {
        var one = One(Self.open)
        let index = one.index
        one.clients[index].pingTick = Self.began + Self.readTicks
        let found = one.deadline(at: Self.began + 5_000)
        #expect(found == .silent)
    }

    @Test func `no more is forgiven than there was silence`() {
        var one = One(Self.open)
        let index = one.index
        one.clients[index].pingTick = Self.began
        one.clients[index].heardTick = Self.began + 4_990
        let found = one.deadline(at: Self.began + 5_000)
        #expect(found == .pingDue)
        #expect(one.clients[index].heardTick == Self.began + 5_000)
    }

    // MARK: Visits

    /// Ticks until the client is looked at.
    private func visit(of one: consuming One) -> UInt32? {
        one.clients.scheduleVisit(of: one.index, .at(tick: Self.began))
        for tick in Self.began..<Self.began + 2_000
        where one.clients.dequeueDue(.at(tick: tick)) != nil {
            return tick
        }
        return nil
    }

    @Test func `a client is looked at when the first thing can be due`() {
        let ticks: [(ping: UInt32, expiry: UInt32, deadline: UInt32, heard: UInt32)] = [
            (50, 60, 70, 0), (60, 50, 70, 0), (600, 700, 50, 0), (600, 700, 800, 100),
        ]
        for (ping, expiry, deadline, heard) in ticks {
            for events in [[.upgraded], Self.open, Self.open + [.closeSent], []] {
                var one = One(events)
                let index = one.index
                one.clients[index].pingTick = Self.began + ping
                one.clients[index].expiryTick = Self.began + expiry
                one.clients[index].deadlineTick = Self.began + deadline
                one.clients[index].heardTick = Self.began + heard
                let expected =
                    switch one.clients[index].phase {
                    case .awaitingInit: min(ping, deadline)
                    case .open: min(ping, expiry, heard + Self.readTicks)
                    default: deadline
                    }
                let found = visit(of: one)
                #expect(found == Self.began + expected)
            }
        }
    }

    @Test func `one whose socket takes nothing is looked at when it may have to be given up`() {
        var one = One(Self.open)
        let index = one.index
        one.clients[index].queue.marks.insert(.blocked)
        one.clients[index].queue.progressTick = Self.began - 100
        let found = visit(of: one)
        #expect(found == Self.began + Self.stallTicks - 100)
    }

    @Test func `nobody looks at one that is over`() {
        let found = visit(of: One([.connectionLost]))
        #expect(found == nil)
    }
}
