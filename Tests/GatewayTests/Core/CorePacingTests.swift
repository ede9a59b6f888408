import Gateway
import Reactor
import Testing

@Suite struct CorePacingBehaviour {
    @Test(
        arguments: [
            (0, 1_000, 0), (49, 1_000, 0), (50, 1_000, 50), (10_000, 1_000, 10_000),
            (1_000_000, 1_000, 10_000), (3, 50, 60), (1, 1_000_000, 0), (1_000_000, 1, 10_000),
            (100_000, nil, 0),
        ] as [(Int, Int?, UInt32)])
    func `a spread is as long as the back end needs for the audience, within bounds`(
        audience: Int, rate: Int?, expected: UInt32
    ) {
        let pacing = Pacing(refetchesPerSecond: rate)
        #expect(pacing.spreadMilliseconds(audience: audience) == expected)
    }

    @Test(arguments: [(0, 1_000), (1_000, 1_000), (1_001, 1_001), (60_001, 60_000)])
    func `the window after a restart grows with the connections, within bounds`(
        connections: Int, expected: UInt32
    ) {
        #expect(Pacing.reconnectWindowMilliseconds(connections: connections) == expected)
    }

    @Test func `an event carries the spread of its own audience, the same for everybody`() throws {
        var harness = try CoreHarness(refetchesPerSecond: 50)
        var clients: [Int] = []
        for _ in 0..<3 { clients.append(try harness.open(project: 1)) }
        // One more project makes it an ordered member, which gets its events another way.
        harness.join(2, keep: true, from: clients[2])
        harness.settle()
        harness.notify(event: 7, project: 1)
        harness.notify(event: 8, project: 2)
        harness.settle()
        let event =
            #"text {"type":"cache_invalidate","resource":"tasks","action":"UPDATE","project_id":"#
            + #""\#(CoreHarness.project(1))","data":{"id":"7","#
            + #""timestamp":"2026-01-02T03:04:05.000006Z"},"spread_ms":60}"#
        for client in clients { #expect(harness.stream(of: client).events.first == event) }
        let last = try #require(harness.stream(of: clients[2]).events.last)
        #expect(last.contains(#""id":"8""#))
        #expect(!last.contains("spread_ms"), "an audience of one needs no spread")
    }

    @Test func `the spread is the last key, behind those that a writer gave`() throws {
        var harness = try CoreHarness(refetchesPerSecond: 1)
        let client = try harness.open(project: 1)
        let payload = Array(
            (#"{"origin":"a tab","resource":"tasks","id":"7","action":"UPDATE","project_id":"#
                + #""\#(CoreHarness.project(1))","timestamp":"t"}"#).utf8)
        harness.core.notify(payload.span)
        harness.settle()
        let event = try #require(harness.stream(of: client).events.last)
        #expect(event.hasSuffix(#""timestamp":"t"},"origin":"a tab","spread_ms":1000}"#))
    }

    @Test func `after the listener came back, a resync is spread over all clients of all projects`()
        throws
    {
        var harness = try CoreHarness(refetchesPerSecond: 50)
        var clients: [Int] = []
        for number in 0..<5 { clients.append(try harness.open(project: UInt64(number))) }
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        harness.settle()
        for client in clients {
            let events = harness.stream(of: client).events
            #expect(!events.isEmpty)
            let areSpread = events.allSatisfy {
                $0.hasSuffix(#""reason":"listener_reconnected","spread_ms":100}"#)
            }
            #expect(areSpread)
        }
    }

    @Test func `ready tells the window of as many connections as there are`() throws {
        var harness = try CoreHarness(connectionsMax: 1_300)
        var last = 0
        for _ in 0..<1_234 { last = try harness.open() }
        harness.receive(text: #"{"type":"init"}"#, from: last)
        harness.settle()
        let ready = try #require(harness.stream(of: last).events.last)
        #expect(ready.hasSuffix(#""reconnect_window_ms":1234}"#))
    }
}
