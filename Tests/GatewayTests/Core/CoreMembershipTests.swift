import Gateway
import Reactor
import Testing

/// Who may look at a project, while the database takes its time.
@Suite struct CoreMembershipBehaviour {
    private static func harness(members: [(user: UInt64, project: UInt64)] = []) throws
        -> CoreHarness
    {
        var harness = try CoreHarness(checksMembership: true)
        for member in members { harness.database.add(member.user, to: member.project) }
        return harness
    }

    private static func request(user: UInt64, project: UInt64?) throws -> [UInt8] {
        CoreHarness.handshake(
            token: try CoreHarness.token(user: user), project: project.map(CoreHarness.project))
    }

    // MARK: Handshakes

    @Test func `a member's handshake is answered with 101 when the database has answered`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        harness.database.answersAtOnce = false
        let client = try harness.connect()
        harness.receive(try Self.request(user: 1, project: 1), from: client)
        harness.turn()
        #expect(harness.stream(of: client).status == nil)
        harness.answerAll()
        harness.settle()
        #expect(harness.stream(of: client).status == 101)
        harness.notify(event: 1, project: 1)
        harness.settle()
        #expect(harness.stream(of: client).texts.compactMap(Invalidation.init).map(\.event) == [1])
    }

    @Test func `nobody else's is, but with 403`() throws {
        var harness = try Self.harness(members: [(1, 1), (2, 2)])
        let client = try harness.connect()
        harness.receive(try Self.request(user: 2, project: 1), from: client)
        harness.settle()
        #expect(harness.stream(of: client).status == 403)
        #expect(harness.core.hub.subscriptionCount == 0)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `without a project nothing is asked`() throws {
        var harness = try Self.harness()
        let client = try harness.connect()
        harness.receive(try Self.request(user: 1, project: nil), from: client)
        harness.settle()
        #expect(harness.stream(of: client).status == 101)
        #expect(harness.database.asked.isEmpty)
    }

    @Test func `when the database is away, or goes away, handshakes are answered with 503`() throws
    {
        var harness = try Self.harness(members: [(1, 1)])
        harness.database.answersAtOnce = false
        let before = try harness.connect()
        harness.receive(try Self.request(user: 1, project: 1), from: before)
        harness.turn()
        harness.loseDatabase()
        let after = try harness.connect()
        harness.receive(try Self.request(user: 1, project: 1), from: after)
        harness.pass(milliseconds: 10_200)
        harness.settle()
        #expect(harness.stream(of: before).status == 503)
        #expect(harness.stream(of: after).status == 503)
        let head = String(decoding: harness.sockets[before].taken, as: UTF8.self)
        #expect(head.contains("Retry-After: 2\r\n"))
        #expect(harness.core.metrics.membershipOutcomes[.unavailable] == 2)
    }

    @Test func `frames sent before the answer are taken in once, behind the 101`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        harness.database.answersAtOnce = false
        let client = try harness.connect()
        let request = try Self.request(user: 1, project: 1)
        let ping = WebSocketTesting.frame(0x81, #"{"type":"ping"}"#)
        harness.receive(request + ping + ping[..<3], from: client)
        harness.receive(Array(ping[3...]) + ping, from: client)
        harness.turn()
        let waiting = harness.core.interest(of: harness.sockets[client].index)
        #expect(waiting == [])
        harness.answerAll()
        harness.settle()
        let pong = #"{"type":"pong"}"#
        #expect(harness.stream(of: client).texts == [pong, pong, pong])
        let open = harness.core.interest(of: harness.sockets[client].index)
        #expect(open == .read)
    }

    @Test func `a client that leaves while it waits leaves nothing behind`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        harness.database.answersAtOnce = false
        let client = try harness.connect()
        harness.receive(try Self.request(user: 1, project: 1) + [0x81], from: client)
        harness.turn()
        harness.reset(client)
        harness.turn()
        // Another has its place when the answer comes.
        let other = try harness.connect()
        #expect(harness.sockets[other].index == harness.sockets[client].index)
        harness.answerAll()
        harness.settle()
        #expect(harness.stream(of: other).status == nil)
        #expect(harness.core.hub.subscriptionCount == 0)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a drain that begins while a handshake waits ends it with 503`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        harness.database.answersAtOnce = false
        let client = try harness.connect()
        harness.receive(try Self.request(user: 1, project: 1), from: client)
        harness.turn()
        harness.core.beginDrain()
        harness.answerAll()
        harness.settle()
        #expect(harness.stream(of: client).status == 503)
    }

    @Test(arguments: [(1, 200), (2, 403)] as [(UInt64, Int)])
    func `the status of a project is for its members`(user: UInt64, status: Int) throws {
        var harness = try Self.harness(members: [(1, 1)])
        let client = try harness.connect()
        let token = try CoreHarness.token(user: user)
        let request =
            "GET /api/v1/projects/\(CoreHarness.project(1))/ws/status HTTP/1.1\r\n"
            + "Host: gateway\r\nAuthorization: Bearer \(token)\r\n\r\n"
        harness.receive(Array(request.utf8), from: client)
        harness.settle()
        #expect(harness.stream(of: client).status == status)
        let interest = harness.core.interest(of: harness.sockets[client].index)
        #expect(interest == .read)  // Kept alive.
    }

    // MARK: Messages

    @Test func `a join is confirmed to members and refused to others, who stay where they were`()
        throws
    {
        var harness = try Self.harness(members: [(1, 1), (1, 2)])
        let client = try harness.open(project: 1)
        harness.join(3, reference: 1, from: client)
        harness.settle()
        harness.join(2, keep: true, reference: 2, from: client)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 2)
        #expect(texts.first?.contains(#""ref":1,"code":"forbidden""#) == true)
        #expect(texts.last == #"{"type":"ok","ref":2}"#)
        #expect(harness.core.hub.subscriptionCount == 2)
    }

    @Test func `messages behind a join take effect after it, in their order`() throws {
        var harness = try Self.harness(members: [(1, 1), (1, 2), (1, 3)])
        harness.database.answersAtOnce = false
        let client = try harness.open(project: nil)
        harness.join(1, reference: 1, from: client)
        harness.receive(text: #"{"type":"leave_project","ref":2}"#, from: client)
        harness.join(2, reference: 3, from: client)
        harness.join(3, keep: true, reference: 4, from: client)
        harness.receive(text: #"{"type":"init","ref":5}"#, from: client)
        for _ in 0..<4 {
            harness.turn(milliseconds: 20)
            harness.answerAll()
            harness.turn(milliseconds: 20)
        }
        harness.settle()
        let texts = harness.stream(of: client).texts
        let answers = (1...4).map { #"{"type":"ok","ref":\#($0)}"# }
        #expect(texts.prefix(4) == answers[...])
        #expect(texts.last == #"{"type":"ok","ref":5}"#)
        #expect(harness.core.hub.subscriptionCount == 2)
    }

    @Test func `joining again where one is costs no question`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        let client = try harness.open(project: 1)
        harness.join(1, reference: 1, from: client)
        harness.settle()
        #expect(harness.stream(of: client).texts == [#"{"type":"ok","ref":1}"#])
        #expect(harness.database.asked.count == 1)
    }

    @Test func `an init is ready for members, and an error that leaves the connection for others`()
        throws
    {
        var harness = try Self.harness(members: [(1, 1)])
        let client = try harness.connect()
        harness.receive(CoreHarness.handshake(token: nil, project: nil), from: client)
        let token = try CoreHarness.token()
        for project: UInt64 in [2, 1] {
            harness.receive(
                text: #"{"type":"init","token":"\#(token)","project_id":"#
                    + #""\#(CoreHarness.project(project))","ref":\#(project)}"#, from: client)
            harness.settle()
        }
        let stream = harness.stream(of: client)
        #expect(stream.texts.count == 3)
        #expect(stream.texts.first?.contains(#""ref":2,"code":"forbidden""#) == true)
        #expect(stream.texts.dropFirst().first?.hasPrefix(#"{"type":"ready""#) == true)
        #expect(stream.closeCode == nil)
        #expect(harness.core.hub.subscriptionCount == 1)
    }

    @Test func `when the database is away a join is a temporary error`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        let client = try harness.open()
        harness.database.answersAtOnce = false
        harness.join(1, reference: 1, from: client)
        harness.turn()
        harness.loseDatabase()
        harness.pass(milliseconds: 10_200)
        harness.settle()
        let texts = harness.stream(of: client).texts
        #expect(texts.count == 1)
        #expect(texts.allSatisfy { $0.contains(#""code":"unavailable""#) })
        #expect(texts.allSatisfy { $0.contains(#""temporary":true"#) })
    }

    @Test func `a client that waits isn't closed for silence`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        let client = try harness.open()
        harness.database.answersAtOnce = false
        harness.join(1, reference: 1, from: client)
        harness.pass(milliseconds: 70_000)
        harness.answerAll()
        harness.settle()
        #expect(harness.stream(of: client).closeCode == nil)
        #expect(harness.stream(of: client).texts.last == #"{"type":"ok","ref":1}"#)
    }

    @Test func `a token that expires while its client waits closes the connection`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        let client = try harness.open(tokenSeconds: 10)
        harness.database.answersAtOnce = false
        harness.join(1, reference: 1, from: client)
        harness.receive(WebSocketTesting.frame(0x88, [0x0F, 0xA1]), from: client)
        harness.pass(milliseconds: 41_000)
        harness.answerAll()
        harness.settle()
        #expect(harness.stream(of: client).closeCode == 4_101)
        #expect(harness.core.hub.subscriptionCount == 0)
        harness.expectNothingLeft()
    }

    // MARK: Questions

    @Test func `all checks of a turn go out as one query, equal ones as one question`() throws {
        var harness = try Self.harness(members: [(1, 1), (2, 1)])
        var clients: [Int] = []
        for number in 0..<20 {
            let client = try harness.connect()
            harness.receive(
                try Self.request(user: UInt64(1 + number % 3), project: 1), from: client)
            clients.append(client)
        }
        harness.settle()
        let statuses = clients.map { harness.stream(of: $0).status }
        #expect(statuses == (0..<20).map { $0 % 3 == 2 ? 403 : 101 })
        let asked = harness.database.asked.map(\.count)
        #expect(asked == [3])
        #expect(harness.core.metrics.membershipChecks == 20)
        #expect(harness.core.metrics.membershipChecksShared == 17)
        #expect(harness.core.metrics.membershipQueries == 1)
    }

    @Test func `the next query follows after 15 ms, and carries what has come meanwhile`() throws {
        var harness = try Self.harness(members: [(1, 1)])
        for _ in 0..<30 {
            let client = try harness.connect()
            harness.receive(try Self.request(user: 1, project: 1), from: client)
            harness.turn()
        }
        #expect(harness.core.metrics.membershipQueries == 2)
        harness.settle()
        #expect(harness.core.metrics.membershipQueries == 3)
        #expect(harness.core.metrics.connections == 30)
    }

    @Test func `a late asker shares a yes, and isn't told a no that is older than its question`()
        throws
    {
        var harness = try Self.harness(members: [(1, 1)])
        harness.database.answersAtOnce = false
        var clients: [Int] = []
        for user: UInt64 in [1, 2] {
            let client = try harness.connect()
            harness.receive(try Self.request(user: user, project: 1), from: client)
            clients.append(client)
        }
        harness.turn()
        harness.database.look()
        harness.database.add(2, to: 1)  // And its API says so to the browser, which connects.
        for user: UInt64 in [1, 2] {
            let client = try harness.connect()
            harness.receive(try Self.request(user: user, project: 1), from: client)
            clients.append(client)
        }
        harness.turn()
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(clients.map { harness.stream(of: $0).status } == [101, 403, 101, 101])
        #expect(harness.database.asked.map(\.count) == [2, 1])
    }

    @Test func `more clients than may wait are told to come again`() throws {
        let count = 8_192 + 3
        var harness = try CoreHarness(connectionsMax: count, checksMembership: true)
        harness.database.add(1, to: 1)
        harness.database.answersAtOnce = false
        let request = try Self.request(user: 1, project: 1)
        for _ in 0..<count {
            let client = try harness.connect()
            harness.receive(request, from: client)
        }
        #expect(harness.core.metrics.membershipOutcomes[.unavailable] == 3)
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(harness.core.metrics.connections == 8_192)
        #expect(harness.core.metrics.membershipOutcomes[.member] == 8_192)
    }
}
