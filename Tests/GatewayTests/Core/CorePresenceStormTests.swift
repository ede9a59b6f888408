import Gateway
import Reactor
import Testing

@Suite struct CorePresenceStormBehaviour {
    /// With ten thousand it holds, too, and takes a minute and a half: `PresenceStormBehaviour` has so many.
    private static let crowd = 2_000

    /// All within ten seconds, each in a turn of its own.
    private static func admitCrowd(to harness: inout CoreHarness) throws -> [Int] {
        try (0..<UInt64(crowd)).map { user in
            let client = try harness.open(user: user, project: 1)
            harness.presence(from: client)
            harness.turn(milliseconds: 4)
            return client
        }
    }

    @Test
    func `two thousand who join are few messages to who stays, and none when they reconnect`()
        throws
    {
        var harness = try CoreHarness(connectionsMax: 2 * Self.crowd + 2)
        let listeners = try (0..<2).map { user in
            let client = try harness.open(user: UInt64(Self.crowd + user), project: 1)
            harness.presence(user == 0 ? "" : #","mode":"count""#, from: client)
            return client
        }
        harness.pass(milliseconds: 2_000)
        let alone = listeners.map { harness.presenceTexts(of: $0).count }

        let start = harness.wall
        let crowd = try Self.admitCrowd(to: &harness)
        let seconds = Int((harness.wall.microseconds - start.microseconds) / 1_000_000) + 1
        #expect(seconds <= 12)
        for (listener, before) in zip(listeners, alone) {
            let told = harness.presenceTexts(of: listener).count - before
            #expect(told >= 3 && told <= seconds, "\(told) in \(seconds) s")
        }
        harness.pass(milliseconds: 6_000)
        for listener in listeners { #expect(harness.view(of: listener).count == Self.crowd + 2) }

        let settled = listeners.map { harness.presenceTexts(of: $0).count }
        for client in crowd { harness.reset(client) }
        let again = try Self.admitCrowd(to: &harness)
        harness.pass(milliseconds: 20_000)
        #expect(listeners.map { harness.presenceTexts(of: $0).count } == settled)
        // Each who came back has the answer to its wish, and nothing more.
        let answered = again.count { harness.presenceTexts(of: $0).count == 1 }
        #expect(answered == Self.crowd)
        #expect(harness.core.metrics.collapsedClients == 0)
    }
}
