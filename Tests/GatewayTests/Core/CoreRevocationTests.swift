import Gateway
import Reactor
import Testing

/// What is committed after a removal never reaches whom it removed, however things overlap.
@Suite struct CoreRevocationBehaviour {
    private static func harness(users: ClosedRange<UInt64>) throws -> CoreHarness {
        var harness = try CoreHarness(checksMembership: true)
        for user in users { harness.database.add(user, to: 1) }
        return harness
    }

    /// Events by number, `resync` for a whole one, and codes of errors, in their order.
    private static func story(of client: Int, in harness: borrowing CoreHarness) -> [String] {
        var story: [String] = []
        for text in harness.stream(of: client).texts {
            if let event = Invalidation(text) {
                if let number = event.event {
                    story.append("\(number)")
                } else if !text.contains(#""action":"RESYNC""#) {
                    story.append("row")
                } else if event.resource == "tasks" {
                    story.append("resync")  // One for each resource makes a whole one.
                }
            } else if let code = text.split(separator: #""code":""#).dropFirst().first {
                story.append(String(code.prefix { $0 != "\"" }))
            }
        }
        return story
    }

    @Test func `the removed user gets what was committed before, an error, and nothing after`()
        throws
    {
        var harness = try Self.harness(users: 1...2)
        let removed = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        harness.notify(event: 1, project: 1)
        harness.turn()
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: 1, from: 1)
        harness.notify(event: 2, project: 1)
        harness.settle()
        harness.notify(event: 3, project: 1)
        harness.settle()
        #expect(Self.story(of: removed, in: harness) == ["1", "membership_revoked"])
        let error = harness.stream(of: removed).texts.last
        #expect(error?.contains(#""project_id":"\#(CoreHarness.project(1))""#) == true)
        #expect(Self.story(of: other, in: harness) == ["1", "row", "2", "3"])
        #expect(harness.core.metrics.revocations == 1)
        #expect(harness.core.hub.subscriptionCount == 1)
    }

    @Test func `every connection of the user is concerned, and its other projects aren't`() throws {
        var harness = try Self.harness(users: 1...1)
        harness.database.add(1, to: 2)
        let first = try harness.open(user: 1, project: 1)
        let second = try harness.open(user: 1, project: 1)
        harness.join(2, keep: true, from: second)
        harness.settle()
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: 1, from: 1)
        harness.notify(event: 1, project: 1)
        harness.notify(event: 2, project: 2)
        harness.settle()
        #expect(Self.story(of: first, in: harness) == ["membership_revoked"])
        let second_story = Self.story(of: second, in: harness)
        #expect(second_story.sorted() == ["2", "membership_revoked"])
    }

    @Test func `while the database hasn't confirmed it, nothing is delivered and nothing is said`()
        throws
    {
        var harness = try Self.harness(users: 1...1)
        let client = try harness.open(user: 1, project: 1)
        harness.database.answersAtOnce = false
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: 1, from: 1)
        for event in 1...5 {
            harness.notify(event: event, project: 1)
            harness.turn()
        }
        #expect(Self.story(of: client, in: harness) == [])
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["membership_revoked"])
    }

    @Test func `a row that was written anew keeps its user, who gets a resync`() throws {
        var harness = try Self.harness(users: 1...2)
        let client = try harness.open(user: 1, project: 1)
        let other = try harness.open(user: 2, project: 1)
        harness.notifyRemoval(of: 1, from: 1)  // DELETE and INSERT in one transaction.
        harness.notify(event: 1, project: 1)
        harness.settle()
        harness.notify(event: 2, project: 1)
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["resync", "2"])
        #expect(Self.story(of: other, in: harness) == ["row", "1", "2"])
    }

    @Test func `a removal that comes while the check is under way wins over its answer`() throws {
        var harness = try Self.harness(users: 1...1)
        harness.database.answersAtOnce = false
        let client = try harness.connect()
        harness.receive(
            CoreHarness.handshake(
                token: try CoreHarness.token(), project: CoreHarness.project(1)), from: client)
        harness.turn()
        harness.database.look()  // From before the removal: a yes.
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: 1, from: 1)
        harness.answerAll()
        harness.turn(milliseconds: 20)
        #expect(harness.stream(of: client).status == nil)
        harness.turn()
        harness.answerAll()
        harness.settle()
        #expect(harness.stream(of: client).status == 403)
        #expect(harness.database.asked.count == 2)
    }

    @Test(arguments: [false, true])
    func `so does one that comes between the answer and its use`(bulk: Bool) throws {
        var harness = try CoreHarness(connectionsMax: 600, checksMembership: true)
        harness.database.add(1, to: 1)
        harness.database.answersAtOnce = false
        var clients: [Int] = []
        for _ in 0..<500 {  // More than one turn acts on.
            let client = try harness.connect()
            harness.receive(
                CoreHarness.handshake(
                    token: try CoreHarness.token(), project: CoreHarness.project(1)), from: client)
            clients.append(client)
        }
        harness.turn()
        harness.answerAll()
        harness.turn()
        #expect(harness.core.metrics.connections == 128)
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: bulk ? nil : 1, from: 1)
        harness.notify(event: 1, project: 1)
        harness.database.answersAtOnce = true
        harness.settle()
        let statuses = clients.map { harness.stream(of: $0).status }
        #expect(statuses.count { $0 == 101 } == 128)
        #expect(statuses.count { $0 == 403 } == 372)
        let heard = clients.filter { harness.stream(of: $0).status == 101 }
            .map { Self.story(of: $0, in: harness) }
        #expect(heard.allSatisfy { $0 == ["membership_revoked"] })
        #expect(harness.core.hub.subscriptionCount == 0)
    }

    @Test func `a removal that overtakes the answer again and again ends in a temporary error`()
        throws
    {
        var harness = try Self.harness(users: 1...1)
        let client = try harness.open(user: 1)
        harness.database.answersAtOnce = false
        harness.join(1, reference: 1, from: client)
        for _ in 0..<3 {
            harness.turn(milliseconds: 20)
            harness.notifyRemoval(of: 1, from: 1)
            harness.answerAll()
        }
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["unavailable"])
    }

    // MARK: Many at once

    @Test func `after a bulk removal nothing is delivered until everyone was looked up`() throws {
        var harness = try Self.harness(users: 1...3)
        harness.database.add(1, to: 2)
        let clients = try (1...3).map { try harness.open(user: $0, project: 1) }
        harness.join(2, keep: true, from: clients[0])
        harness.settle()
        harness.database.answersAtOnce = false
        harness.notify(event: 1, project: 1)
        harness.database.remove(2, from: 1)
        harness.notifyRemoval(of: nil, from: 1)
        harness.notify(event: 2, project: 1)
        harness.notify(event: 3, project: 2)
        harness.turn()
        harness.notify(event: 4, project: 1)
        harness.turn()
        #expect(Self.story(of: clients[1], in: harness) == ["1"])
        harness.database.answersAtOnce = true
        harness.settle()
        harness.notify(event: 5, project: 1)
        harness.settle()
        #expect(Self.story(of: clients[0], in: harness) == ["1", "3", "resync", "5"])
        #expect(Self.story(of: clients[1], in: harness) == ["1", "membership_revoked"])
        #expect(Self.story(of: clients[2], in: harness) == ["1", "resync", "5"])
        #expect(harness.core.metrics.notificationsWithheld == 3)
    }

    @Test func `another bulk removal during the look-up makes it begin again`() throws {
        var harness = try Self.harness(users: 1...2)
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        harness.database.answersAtOnce = false
        harness.notifyRemoval(of: nil, from: 1)
        harness.turn(milliseconds: 20)
        harness.answerAll()  // Everyone is a member.
        harness.database.remove(2, from: 1)
        harness.notifyRemoval(of: nil, from: 1)
        harness.notify(event: 1, project: 1)
        harness.database.answersAtOnce = true
        harness.settle()
        harness.notify(event: 2, project: 1)
        harness.settle()
        #expect(Self.story(of: clients[0], in: harness) == ["resync", "2"])
        #expect(Self.story(of: clients[1], in: harness) == ["membership_revoked"])
    }

    @Test func `who joins a project that is being looked up hears its resync`() throws {
        var harness = try Self.harness(users: 1...2)
        _ = try harness.open(user: 1, project: 1)
        let client = try harness.open(user: 2)
        harness.database.answersAtOnce = false
        harness.notifyRemoval(of: nil, from: 1)
        harness.turn(milliseconds: 20)
        harness.turn()
        // What is asked about the others fails, and is asked again later.
        harness.core.failMembershipBatch(harness.database.batches.removeFirst().number)
        harness.join(1, reference: 1, from: client)
        harness.turn(milliseconds: 20)
        harness.turn(milliseconds: 20)
        harness.answerAll()
        harness.turn()
        harness.turn()
        harness.notify(event: 1, project: 1)
        harness.turn()
        #expect(harness.stream(of: client).texts == [#"{"type":"ok","ref":1}"#])
        harness.database.answersAtOnce = true
        harness.settle()
        harness.notify(event: 2, project: 1)
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["resync", "2"])
    }

    @Test func `a look-up that fails is tried again, and nothing is delivered meanwhile`() throws {
        var harness = try Self.harness(users: 1...2)
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        harness.database.answersAtOnce = false
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: 1, from: 1)
        harness.notifyRemoval(of: nil, from: 1)
        harness.turn(milliseconds: 20)
        harness.loseDatabase()
        harness.settle()
        harness.notify(event: 1, project: 1)
        harness.pass(milliseconds: 1_000)
        #expect(Self.story(of: clients[0], in: harness) == [])
        #expect(Self.story(of: clients[1], in: harness) == ["row"])
        harness.core.database.answersQueries = true
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(Self.story(of: clients[0], in: harness) == ["membership_revoked"])
        #expect(Self.story(of: clients[1], in: harness) == ["row", "resync"])
    }

    // MARK: The listener

    @Test func `after the listener was away everyone is looked up, then gets a resync`() throws {
        var harness = try CoreHarness(checksMembership: true)
        var clients: [Int] = []
        for user in 1...6 as ClosedRange<UInt64> {
            harness.database.add(user, to: user % 3)
            clients.append(try harness.open(user: user, project: user % 3))
        }
        harness.core.listenerWasLost()
        harness.database.remove(2, from: 2)  // Nobody hears of it.
        harness.turn()
        harness.core.listenerBecameLive()
        for project in 0...2 as ClosedRange<UInt64> { harness.notify(event: 7, project: project) }
        harness.settle()
        for (offset, client) in clients.enumerated() {
            let story = Self.story(of: client, in: harness)
            #expect(story == [offset == 1 ? "membership_revoked" : "resync"])
        }
        let text = harness.stream(of: clients[0]).texts.last
        #expect(text?.contains(#""reason":"listener_reconnected""#) == true)
        #expect(harness.core.metrics.resyncs[.listenerReconnected] == 3)
    }

    @Test func `after notifications were dropped everyone is looked up, then gets a resync`() throws
    {
        var harness = try Self.harness(users: 1...2)
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        harness.database.remove(2, from: 1)  // Its announcement is among those.
        harness.core.notificationsWereDropped(count: 5)
        harness.notify(event: 7, project: 1)
        harness.settle()
        #expect(Self.story(of: clients[0], in: harness) == ["resync"])
        #expect(Self.story(of: clients[1], in: harness) == ["membership_revoked"])
        #expect(harness.core.metrics.notificationsDropped == 5)
    }

    @Test func `a check that was sent before the listener listened is asked again`() throws {
        var harness = try Self.harness(users: 1...1)
        harness.core.listenerWasLost()
        let client = try harness.open(user: 1)
        harness.database.answersAtOnce = false
        harness.join(1, reference: 1, from: client)
        harness.turn(milliseconds: 20)
        harness.database.look()
        harness.database.remove(1, from: 1)
        harness.core.listenerBecameLive()
        harness.database.answersAtOnce = true
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["forbidden"])
    }

    // MARK: Deleted projects

    @Test(arguments: [false, true])
    func `the end of a project is delivered, and ends all subscriptions to it`(ordered: Bool)
        throws
    {
        var harness = try Self.harness(users: 1...3)
        for user in 1...3 as ClosedRange<UInt64> { harness.database.add(user, to: 2) }
        let clients = try (1...3).map { try harness.open(user: $0, project: 1) }
        if ordered {
            for client in clients { harness.join(2, keep: true, from: client) }
            harness.settle()
        }
        harness.deliveries.perTurn = 1
        harness.notify(event: 1, project: 1)
        for user in 1...3 as ClosedRange<UInt64> { harness.database.remove(user, from: 1) }
        harness.notifyEnd(of: 1)
        harness.notify(event: 2, project: 1)
        harness.settle()
        for client in clients {
            #expect(Self.story(of: client, in: harness) == ["1", "row", "project_deleted"])
        }
        #expect(harness.core.hub.room(of: CoreHarness.project(1)) == nil)
    }

    @Test func `in a project that is being verified nobody hears more of its end`() throws {
        var harness = try Self.harness(users: 1...2)
        let clients = try (1...2).map { try harness.open(user: $0, project: 1) }
        harness.database.answersAtOnce = false
        harness.database.members = []
        harness.notifyRemoval(of: nil, from: 1)
        harness.notifyEnd(of: 1)
        harness.database.answersAtOnce = true
        harness.settle()
        for client in clients {
            #expect(Self.story(of: client, in: harness) == ["membership_revoked"])
        }
        harness.expectNothingLeftAfterResets()
    }

    // MARK: What is on its way

    @Test func `a fan-out that is under way goes past the removed, and misses nobody else`() throws
    {
        var harness = try Self.harness(users: 1...6)
        let clients = try (1...6).map { try harness.open(user: $0, project: 1) }
        harness.deliveries.perTurn = 2
        harness.deliveries.perRoomShare = 2
        for event in 1...3 { harness.notify(event: event, project: 1) }
        harness.turn()
        for user in [2, 5] as [UInt64] {
            harness.database.remove(user, from: 1)
            harness.notifyRemoval(of: user, from: 1)
        }
        harness.notify(event: 4, project: 1)
        harness.settle()
        for (offset, client) in clients.enumerated() {
            let story = Self.story(of: client, in: harness)
            if offset == 1 || offset == 4 {
                #expect(!story.contains("4") && !story.contains("row"))
                #expect(story.last == "membership_revoked")
            } else {
                #expect(story == ["1", "2", "3", "row", "row", "4"])
            }
        }
    }

    @Test func `a slow client gets what waited for it, and no resync of what it left`() throws {
        var harness = try Self.harness(users: 1...1)
        let client = try harness.open(user: 1, project: 1)
        harness.setCapacity(0, of: client)
        for event in 1...300 { harness.notify(event: event, project: 1) }
        harness.turn()
        harness.database.remove(1, from: 1)
        harness.notifyRemoval(of: 1, from: 1)
        for event in 301...700 { harness.notify(event: event, project: 1) }
        harness.turn(milliseconds: 20)
        harness.setCapacity(.max, of: client)
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["membership_revoked"])
    }

    @Test func `with membership off no removal ends a subscription`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1, project: 1)
        harness.notifyRemoval(of: 1, from: 1)
        harness.notifyRemoval(of: nil, from: 1)
        harness.notifyEnd(of: 1)
        harness.notify(event: 1, project: 1)
        harness.settle()
        #expect(Self.story(of: client, in: harness) == ["row", "row", "row", "1"])
    }
}
