import Gateway
import Reactor
import Testing

@Suite struct CoreTypingBehaviour {
    @Test func `the others are told who types, until that is over`() throws {
        var harness = try CoreHarness()
        let watcher = try harness.open(user: 1, project: 1)
        let typist = try harness.open(user: 2, project: 1)
        let tablet = try harness.open(user: 2, project: 1)
        for client in [watcher, typist, tablet] { harness.presence(from: client) }
        let counting = try harness.open(user: 3, project: 1)
        harness.presence(#","mode":"count""#, from: counting)
        harness.turn()
        harness.type("task:1", from: typist)
        harness.turn()
        #expect(harness.typingTexts(of: watcher) == [CoreHarness.typing("task:1", [2])])
        // Signs that come too soon change nothing, and seven seconds after the last one that
        // counted it ends.
        harness.pass(milliseconds: 2_000)
        harness.type("task:1", #","ref":1"#, from: typist)
        harness.pass(milliseconds: 4_500)
        #expect(harness.typingTexts(of: watcher).count == 1)
        harness.pass(milliseconds: 1_000)
        #expect(harness.typingTexts(of: watcher).last == CoreHarness.typing("task:1", []))
        for client in [typist, tablet, counting] {
            #expect(harness.typingTexts(of: client) == [])
        }
        #expect(harness.stream(of: typist).texts.contains(#"{"type":"ok","ref":1}"#))
    }

    @Test func `each who types is told of the others`() throws {
        var harness = try CoreHarness()
        var clients: [Int] = []
        for user in 1...3 as ClosedRange<UInt64> {
            clients.append(try harness.open(user: user, project: 1))
            harness.presence(from: clients[clients.count - 1])
        }
        harness.turn()
        harness.type("t", from: clients[0])
        harness.type("t", from: clients[1])
        harness.turn()
        #expect(harness.typingTexts(of: clients[0]) == [CoreHarness.typing("t", [2])])
        #expect(harness.typingTexts(of: clients[1]) == [CoreHarness.typing("t", [1])])
        #expect(harness.typingTexts(of: clients[2]) == [CoreHarness.typing("t", [1, 2])])
        harness.pass(milliseconds: 1_500)
        harness.type("t", #","stop":true"#, from: clients[1])
        harness.turn()
        #expect(harness.typingTexts(of: clients[0]).last == CoreHarness.typing("t", []))
        #expect(harness.typingTexts(of: clients[1]).last == CoreHarness.typing("t", [1]))
        #expect(harness.typingTexts(of: clients[2]).last == CoreHarness.typing("t", [1]))
    }

    @Test(arguments: 0..<5)
    func `it ends with the connection, the project, the membership, presence and being seen`(
        end: Int
    ) throws {
        var harness = try CoreHarness(checksMembership: true)
        for user in 1...2 as ClosedRange<UInt64> { harness.database.add(user, to: 1) }
        let watcher = try harness.open(user: 1, project: 1)
        let typist = try harness.open(user: 2, project: 1)
        for client in [watcher, typist] { harness.presence(from: client) }
        harness.turn()
        harness.type("t", from: typist)
        harness.pass(milliseconds: 1_500)
        switch end {
        case 0: harness.reset(typist)
        case 1: harness.receive(text: #"{"type":"leave_project"}"#, from: typist)
        case 2: harness.notifyRemoval(of: 2, from: 1)
        case 3: harness.presence(#","mode":"off""#, from: typist)
        default: harness.presence(#","invisible":true"#, from: typist)
        }
        harness.turn()
        #expect(harness.typingTexts(of: watcher).last == CoreHarness.typing("t", []))
    }

    @Test func `nobody is told that an invisible user types`() throws {
        var harness = try CoreHarness()
        let watcher = try harness.open(user: 1, project: 1)
        let hidden = try harness.open(user: 2, project: 1)
        harness.presence(from: watcher)
        harness.presence(#","invisible":true"#, from: hidden)
        harness.type("t", #","ref":1"#, from: hidden)
        harness.pass(milliseconds: 2_000)
        #expect(harness.typingTexts(of: watcher) == [])
        #expect(harness.stream(of: hidden).texts.contains(#"{"type":"ok","ref":1}"#))
        #expect(harness.core.metrics.typingSigns[.hidden] == 1)
    }

    @Test func `a topic is told at most once a second, with thirty-two names at most`() throws {
        var harness = try CoreHarness(connectionsMax: 100)
        let watcher = try harness.open(user: 1, project: 1)
        harness.presence(from: watcher)
        for user in 2...61 as ClosedRange<UInt64> {
            let client = try harness.open(user: user, project: 1)
            harness.type("t", from: client)
            harness.turn(milliseconds: 97)
        }
        harness.pass(milliseconds: 1_500)
        let texts = harness.typingTexts(of: watcher)
        // Six seconds of it, and what came last.
        #expect((6...9).contains(texts.count))
        #expect(texts.last?.contains(#"],"more":true,"ttl_ms":7000}"#) == true)
        #expect(texts.last?.split(separator: "00000000-").count == 34)
    }

    @Test(arguments: [false, true])
    func `who is too slow for it misses it, is told of nothing else, and hears the next one`(
        disconnects: Bool
    ) throws {
        var harness = try CoreHarness(
            connectionsMax: 400, disconnectsSlowConsumers: disconnects)
        let slow = try harness.open(user: 1, project: 1)
        harness.presence(from: slow)
        let typists = try (2...17 as ClosedRange<UInt64>).map {
            try harness.open(user: $0, project: 1)
        }
        harness.pass(milliseconds: 2_000)
        harness.setCapacity(10, of: slow)
        // More tellings than a queue has places.
        for _ in 0..<8 {
            for fields in ["", #","stop":true"#] {
                for (position, typist) in typists.enumerated() {
                    for topic in 0..<4 {
                        harness.type("t\(position)-\(topic)", fields, from: typist)
                    }
                }
                harness.pass(milliseconds: 1_600)
            }
        }
        harness.setCapacity(.max, of: slow)
        harness.pass(milliseconds: 2_000)
        let texts = harness.stream(of: slow).texts
        #expect(harness.stream(of: slow).closeCode == nil)
        #expect(!texts.contains { $0.contains("RESYNC") })
        #expect(harness.core.metrics.collapsedClients == 0)
        #expect(harness.typingTexts(of: slow).count < 600)
        harness.pass(milliseconds: 2_000)
        harness.type("t0-0", from: typists[0])
        harness.pass(milliseconds: 1_500)
        #expect(harness.typingTexts(of: slow).last == CoreHarness.typing("t0-0", [2]))
    }

    @Test func `signs beyond the bounds are ignored, without an error`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1, project: 1)
        for topic in 0..<6 { harness.type("t\(topic)", from: client) }
        harness.turn()
        #expect(harness.core.metrics.typingSigns[.counted] == 4)
        #expect(harness.core.metrics.typingSigns[.full] == 2)
        #expect(harness.stream(of: client).texts == [])
    }
}
