import Gateway
import Reactor
import Testing

/// Processes that tell each other what their users have.
private struct Processes: ~Copyable {
    private var first: CoreHarness
    private var second: CoreHarness
    var isConnected = true
    /// Whether any connections of users were told of.
    private(set) var tellsOfUsers = false

    private init(_ first: consuming CoreHarness, _ second: consuming CoreHarness) {
        self.first = first
        self.second = second
    }

    /// They hear each other.
    static func make(connectionsPerUser: Int?) throws -> Processes {
        var admission = AdmissionLimits()
        admission.connectionsPerUser = connectionsPerUser
        let first = try CoreHarness(
            admission: admission, bus: BusIdentity(host: 0x100, worker: 1, epoch: 1))
        let second = try CoreHarness(
            admission: admission, bus: BusIdentity(host: 0x100, worker: 2, epoch: 1))
        var processes = Processes(first, second)
        processes.pass(milliseconds: 1_300)
        return processes
    }

    mutating func pass(milliseconds: UInt64) {
        for _ in 0..<milliseconds / 10 {
            first.turn(milliseconds: 10)
            second.turn(milliseconds: 10)
            for frame in Self.frames(of: &first) where isConnected {
                look(at: frame)
                _ = second.core.receiveBusFrame(frame.span)
            }
            for frame in Self.frames(of: &second) where isConnected {
                look(at: frame)
                _ = first.core.receiveBusFrame(frame.span)
            }
        }
    }

    private mutating func look(at frame: [UInt8]) {
        guard let read = try? BusFrame(frame.span), case .connections = read.content else { return }
        tellsOfUsers = true
    }

    private static func frames(of harness: inout CoreHarness) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        while harness.core.sendBusFrame(by: { bytes in
            frames.append(bytes.indices.map { bytes[$0] })
            return true
        }) {}
        return frames
    }

    mutating func with<Result>(
        _ number: Int, _ body: (inout CoreHarness) throws -> Result
    ) rethrows -> Result {
        number == 1 ? try body(&first) : try body(&second)
    }

    /// The handshake's status.
    mutating func connect(user: UInt64, to number: Int) throws -> Int? {
        try with(number) { harness in
            let client = try harness.connect()
            harness.receive(
                CoreHarness.handshake(token: try CoreHarness.token(user: user)), from: client)
            harness.turn()
            return harness.stream(of: client).status
        }
    }
}

@Suite struct CoreUserLimitBehaviour {
    @Test func `a user has the connections of all processes together`() throws {
        var processes = try Processes.make(connectionsPerUser: 6)
        for _ in 0..<4 { #expect(try processes.connect(user: 7, to: 1) == 101) }
        #expect(try processes.connect(user: 7, to: 2) == 101)
        // One look of who has many, and one of who is asked.
        processes.pass(milliseconds: 2_200)
        #expect(try processes.connect(user: 7, to: 2) == 101)
        #expect(try processes.connect(user: 7, to: 2) == 429)
        processes.pass(milliseconds: 2_200)
        #expect(try processes.connect(user: 7, to: 1) == 429)
        #expect(try processes.connect(user: 8, to: 1) == 101)
    }

    @Test func `who has closed connections at one process may open some at another`() throws {
        var processes = try Processes.make(connectionsPerUser: 4)
        let clients = try processes.with(1) { harness in
            try (0..<4).map { _ in try harness.open(user: 7) }
        }
        processes.pass(milliseconds: 1_200)
        #expect(try processes.connect(user: 7, to: 2) == 429)
        processes.with(1) { harness in
            for client in clients { harness.reset(client) }
        }
        processes.pass(milliseconds: 1_200)
        #expect(try processes.connect(user: 7, to: 2) == 101)
    }

    @Test func `what a silent process said counts for 20 s at most`() throws {
        var processes = try Processes.make(connectionsPerUser: 4)
        for _ in 0..<4 { #expect(try processes.connect(user: 7, to: 1) == 101) }
        processes.pass(milliseconds: 1_200)
        processes.isConnected = false
        processes.pass(milliseconds: 5_000)
        #expect(try processes.connect(user: 7, to: 2) == 429)
        processes.pass(milliseconds: 16_000)
        #expect(try processes.connect(user: 7, to: 2) == 101)
    }

    @Test func `without a limit nothing is told`() throws {
        var processes = try Processes.make(connectionsPerUser: nil)
        for _ in 0..<20 { #expect(try processes.connect(user: 7, to: 1) == 101) }
        processes.pass(milliseconds: 3_000)
        let tellsOfUsers = processes.tellsOfUsers
        #expect(!tellsOfUsers)
    }

    @Test func `a user sends as many direct messages as at one process`() throws {
        var processes = try Processes.make(connectionsPerUser: nil)
        var clients: [Int] = []
        for number in 1...2 {
            clients.append(
                try processes.with(number) { harness in
                    harness.beginDirect()
                    return try harness.open(user: 7)
                })
        }
        processes.with(1) { harness in
            for id in 1...10 as ClosedRange<UInt64> { harness.send(id, to: 8, from: clients[0]) }
        }
        processes.pass(milliseconds: 100)
        let answers = processes.with(2) { harness in
            harness.send(20, to: 8, from: clients[1])
            harness.turn()
            return harness.answers(of: clients[1])
        }
        #expect(answers.contains { $0.contains(#""code":"too_fast""#) })
        processes.pass(milliseconds: 1_500)
        let later = processes.with(2) { harness in
            let before = harness.answers(of: clients[1]).count { $0.contains("too_fast") }
            harness.send(21, to: 8, from: clients[1])
            harness.turn()
            return harness.answers(of: clients[1]).count { $0.contains("too_fast") } - before
        }
        #expect(later == 0)
    }
}
