import Gateway
import Reactor
import Testing

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

    @Test func `who answers pings alone stays, and who doesn't has fifteen seconds more`()
        throws
    {
        var harness = try CoreHarness()
        let watcher = try harness.open(user: 1, project: 1)
        let quiet = try harness.open(user: 2, project: 1)
        let silent = try harness.open(user: 3, project: 1)
        let pong = WebSocketTesting.frame(0x8A, "")
        for client in [watcher, quiet, silent] { harness.presence(from: client) }
        harness.pass(milliseconds: 2_000)
        var secondsToClose = 0
        for second in 0..<75 where harness.stream(of: silent).closeCode == nil {
            for client in [watcher, quiet] { harness.receive(pong, from: client) }
            harness.pass(milliseconds: 1_000)
            secondsToClose = second
        }
        #expect(harness.stream(of: silent).closeCode == 4_201 && secondsToClose > 50)
        #expect(harness.present(to: watcher).count == 3)
        harness.pass(milliseconds: 13_000)
        #expect(harness.present(to: watcher).count == 3)
        harness.pass(milliseconds: 4_000)
        #expect(harness.present(to: watcher) == [1: "active", 2: "active"])
        for _ in 0..<10 {
            for client in [watcher, quiet] { harness.receive(pong, from: client) }
            harness.pass(milliseconds: 20_000)
        }
        #expect(harness.present(to: watcher) == [1: "active", 2: "active"])
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
