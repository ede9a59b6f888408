import Gateway
import Reactor
import Testing

/// Two cores, and a carrier between them.
private struct Pair: ~Copyable {
    var first: CoreHarness
    var second: CoreHarness
    /// Whether frames arrive.
    var isConnected = true

    private init(_ first: consuming CoreHarness, _ second: consuming CoreHarness) {
        self.first = first
        self.second = second
    }

    /// They hear each other, and the time after the start is over.
    static func make() throws -> Pair {
        let first = try CoreHarness(bus: BusIdentity(host: 0x100, worker: 1, epoch: 1))
        let second = try CoreHarness(bus: BusIdentity(host: 0x100, worker: 2, epoch: 1))
        var pair = Pair(first, second)
        pair.pass(milliseconds: 1_300)
        return pair
    }

    /// A turn of both, and frames from each to the other.
    mutating func turn(milliseconds: UInt64 = 1) {
        first.turn(milliseconds: milliseconds)
        second.turn(milliseconds: milliseconds)
        for frame in Self.frames(of: &first) where isConnected {
            _ = second.core.receiveBusFrame(frame.span)
        }
        for frame in Self.frames(of: &second) where isConnected {
            _ = first.core.receiveBusFrame(frame.span)
        }
    }

    mutating func pass(milliseconds: UInt64) {
        for _ in 0..<milliseconds / 10 { turn(milliseconds: 10) }
    }

    private static func frames(of harness: inout CoreHarness) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        while harness.core.sendBusFrame(by: { bytes in
            frames.append(bytes.indices.map { bytes[$0] })
            return true
        }) {}
        return frames
    }

    /// Asks the first one. Nobody has to be a member.
    mutating func askStatus() throws -> Int {
        let client = try first.connect()
        first.receive(try Self.request(), from: client)
        return client
    }

    static func request() throws -> [UInt8] {
        let token = try CoreHarness.token(user: 99)
        return Array(
            ("GET /api/v1/projects/\(CoreHarness.project(1))/ws/status?token=\(token) HTTP/1.1\r\n"
                + "Host: a\r\n\r\n").utf8)
    }

    func body(of client: Int) -> String {
        let text = String(decoding: first.sockets[client].taken, as: UTF8.self)
        return text.firstRange(of: "\r\n\r\n").map { String(text[$0.upperBound...]) } ?? ""
    }

    static func status(
        total: Int, project: Int, users: [UInt64], nodes: Int = 2, partial: Bool = false
    ) -> String {
        let ids = users.map { "\"\(CoreHarness.user($0))\"" }.joined(separator: ",")
        return #"{"total_clients":\#(total),"project_clients":\#(project),"user_ids":[\#(ids)],"#
            + #""nodes":\#(nodes),"partial":\#(partial)}"#
    }
}

@Suite struct CoreBusBehaviour {
    @Test func `a process on its own is one node, which is the whole`() throws {
        var harness = try CoreHarness()
        _ = try harness.open(user: 1, project: 1)
        let client = try harness.connect()
        harness.receive(try Pair.request(), from: client)
        harness.settle()
        let text = String(decoding: harness.sockets[client].taken, as: UTF8.self)
        #expect(text.hasSuffix(Pair.status(total: 1, project: 1, users: [1], nodes: 1)))
        let hasFrames = harness.core.hasBusFrames
        #expect(!hasFrames)
    }

    @Test func `the status of a project has the clients and users of both`() throws {
        var pair = try Pair.make()
        _ = try pair.first.open(user: 1, project: 1)
        _ = try pair.first.open(user: 3, project: 1)
        _ = try pair.second.open(user: 2, project: 1)
        _ = try pair.second.open(user: 3, project: 1)
        _ = try pair.second.open(user: 4, project: 2)
        pair.pass(milliseconds: 110)
        let client = try pair.askStatus()
        pair.pass(milliseconds: 30)
        let body = pair.body(of: client)
        #expect(body == Pair.status(total: 5, project: 4, users: [1, 2, 3]))
    }

