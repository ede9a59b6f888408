import Gateway
import GatewayHarness
import Reactor
import Testing

/// What one member, or a crowd without a token, can make the gateway keep: each of these once ended the
/// process, or cost others their service.
@Suite struct CoreBoundsBehaviour {
    private static func live(
        compresses: Bool = false, admission: AdmissionLimits = AdmissionLimits(),
        connectionsMax: Int = 64
    ) throws -> CoreHarness {
        var harness = try CoreHarness(
            connectionsMax: connectionsMax, admission: admission, compresses: compresses)
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        return harness
    }

    // MARK: Resumes

    private static func joinSilently(_ project: UInt64, since: Int, keep: Bool = true) -> String {
        #"{"type":"join_project","project_id":"\#(CoreHarness.project(project))","#
            + #""since":"\#(since)","keep":\#(keep)}"#
    }

    /// The bytes that waited were counted in 32 bits, by a way around every bound: one member ended
    /// the process for everybody within minutes.
    @Test func `resumes that nobody reads the answers of are bounded`() throws {
        var harness = try Self.live()
        let client = try harness.open(project: 1)
        harness.setCapacity(0, of: client)
        for round in 0..<40 {
            harness.receive(text: Self.joinSilently(1, since: 100 + round), from: client)
            if let asked = harness.askEventLog() {
                harness.answer(
                    asked.tag, events: Array(0..<1_000), project: 1, cursor: UInt64(200 + round))
            }
            harness.turn()
            #expect(harness.core.outbox.segments.liveBytes <= 2 << 20)
            if harness.isClosed(client) { break }
        }
        harness.setCapacity(.max, of: client)
        harness.settle()
        harness.notify(event: 7, project: 1)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.contains { $0.contains(#""RESYNC""#) }, "what had no room is a resync")
        #expect(texts.last.flatMap { Invalidation($0)?.event } == 7)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a client waits for a project once, and its earlier wish is answered`() throws {
        var harness = try Self.live()
        let client = try harness.open()
        harness.resume(1, since: "100", keep: true, reference: 1, from: client)
        harness.resume(1, since: "120", keep: true, reference: 2, from: client)
        harness.settle()
        let refusal = try #require(harness.stream(of: client).texts.first)
        #expect(refusal.hasPrefix(#"{"type":"error","ref":1,"code":"not_subscribed""#))
        let asked = try harness.askedReads()
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 3 && texts.last == #"{"type":"ok","ref":2,"cursor":"150"}"#)
        harness.expectNothingLeftAfterResets()
    }

    /// Who took it for what it can resume from lost what it was waiting for.
    @Test func `ready offers no cursor while something that was missed is still awaited`() throws {
        var harness = try Self.live()
        try harness.hearCanary(cursor: 500)
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        harness.receive(text: #"{"type":"init","ref":2}"#, from: client)
        harness.settle()
        let ready = try #require(harness.stream(of: client).texts.first)
        #expect(ready.contains(#""cursor":null"#), "\(ready)")
        let asked = try harness.askedReads()
        harness.answer(asked.tag, events: [1], project: 1, cursor: 600)
        harness.receive(text: #"{"type":"init","ref":3}"#, from: client)
        harness.settle()
        let later = harness.stream(of: client).texts.filter { $0.contains(#""ready""#) }
        #expect(later.last?.contains(#""cursor":"500""#) == true)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a client waits for at most as many projects as it may be in`() throws {
        var harness = try Self.live()
        let client = try harness.open()
        for project in 1...101 as ClosedRange<UInt64> {
            harness.resume(project, since: "100", keep: true, reference: 1, from: client)
        }
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 1 && texts[0].contains(#""code":"too_many_projects""#))
    }

    /// A project that it is in counted twice when it also waited for it.
    @Test func `a project that a client is in and waits for counts once`() throws {
        var harness = try Self.live()
        let client = try harness.open()
        for project in 1...98 as ClosedRange<UInt64> {
            harness.join(project, keep: true, from: client)
        }
        for project in 1...99 as ClosedRange<UInt64> {
            harness.resume(project, since: "100", keep: true, reference: 1, from: client)
        }
        harness.resume(100, since: "100", keep: true, reference: 2, from: client)
        harness.settle()
        #expect(harness.stream(of: client).texts.isEmpty)
        harness.resume(101, since: "100", keep: true, reference: 3, from: client)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 1 && texts[0].contains(#""ref":3,"code":"too_many_projects""#))
    }

    @Test func `beyond a user's rate of resumes a resync takes the place of what would be read`()
        throws
    {
        var harness = try Self.live()
        let client = try harness.open()
        for round in 0..<(Limits.resumesAtOnce + 5) {
            harness.receive(text: Self.joinSilently(1, since: 100 + round), from: client)
        }
        harness.settle()
        let resyncs = harness.stream(of: client).texts.filter { $0.contains(#""RESYNC""#) }
        #expect(!resyncs.isEmpty)
        let other = try harness.open(user: 2)
        harness.resume(1, since: "100", keep: true, reference: 1, from: other)
        harness.settle()
        #expect(harness.stream(of: other).texts.isEmpty, "others have rates of their own")
    }

    /// Each join walked over all who waited: 1,000 connections held the loop up for 20 s.
    @Test func `joins cost the same however many wait`() throws {
        func duration(clients count: Int) throws -> Duration {
            var harness = try Self.live(connectionsMax: count)
            let clients = try (0..<count).map { try harness.open(user: UInt64($0)) }
            let clock = ContinuousClock()
            return clock.measure {
                for round in 0..<10 {
                    for client in clients {
                        let text = Self.joinSilently(UInt64(round), since: 100, keep: false)
                        harness.receive(text: text, from: client)
                    }
                }
            }
        }
        let few = try (0..<3).map { _ in try duration(clients: 100) }.min() ?? .zero
        let many = try (0..<3).map { _ in try duration(clients: 800) }.min() ?? .zero
        // 8 if it is so, 64 if each walks over all.
        #expect(many < few * 24, "\(few) and \(many)")
    }

    // MARK: Compression

    private static func compressed(_ text: String) -> [UInt8] {
        var deflater = Deflater(windowBits: 15)
        var payload = ByteBuffer()
        deflater.compress(Array(text.utf8).span, into: &payload)
        return WebSocketTesting.frame(0xC1, payload.copy())
    }

    /// The compressor was out of its place while the message was acted on: a trap.
    @Test func `a compressed join behind events for clients of several projects is acted on`()
        throws
    {
        var harness = try Self.live(compresses: true)
        let fields = ["Sec-WebSocket-Extensions: permessage-deflate"]
        let ordered = try harness.open(user: 1, project: 1, fields: fields)
        harness.join(2, keep: true, from: ordered)
        let joining = try harness.open(user: 2, project: 1, fields: fields)
        harness.settle()
        harness.notify(event: 5, project: 1)
        harness.receive(Self.compressed(Self.joinSilently(3, since: 9)), from: joining)
        let join =
            #"{"type":"join_project","project_id":"\#(CoreHarness.project(2))","keep":true}"#
        harness.receive(Self.compressed(join), from: joining)
        harness.settle()
        for client in [ordered, joining] {
            let events = harness.stream(of: client).texts.compactMap { Invalidation($0)?.event }
            #expect(events == [5])
        }
        harness.expectNothingLeftAfterResets()
    }

    // MARK: HTTP

    private static func statusRequest(user: UInt64) throws -> [UInt8] {
        let token = try CoreHarness.token(user: user)
        return Array(
            ("GET /api/v1/projects/\(CoreHarness.project(1))/ws/status?token=\(token) HTTP/1.1\r\n"
                + "Host: a\r\n\r\n").utf8)
    }

    @Test func `a user has as many unread answers as it may have connections`() throws {
        var limits = AdmissionLimits()
        limits.connectionsPerUser = 2
        var harness = try Self.live(admission: limits)
        var clients: [Int] = []
        for _ in 0..<3 {
            let client = try harness.connect()
            harness.setCapacity(0, of: client)
            harness.receive(try Self.statusRequest(user: 1), from: client)
            harness.turn()
            clients.append(client)
        }
        for client in clients { harness.setCapacity(.max, of: client) }
        harness.settle()
        #expect(clients.map { harness.stream(of: $0).status } == [200, 200, 429])
        let later = try harness.connect()
        harness.receive(try Self.statusRequest(user: 1), from: later)
        harness.settle()
        #expect(harness.stream(of: later).status == 200, "an answer that was read doesn't count")
        harness.expectNothingLeftAfterResets()
    }

    @Test func `whoever asks for health is answered, however much waits for others`() throws {
        var harness = try Self.live()
        let hoard = harness.core.outbox.segments.make(capacity: 300 << 20)
        let client = try harness.connect(to: .admin)
        harness.receive(Array("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: client)
        harness.settle()
        #expect(harness.stream(of: client).status == 200)
        let crowded = try harness.connect()
        harness.receive(try Self.statusRequest(user: 1), from: crowded)
        harness.settle()
        #expect(harness.stream(of: crowded).status == 503)
        harness.core.outbox.segments.release(hoard)
        harness.expectNothingLeftAfterResets()
    }

    // MARK: What was received

    /// Half-sent requests counted into the pool whose bound collapses readers.
    @Test func `what was received takes nothing from what is to be sent`() throws {
        var harness = try Self.live()
        let before = harness.core.outbox.segments.liveBytes
        let client = try harness.connect()
        let field = String(repeating: "x", count: 8_000)
        harness.receive(Array("GET / HTTP/1.1\r\nHost: a\r\nX: \(field)".utf8), from: client)
        let open = try harness.open()
        harness.receive(
            WebSocketTesting.frame(0x01, [UInt8](repeating: 0x20, count: 400)), from: open)
        harness.settle()
        #expect(harness.core.outbox.segments.liveBytes == before)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `whoever sends more than can be kept is closed, and nobody else`() throws {
        var harness = try Self.live(connectionsMax: 9_000)
        let watching = try harness.open(project: 1)
        let half =
            Array(("GET / HTTP/1.1\r\nHost: a\r\nX: ").utf8)
            + [UInt8](repeating: 0x78, count: 16_200)
        for _ in 0..<8_600 {
            let client = try harness.connect()
            harness.receive(half, from: client)
        }
        harness.notify(event: 1, project: 1)
        harness.settle()
        let limited = harness.core.metrics.limitsReached[.memory]
        #expect(limited > 0 && limited < 2_000)
        #expect(harness.stream(of: watching).texts.count == 1)
        let collapsed = harness.core.metrics.collapsedClients
        #expect(collapsed == 0)
        harness.expectNothingLeftAfterResets()
    }
}
