import Gateway
import Testing

@Suite struct CoreAllowanceBehaviour {
    private static func limits(
        _ change: (inout AdmissionLimits) -> Void
    ) -> AdmissionLimits {
        var limits = AdmissionLimits()
        change(&limits)
        return limits
    }

    private static let ping = #"{"type":"ping"}"#
    private static let overRate = #"close 4301 {"retry_after_ms":5000}"#

    @Test func `four seconds' worth of messages may come at once, one more closes with 4301`()
        throws
    {
        var harness = try CoreHarness(admission: Self.limits { $0.messagesPerSecond = 5 })
        let client = try harness.open()
        for _ in 0..<20 { harness.receive(text: Self.ping, from: client) }
        harness.settle()
        #expect(harness.stream(of: client).texts.count == 20)
        #expect(harness.stream(of: client).closeCode == nil)
        harness.receive(text: Self.ping, from: client)
        harness.settle()
        // What was answered before is still sent.
        #expect(harness.stream(of: client).texts.count == 20)
        #expect(harness.stream(of: client).events.last == Self.overRate)
        #expect(harness.core.metrics.limitsReached[.messageRate] == 1)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `at the rate one may go on for ever`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.messagesPerSecond = 5 })
        let client = try harness.open()
        for round in 0..<300 {
            harness.receive(text: Self.ping, from: client)
            harness.pass(milliseconds: 205)
            #expect(harness.stream(of: client).closeCode == nil, "round \(round)")
        }
    }

    @Test func `pings count like messages, pongs and fragments don't`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.messagesPerSecond = 1 })
        let client = try harness.open()
        for _ in 0..<20 { harness.receive(WebSocketTesting.frame(0x8A, "x"), from: client) }
        harness.receive(WebSocketTesting.frame(0x01, #"{"type":"#), from: client)
        for _ in 0..<20 { harness.receive(WebSocketTesting.frame(0x00, ""), from: client) }
        harness.receive(WebSocketTesting.frame(0x80, #""ping"}"#), from: client)
        for _ in 0..<3 { harness.receive(WebSocketTesting.frame(0x89, "x"), from: client) }
        harness.settle()
        #expect(harness.stream(of: client).closeCode == nil)
        harness.receive(WebSocketTesting.frame(0x89, "x"), from: client)
        harness.settle()
        #expect(harness.stream(of: client).events.last == Self.overRate)
    }

    @Test func `a flood in one receive ends as any other`() throws {
        var harness = try CoreHarness(admission: .standard)
        let client = try harness.open()
        let flood = (0..<1_000).flatMap { _ in WebSocketTesting.frame(0x89, "x") }
        harness.receive(flood, from: client)
        harness.settle()
        #expect(harness.stream(of: client).events.count == 201)
        #expect(harness.stream(of: client).events.last == Self.overRate)
    }

    @Test func `after so many errors a client is told the last one and closed with 4301`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.errorsPerMinute = 3 })
        let client = try harness.open()
        for text in ["{", #"{"type":"x"}"#] { harness.receive(text: text, from: client) }
        harness.settle()
        #expect(harness.stream(of: client).closeCode == nil)
        harness.receive(text: #"{"type":"join_project","project_id":"x"}"#, from: client)
        harness.settle()
        #expect(harness.stream(of: client).texts.count == 3)
        #expect(harness.stream(of: client).events.last == Self.overRate)
        #expect(harness.core.metrics.limitsReached[.errorRate] == 1)
    }

    @Test func `errors are forgiven with time`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.errorsPerMinute = 3 })
        let client = try harness.open()
        for _ in 0..<10 {
            harness.receive(text: "{", from: client)
            harness.pass(milliseconds: 20_500)
            harness.receive(WebSocketTesting.frame(0x8A, ""), from: client)
        }
        #expect(harness.stream(of: client).closeCode == nil)
    }

    // MARK: Users

    @Test func `one connection too many of a user is answered with 429, whatever its address`()
        throws
    {
        var harness = try CoreHarness(admission: Self.limits { $0.connectionsPerUser = 2 })
        let first = try harness.open(user: 7)
        _ = try harness.open(user: 7)
        _ = try harness.open(user: 8)
        let refused = try harness.connect()
        harness.receive(
            CoreHarness.handshake(token: try CoreHarness.token(user: 7)), from: refused)
        harness.settle()
        #expect(harness.stream(of: refused).status == 429)
        #expect(harness.core.metrics.limitsReached[.user] == 1)
        harness.reset(first)
        harness.settle()
        _ = try harness.open(user: 7)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `handshakes that waited for the same answer don't slip past the limit together`()
        throws
    {
        var harness = try CoreHarness(
            admission: Self.limits { $0.connectionsPerUser = 2 }, checksMembership: true)
        harness.database.add(7, to: 1)
        harness.database.answersAtOnce = false
        let request = CoreHarness.handshake(
            token: try CoreHarness.token(user: 7), project: CoreHarness.project(1))
        var numbers: [Int] = []
        for _ in 0..<4 {
            numbers.append(try harness.connect())
            harness.receive(request, from: try #require(numbers.last))
        }
        harness.turn()
        let before = numbers.map { harness.stream(of: $0).status }
        #expect(before == [nil, nil, nil, nil])
        harness.answerAll()
        harness.settle()
        let after = numbers.map { harness.stream(of: $0).status ?? 0 }.sorted()
        #expect(after == [101, 101, 429, 429])
        harness.expectNothingLeftAfterResets()
    }

    @Test func `waiting for the database costs nothing of what one may say`() throws {
        var harness = try CoreHarness(
            admission: Self.limits { $0.messagesPerSecond = 1 }, checksMembership: true)
        harness.database.add(1, to: 1)
        harness.database.answersAtOnce = false
        let client = try harness.open()
        for round in 1...20 {
            harness.join(1, reference: round, from: client)
            harness.pass(milliseconds: 1_050)
            harness.answerAll()
            harness.settle()
        }
        #expect(harness.stream(of: client).closeCode == nil)
        #expect(harness.stream(of: client).texts.count == 20)
    }

    @Test func `by init it is closed with 4302`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.connectionsPerUser = 1 })
        let first = try harness.open(user: 7)
        let second = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: second)
        let token = try CoreHarness.token(user: 7)
        let initialize = #"{"type":"init","token":"\#(token)"}"#
        harness.receive(text: initialize, from: second)
        harness.settle()
        #expect(
            harness.stream(of: second).events == [#"close 4302 {"retry_after_ms":30000}"#])
        // A newer token on a connection that is counted already is no further one.
        harness.receive(text: initialize, from: first)
        harness.settle()
        #expect(harness.stream(of: first).texts.last?.contains("ready") == true)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `when too many have yet to show a token, the next is answered with 503`() throws {
        var harness = try CoreHarness(admission: Self.limits { $0.unauthenticatedConnections = 1 })
        let first = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: first)
        let second = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: second)
        harness.settle()
        #expect(harness.stream(of: first).status == 101)
        #expect(harness.stream(of: second).status == 503)
        #expect(harness.core.metrics.limitsReached[.unauthenticated] == 1)
        _ = try harness.open(user: 3)  // A token in the handshake needs no such place.
        let token = try CoreHarness.token(user: 7)
        harness.receive(text: #"{"type":"init","token":"\#(token)"}"#, from: first)
        let third = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil), from: third)
        harness.settle()
        #expect(harness.stream(of: third).status == 101)
        harness.expectNothingLeftAfterResets()
    }
}