    @Test func `an invisible user of another process isn't counted, and is again when seen`() throws
    {
        var pair = try Pair.make()
        _ = try pair.first.open(user: 1, project: 1)
        let hides = try pair.second.open(user: 2, project: 1)
        pair.pass(milliseconds: 110)
        for (fields, users) in [(#","invisible":true"#, [1]), ("", [1, 2])] as [(String, [UInt64])]
        {
            pair.second.presence(fields, from: hides)
            pair.pass(milliseconds: 220)
            let client = try pair.askStatus()
            pair.pass(milliseconds: 30)
            let body = pair.body(of: client)
            #expect(body == Pair.status(total: 2, project: users.count, users: users))
        }
    }

    @Test func `who leaves is counted no more`() throws {
        var pair = try Pair.make()
        let stays = try pair.second.open(user: 1, project: 1)
        let goes = try pair.second.open(user: 2, project: 1)
        pair.pass(milliseconds: 110)
        pair.second.reset(goes)
        pair.second.receive(
            text: #"{"type":"leave_project","project_id":"\#(CoreHarness.project(1))"}"#,
            from: stays)
        pair.pass(milliseconds: 220)
        let client = try pair.askStatus()
        pair.turn()
        let body = pair.body(of: client)
        #expect(body == Pair.status(total: 1, project: 0, users: []))
    }

    @Test func `without an answer in 300 ms it is partial, and requests behind it wait`() throws {
        var pair = try Pair.make()
        _ = try pair.first.open(user: 1, project: 1)
        _ = try pair.second.open(user: 2, project: 1)
        pair.pass(milliseconds: 110)
        pair.isConnected = false
        let client = try pair.askStatus()
        pair.first.receive(try Pair.request(), from: client)
        pair.pass(milliseconds: 290)
        let early = pair.body(of: client)
        #expect(early.isEmpty)
        pair.isConnected = true
        pair.pass(milliseconds: 20)
        let first = Pair.status(total: 2, project: 2, users: [1], partial: true)
        pair.pass(milliseconds: 30)
        let taken = String(decoding: pair.first.sockets[client].taken, as: UTF8.self)
        #expect(taken.contains("\(first)HTTP/1.1 200 OK"))
        #expect(taken.hasSuffix(Pair.status(total: 2, project: 2, users: [1, 2])))
    }

    @Test func `a client that goes while it waits is answered nothing`() throws {
        var pair = try Pair.make()
        _ = try pair.second.open(user: 2, project: 1)
        pair.pass(milliseconds: 110)
        pair.isConnected = false
        let client = try pair.askStatus()
        pair.turn()
        pair.first.reset(client)
        pair.pass(milliseconds: 400)
        let isClosed = pair.first.isClosed(client)
        let taken = pair.first.sockets[client].taken
        let leftovers = pair.first.leftovers
        #expect(isClosed && taken.isEmpty && leftovers.isEmpty)
    }

    @Test func `a silent process is told of as such, and in the end counted no more`() throws {
        var pair = try Pair.make()
        _ = try pair.second.open(user: 2, project: 2)
        pair.pass(milliseconds: 110)
        pair.isConnected = false
        pair.first.pass(milliseconds: 10_000)
        let frozen = try pair.askStatus()
        pair.turn()
        let silent = pair.body(of: frozen)
        #expect(silent == Pair.status(total: 1, project: 0, users: [], partial: true))
        pair.first.pass(milliseconds: 21_500)
        let gone = try pair.askStatus()
        pair.turn()
        let alone = pair.body(of: gone)
        #expect(alone == Pair.status(total: 0, project: 0, users: [], nodes: 1))
    }

    @Test
    func `while other hosts can't be reached it is partial, and until they would have been heard`()
        throws
    {
        var pair = try Pair.make()
        pair.first.core.busCarrierIs(live: false)
        let lost = try pair.askStatus()
        pair.turn()
        let during = pair.body(of: lost)
        #expect(during == Pair.status(total: 0, project: 0, users: [], partial: true))
        pair.first.core.busCarrierIs(live: true)
        pair.pass(milliseconds: 200)
        // Somebody may be there who wasn't heard yet.
        let early = try pair.askStatus()
        pair.turn()
        let settling = pair.body(of: early)
        #expect(settling == during)
        pair.pass(milliseconds: 1_000)
        let late = try pair.askStatus()
        pair.turn()
        let after = pair.body(of: late)
        #expect(after == Pair.status(total: 0, project: 0, users: []))
    }

    @Test
    func `readiness names the processes of other hosts, and says whether they can be reached`()
        throws
    {
        var pair = try Pair.make()
        let other = BusFrame(
            sender: BusIdentity(node: 0xAB00, epoch: 1), number: 1,
            .counts(CountsFrame(clients: 1, hash: 0)))
        _ = pair.first.core.receiveBusFrame(BusTesting.bytes(of: other).span)
        for isLive in [false, true] {
            pair.first.core.metrics.carrier = CarrierFigures()
            pair.first.core.metrics.carrier?.isLive = isLive
            let client = try pair.first.connect(to: .admin)
            pair.first.receive(
                Array("GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: client)
            pair.turn()
            let body = pair.body(of: client)
            #expect(body.contains("[i] bus hears worker 2, node 000000000000ab00\n"))
            let words = isLive ? "reaches" : "doesn't reach"
            #expect(body.contains("[i] bus \(words) other hosts\n"))
        }
    }

    @Test
    func `readiness says why other hosts can't be reached, on one line whatever a server says`()
        throws
    {
        var pair = try Pair.make()
        pair.first.core.metrics.carrier = CarrierFigures()
        pair.first.core.busCarrierIs(live: false, because: "refused: no\r\n[+] all is well")
        let client = try pair.first.connect(to: .admin)
        pair.first.receive(
            Array("GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: client)
        pair.turn()
        let body = pair.body(of: client)
        #expect(
            body.contains("[i] bus doesn't reach other hosts: refused: no\\r\\n[+] all is well\n"))
    }

    @Test func `readiness names the workers that are heard`() throws {
        var pair = try Pair.make()
        let client = try pair.first.connect(to: .admin)
        pair.first.receive(
            Array("GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: client)
        pair.turn()
        let body = pair.body(of: client)
        #expect(body.contains("[i] bus hears worker 2\n"))
    }

    @Test func `figures of the bus are told where there is one`() throws {
        var pair = try Pair.make()
        _ = pair.first.core.receiveBusFrame([0xDB, 7].span)
        let client = try pair.first.connect(to: .admin)
        pair.first.receive(Array("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: client)
        pair.turn()
        let lines = pair.body(of: client).split(separator: "\n")
        for line: Substring in [
            "devhive_bus_nodes 1", "devhive_bus_nodes_frozen 0",
            "devhive_bus_frames_invalid_total 1", "devhive_bus_snapshots_total 0",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
    }
}
