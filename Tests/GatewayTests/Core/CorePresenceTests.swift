import Gateway
import Reactor
import Testing

extension CoreHarness {
    fileprivate mutating func presence(
        _ fields: String = "", in project: UInt64 = 1, from number: Int
    ) {
        let project = Self.project(project)
        receive(
            text: #"{"type":"presence","project_id":"\#(project)"\#(fields)}"#, from: number)
    }

    fileprivate mutating func type(
        _ topic: String, _ fields: String = "", in project: UInt64 = 1, from number: Int
    ) {
        receive(
            text: #"{"type":"typing","project_id":"\#(Self.project(project))","#
                + #""topic":"\#(topic)"\#(fields)}"#, from: number)
    }

    /// Everything that the client was told about who is present.
    fileprivate func presenceTexts(of number: Int) -> [String] {
        stream(of: number).texts.filter { $0.hasPrefix(#"{"type":"presence_"#) }
    }

    fileprivate func view(of number: Int) -> PresenceView {
        PresenceView(presenceTexts(of: number))
    }

    /// The users whom the client believes to be present, by their numbers.
    fileprivate func present(to number: Int) -> [UInt64: String] {
        var present: [UInt64: String] = [:]
        for (user, state) in view(of: number).users {
            present[UInt64(user.suffix(12), radix: 16) ?? 0] = state
        }
        return present
    }

    fileprivate func typingTexts(of number: Int) -> [String] {
        stream(of: number).texts.filter { $0.hasPrefix(#"{"type":"typing""#) }
    }

    fileprivate static func typing(_ topic: String, _ users: [UInt64]) -> String {
        let ids = users.map { "\"\(user($0))\"" }.joined(separator: ",")
        return #"{"type":"typing","project_id":"\#(project(1))","topic":"\#(topic)","#
            + #""user_ids":[\#(ids)],"ttl_ms":7000}"#
    }
}

@Suite struct CorePresenceBehaviour {
    private static func close(_ code: UInt16) -> [UInt8] {
        WebSocketTesting.frame(0x88, [UInt8(code >> 8), UInt8(truncatingIfNeeded: code)])
    }

    // MARK: The way through

    @Test func `who asks hears who is present, and then who joins and leaves`() throws {
        var harness = try CoreHarness()
        let first = try harness.open(user: 1, project: 1)
        harness.presence(#","ref":7"#, from: first)
        harness.turn()
        let project = CoreHarness.project(1)
        #expect(
            harness.stream(of: first).texts == [
                #"{"type":"ok","ref":7}"#,
                #"{"type":"presence_state","project_id":"\#(project)","seq":1,"count":1,"users":"#
                    + #"[{"user_id":"\#(CoreHarness.user(1))","state":"active"}],"#
                    + #""truncated":false,"partial":false}"#,
            ])
        harness.pass(milliseconds: 2_000)
        let second = try harness.open(user: 2, project: 1)
        harness.presence(#","state":"away""#, from: second)
        harness.turn()
        #expect(harness.present(to: second) == [1: "active", 2: "away"])
        harness.pass(milliseconds: 1_000)
        #expect(
            harness.presenceTexts(of: first).last
                == #"{"type":"presence_diff","project_id":"\#(project)","seq":2,"count":2,"#
                + #""joined":[{"user_id":"\#(CoreHarness.user(2))","state":"away"}],"#
                + #""left":[],"changed":[]}"#)
        harness.receive(
            text: #"{"type":"leave_project","project_id":"\#(project)"}"#, from: second)
        harness.pass(milliseconds: 2_000)
        #expect(harness.present(to: first) == [1: "active"])
        #expect(harness.view(of: first).faults == [])
    }

    @Test func `who asks for none of it gets none of it`() throws {
        var harness = try CoreHarness()
        let plain = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        harness.presence(from: other)
        harness.type("t", from: other)
        harness.pass(milliseconds: 30_000)
        #expect(harness.stream(of: plain).texts == [])
        #expect(harness.present(to: other) == [2: "active"])
        #expect(MemoryLayout<Client>.stride == 128)
    }

    @Test func `errors are those of other messages`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1, project: 1)
        harness.presence(#","ref":1"#, in: 2, from: client)
        harness.type("t", #","ref":2"#, in: 2, from: client)
        harness.receive(text: #"{"type":"presence","ref":3}"#, from: client)
        harness.presence(#","mode":"all","ref":4"#, from: client)
        harness.turn()
        let texts = harness.stream(of: client).texts
        #expect(
            texts == [
                #"{"type":"error","ref":1,"code":"not_subscribed","message":"#
                    + #""the connection is not in this project","temporary":false}"#,
                #"{"type":"error","ref":2,"code":"not_subscribed","message":"#
                    + #""the connection is not in this project","temporary":false}"#,
                #"{"type":"error","ref":3,"code":"bad_message","message":"#
                    + #""project_id is missing","temporary":false}"#,
                #"{"type":"error","ref":4,"code":"bad_message","message":"#
                    + #""mode must be users, count or off","temporary":false}"#,
            ])
    }

    @Test func `a server may tell how many are present, or nothing`() throws {
        var counting = try CoreHarness(presence: .count)
        let one = try counting.open(user: 1, project: 1)
        let two = try counting.open(user: 2, project: 1)
        for client in [one, two] { counting.presence(from: client) }
        counting.type("t", from: one)
        counting.pass(milliseconds: 2_000)
        let view = counting.view(of: two)
        #expect(view.count == 2 && view.users == [:] && view.isTruncated && view.faults == [])
        #expect(counting.typingTexts(of: two) == [])
        var silent = try CoreHarness(presence: .off)
        let client = try silent.open(user: 1, project: 1)
        silent.presence(from: client)
        silent.type("t", from: client)
        silent.turn()
        let texts = silent.stream(of: client).texts
        #expect(texts.count == 2 && texts.allSatisfy { $0.contains(#""code":"presence_off""#) })
    }

    // MARK: Those who go

    @Test func `a user with two devices is there until the second has gone`() throws {
        var harness = try CoreHarness()
        let watcher = try harness.open(user: 1, project: 1)
        harness.presence(from: watcher)
        let phone = try harness.open(user: 2, project: 1)
        let laptop = try harness.open(user: 2, project: 1)
        harness.presence(#","state":"away""#, from: phone)
        harness.presence(from: laptop)
        harness.pass(milliseconds: 2_000)
        #expect(harness.present(to: watcher) == [1: "active", 2: "active"])
        harness.receive(Self.close(1_000), from: laptop)
        harness.pass(milliseconds: 2_000)
        #expect(harness.present(to: watcher) == [1: "active", 2: "away"])
        harness.receive(Self.close(1_000), from: phone)
        harness.pass(milliseconds: 2_000)
        #expect(harness.present(to: watcher) == [1: "active"])
        #expect(harness.view(of: watcher).faults == [])
    }

    @Test(arguments: [1_000, 1_001, nil] as [UInt16?])
    func `who says goodbye is gone at once, and who doesn't has fifteen seconds`(
        code: UInt16?
    ) throws {
        var harness = try CoreHarness()
        let watcher = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        for client in [watcher, other] { harness.presence(from: client) }
        harness.pass(milliseconds: 2_000)
        if let code {
            harness.receive(Self.close(code), from: other)
        } else {
            harness.reset(other)
        }
        harness.pass(milliseconds: 13_000)
        #expect(harness.present(to: watcher).count == (code == 1_000 ? 1 : 2))
        harness.pass(milliseconds: 4_000)
        #expect(harness.present(to: watcher).count == 1)
        #expect(harness.view(of: watcher).faults == [])
    }

    @Test func `who comes back in time never left`() throws {
        var harness = try CoreHarness()
        let watcher = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        for client in [watcher, other] { harness.presence(from: client) }
        harness.pass(milliseconds: 2_000)
        let told = harness.presenceTexts(of: watcher).count
        harness.reset(other)
        harness.pass(milliseconds: 12_000)
        let again = try harness.open(user: 2, project: 1)
        harness.presence(from: again)
        harness.pass(milliseconds: 10_000)
        #expect(harness.presenceTexts(of: watcher).count == told)
        #expect(harness.present(to: again) == [1: "active", 2: "active"])
    }

    @Test func `leaving, turning it off and joining another project is a goodbye`() throws {
        var harness = try CoreHarness()
        let watcher = try harness.open(user: 1, project: 1)
        harness.presence(from: watcher)
        for step in 0..<3 {
            let client = try harness.open(user: 2, project: 1)
            harness.presence(from: client)
            harness.pass(milliseconds: 2_000)
            #expect(harness.present(to: watcher).count == 2)
            switch step {
            case 0: harness.receive(text: #"{"type":"leave_project"}"#, from: client)
            case 1: harness.presence(#","mode":"off""#, from: client)
            default: harness.join(2, from: client)
            }
            harness.pass(milliseconds: 2_000)
            #expect(harness.present(to: watcher).count == 1)
            let told = harness.presenceTexts(of: client).count
            harness.presence(from: watcher)
            harness.pass(milliseconds: 2_000)
            #expect(harness.presenceTexts(of: client).count == told)
        }
    }

    @Test func `during a drain those who are sent away may take the window longer`() throws {
        var harness = try CoreHarness()
        var clients: [Int] = []
        for user in 1...2 as ClosedRange<UInt64> {
            clients.append(try harness.open(user: user, project: 1))
            harness.presence(from: clients[clients.count - 1])
        }
        harness.pass(milliseconds: 2_000)
        harness.core.beginDrain()
        harness.pass(milliseconds: 1_000)
        // The drain itself goes on by the server's timer; here one is only lost while it lasts.
        harness.reset(clients[1])
        harness.pass(milliseconds: 15_500)
        #expect(harness.present(to: clients[0]).count == 2)
        harness.pass(milliseconds: 2_500)
        #expect(harness.present(to: clients[0]).count == 1)
    }

    // MARK: Removals

    @Test func `a removed member is off the list in the same turn, and sees no more of it`() throws
    {
        var harness = try CoreHarness(checksMembership: true)
        for user in 1...3 as ClosedRange<UInt64> { harness.database.add(user, to: 1) }
        let watcher = try harness.open(user: 1, project: 1)
        let removed = try harness.open(user: 2, project: 1)
        for client in [watcher, removed] { harness.presence(from: client) }
        harness.pass(milliseconds: 3_000)
        let told = harness.presenceTexts(of: removed).count
        // The database doesn't answer for now, so that nothing is verified.
        harness.database.answersAtOnce = false
        harness.database.remove(2, from: 1)
        harness.notifyRemoval(of: 2, from: 1)
        harness.turn()
        #expect(harness.present(to: watcher) == [1: "active"])
        let joining = try harness.open(user: 3)
        harness.join(1, from: joining)
        harness.turn(milliseconds: 100)
        harness.database.answersAtOnce = true
        harness.settle()
        harness.presence(from: joining)
        harness.pass(milliseconds: 3_000)
        #expect(harness.present(to: watcher) == [1: "active", 3: "active"])
        #expect(harness.presenceTexts(of: removed).count == told)
        #expect(harness.view(of: watcher).faults == [])
    }

    @Test func `a removal that is none changes nothing in the end`() throws {
        var harness = try CoreHarness(checksMembership: true)
        for user in 1...2 as ClosedRange<UInt64> { harness.database.add(user, to: 1) }
        let watcher = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        for client in [watcher, other] { harness.presence(from: client) }
        harness.pass(milliseconds: 3_000)
        harness.notifyRemoval(of: 2, from: 1)
        harness.pass(milliseconds: 5_000)
        harness.notifyRemoval(of: nil, from: 1)
        harness.pass(milliseconds: 5_000)
        #expect(harness.present(to: watcher) == [1: "active", 2: "active"])
        #expect(harness.present(to: other) == [1: "active", 2: "active"])
        #expect(harness.view(of: watcher).faults + harness.view(of: other).faults == [])
    }

    @Test func `a removed member who only lingers is gone with the announcement`() throws {
        var harness = try CoreHarness(checksMembership: true)
        for user in 1...2 as ClosedRange<UInt64> { harness.database.add(user, to: 1) }
        let watcher = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        for client in [watcher, other] { harness.presence(from: client) }
        harness.pass(milliseconds: 3_000)
        harness.reset(other)
        harness.pass(milliseconds: 2_000)
        harness.notifyRemoval(of: 2, from: 1)
        harness.turn()
        #expect(harness.present(to: watcher) == [1: "active"])
    }

    // MARK: Slow clients

    @Test(arguments: [false, true])
    func `a slow client's changes become one state, and never a resync or a close`(
        disconnects: Bool
    ) throws {
        var harness = try CoreHarness(
            connectionsMax: 400, disconnectsSlowConsumers: disconnects)
        let slow = try harness.open(user: 1, project: 1)
        harness.presence(from: slow)
        harness.pass(milliseconds: 2_000)
        harness.setCapacity(10, of: slow)
        for user in 2...100 as ClosedRange<UInt64> {
            let client = try harness.open(user: user, project: 1)
            harness.presence(from: client)
            harness.pass(milliseconds: 500)
            if user % 10 == 0 { harness.receive(text: #"{"type":"pong"}"#, from: slow) }
        }
        let waiting = harness.core.clients[harness.sockets[slow].index].queue.pieces
        #expect(waiting.frameCount <= 2)
        harness.setCapacity(.max, of: slow)
        harness.pass(milliseconds: 3_000)
        #expect(harness.present(to: slow).count == 100)
        #expect(harness.presenceTexts(of: slow).count <= 4)
        #expect(harness.view(of: slow).faults == [])
        let texts = harness.stream(of: slow).texts
        #expect(!texts.contains { $0.contains("RESYNC") })
        #expect(harness.stream(of: slow).closeCode == nil)
        #expect(harness.core.metrics.collapsedClients == 0)
    }

    @Test func `presence gives way to events when a queue is full`() throws {
        var harness = try CoreHarness(connectionsMax: 300)
        let slow = try harness.open(user: 1, project: 1)
        harness.presence(from: slow)
        for user in 2...200 as ClosedRange<UInt64> {
            harness.presence(from: try harness.open(user: user, project: 1))
        }
        harness.pass(milliseconds: 2_000)
        harness.setCapacity(10, of: slow)
        harness.presence(from: slow)
        harness.pass(milliseconds: 2_000)
        // With the state that waits there is one frame too many, and it is the one to go.
        for event in 0..<256 {
            harness.notify(event: event, project: 1)
            harness.turn()
        }
        #expect(harness.core.metrics.collapsedClients == 0)
        harness.setCapacity(.max, of: slow)
        harness.pass(milliseconds: 3_000)
        let events = harness.stream(of: slow).texts.compactMap { Invalidation($0)?.event }
        #expect(events == Array(0..<256))
        #expect(harness.present(to: slow).count == 200)
    }

    @Test func `an event is never withheld because a state waits, and forgotten then`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1, project: 1)
        harness.join(2, keep: true, reference: 1, from: client)
        harness.settle()
        for count in 250...262 {
            harness.setCapacity(0, of: client)
            harness.presence(#","ref":2"#, in: 2, from: client)
            // All in one turn, as an ordered client gets them.
            for event in 0..<count { harness.notify(event: event, project: 1) }
            harness.turn()
            let before = harness.stream(of: client).texts.count
            harness.setCapacity(.max, of: client)
            harness.pass(milliseconds: 1_500)
            let texts = harness.stream(of: client).texts.dropFirst(before)
            let events = texts.compactMap { Invalidation($0)?.event }
            let resyncs = texts.filter { $0.contains("RESYNC") }.count
            // With the answer there is room for so many, and else a resync of both projects comes.
            let isWhole = count <= 255
            #expect(events == Array(0..<(isWhole ? count : 0)))
            #expect(resyncs == (isWhole ? 0 : 8))
        }
        #expect(harness.view(of: client).faults == [])
    }

    @Test func `a large audience is told over several turns, each once`() throws {
        var harness = try CoreHarness(connectionsMax: 1_100)
        var clients: [Int] = []
        for user in 1...1_000 as ClosedRange<UInt64> {
            clients.append(try harness.open(user: user, project: 1))
            harness.presence(from: clients[clients.count - 1])
        }
        harness.pass(milliseconds: 11_000)
        let before = clients.map { harness.presenceTexts(of: $0).count }
        harness.reset(clients[0])
        harness.pass(milliseconds: 21_000)
        for (position, client) in clients.enumerated().dropFirst() {
            #expect(harness.presenceTexts(of: client).count == before[position] + 1)
            #expect(harness.view(of: client).count == 999)
        }
    }

    @Test func `nothing is left when all have gone`() throws {
        var harness = try CoreHarness(connectionsMax: 300)
        for user in 1...250 as ClosedRange<UInt64> {
            let client = try harness.open(user: user, project: 1)
            harness.presence(from: client)
            harness.type("task:\(user % 5)", from: client)
        }
        harness.pass(milliseconds: 3_000)
        for number in harness.sockets.indices { harness.reset(number) }
        harness.pass(milliseconds: 20_000)
        harness.expectNothingLeft()
    }

    // MARK: Typing

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

@Suite struct CorePresenceStatusBehaviour {
    @Test func `a project's status names no invisible user`() throws {
        var harness = try CoreHarness()
        let seen = try harness.open(user: 1, project: 1)
        let hidden = try harness.open(user: 2, project: 1)
        harness.presence(from: seen)
        harness.presence(#","invisible":true"#, from: hidden)
        harness.turn()
        let operatorsSocket = try harness.connect()
        let token = try CoreHarness.token(user: 1)
        let path = "/api/v1/projects/\(CoreHarness.project(1))/ws/status?token=\(token)"
        harness.receive(
            Array("GET \(path) HTTP/1.1\r\nHost: gateway\r\n\r\n".utf8), from: operatorsSocket)
        harness.turn()
        let text = String(decoding: harness.sockets[operatorsSocket].taken, as: UTF8.self)
        #expect(text.contains(#""project_clients":1,"user_ids":["\#(CoreHarness.user(1))"]"#))
    }
}
