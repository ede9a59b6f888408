import Gateway
import Testing

/// Places of the two listeners, and who gives way.
@Suite struct CorePlacesBehaviour {
    /// What the server does for one who waits at the listener. `nil` when it is closed unanswered.
    private static func arrive(
        _ harness: inout CoreHarness, at listener: ListenerRole
    ) throws -> Int? {
        if let index = harness.core.connectionToGiveWay(at: listener) {
            harness.core.giveWay(index)
            harness.turn()
        }
        return try harness.connectUnlessDropped(from: "192.0.2.1", to: listener)
    }

    private static func ask(
        _ path: String, _ harness: inout CoreHarness, _ number: Int?
    ) -> Int? {
        guard let number else { return nil }
        harness.receive(Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8), from: number)
        harness.settle()
        return harness.stream(of: number).status
    }

    private static func upgrade(_ harness: inout CoreHarness, _ number: Int?) throws -> Int? {
        guard let number else { return nil }
        harness.receive(CoreHarness.handshake(token: try CoreHarness.token()), from: number)
        harness.settle()
        return harness.stream(of: number).status
    }

    @Test func `silent connections of the public listener take no place of the admin one`() throws {
        var harness = try CoreHarness(connectionsMax: 90)
        for _ in 0..<90 + 32 {
            let number = try Self.arrive(&harness, at: .public)
            #expect(number != nil)
        }
        for path in ["/livez", "/metrics"] {
            let number = try Self.arrive(&harness, at: .admin)
            let status = Self.ask(path, &harness, number)
            #expect(status == 200)
        }
        // They have come this moment, and who comes next is told so.
        harness.pass(milliseconds: 256)
        let client = try Self.arrive(&harness, at: .public)
        let status = try Self.upgrade(&harness, client)
        #expect(status == 503)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `who says nothing for two seconds gives way to clients, oldest first`() throws {
        var harness = try CoreHarness(connectionsMax: 4)
        let webSocket = try harness.open()
        var silent: [Int] = []
        for _ in 0..<3 {
            silent.append(try #require(try Self.arrive(&harness, at: .public)))
            harness.pass(milliseconds: 128)
        }
        harness.pass(milliseconds: 2_000)
        for expected in [1, 2] {
            let client = try Self.arrive(&harness, at: .public)
            let status = try Self.upgrade(&harness, client)
            #expect(status == 101)
            var closed: [Int] = []
            for number in silent where harness.isClosed(number) { closed.append(number) }
            #expect(closed == Array(silent.prefix(expected)))
        }
        let isWebSocketClosed = harness.isClosed(webSocket)
        #expect(!isWebSocketClosed)
        #expect(harness.core.metrics.connectionsDropped[.silent] == 2)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `beyond their share they give way although there are places`() throws {
        var harness = try CoreHarness(connectionsMax: 1_000)
        for _ in 0..<125 { _ = try Self.arrive(&harness, at: .public) }
        harness.pass(milliseconds: 1_024)
        _ = try Self.arrive(&harness, at: .public)
        #expect(harness.core.metrics.connectionsDropped[.silent] == 0, "all have just come")
        harness.pass(milliseconds: 2_048)
        _ = try Self.arrive(&harness, at: .public)
        #expect(harness.core.metrics.connectionsDropped[.silent] == 1)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `one that came when all places were taken is let in when one is free`() throws {
        var harness = try CoreHarness(connectionsMax: 1)
        let first = try harness.open()
        let second = try Self.arrive(&harness, at: .public)
        harness.reset(first)
        harness.turn()
        let status = try Self.upgrade(&harness, second)
        #expect(status == 101)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `silent operators give way to the next, and one that asks now and then stays`()
        throws
    {
        var harness = try CoreHarness()
        let steady = try Self.arrive(&harness, at: .admin)
        for _ in 0..<100 {
            let silent = try Self.arrive(&harness, at: .admin)
            #expect(silent != nil)
            harness.turn()
            let status = Self.ask("/livez", &harness, steady)
            #expect(status == 200)
        }
        #expect(harness.core.clients.count == 32)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `an idle connection of the public listener has a shorter life`() throws {
        var harness = try CoreHarness()
        let visitor = try harness.connect(from: "192.0.2.1")
        let scraper = try harness.connect(to: .admin)
        let statuses = [
            Self.ask("/nowhere", &harness, visitor), Self.ask("/livez", &harness, scraper),
        ]
        #expect(statuses == [404, 200])
        harness.pass(milliseconds: 14_800)
        var closed: [Bool] = []
        for milliseconds in [0, 500, 45_000] as [UInt64] {
            harness.pass(milliseconds: milliseconds)
            closed += [harness.isClosed(visitor), harness.isClosed(scraper)]
        }
        #expect(closed == [false, false, true, false, true, true])
    }
}
