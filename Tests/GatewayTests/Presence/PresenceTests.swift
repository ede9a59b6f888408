import Gateway
import Reactor
import Testing

private func id(_ user: Int) -> String { "\(PresenceDriver.user(user))" }
private func state(_ user: Int, _ state: String = "active") -> String {
    #"{"user_id":"\#(id(user))","state":"\#(state)"}"#
}

@Suite struct PresenceBehaviour {
    private static func diff(
        _ sequence: Int, count: Int, joined: [String] = [], left: [Int] = [],
        changed: [String] = []
    ) -> String {
        #"{"type":"presence_diff","project_id":"\#(PresenceDriver.project)","seq":\#(sequence),"#
            + #""count":\#(count),"joined":[\#(joined.joined(separator: ","))],"#
            + #""left":[\#(left.map { "\"\(id($0))\"" }.joined(separator: ","))],"#
            + #""changed":[\#(changed.joined(separator: ","))]}"#
    }

    private static func whole(
        _ sequence: Int, count: Int, users: [String] = [], truncated: Bool = false
    ) -> String {
        #"{"type":"presence_state","project_id":"\#(PresenceDriver.project)","seq":\#(sequence),"#
            + #""count":\#(count),"users":[\#(users.joined(separator: ","))],"#
            + #""truncated":\#(truncated),"partial":false}"#
    }

    @Test func `who asks gets the state at once, and the others hear of it after a moment`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.tell()
        #expect(driver.heard[1] == [Self.whole(1, count: 1, users: [state(1)])])
        driver.pass(milliseconds: 5_000)
        #expect(driver.heard[1]?.count == 1)
        driver.set(2, user: 2)
        driver.tell()
        #expect(driver.heard[2] == [Self.whole(2, count: 2, users: [state(1), state(2)])])
        driver.pass(milliseconds: 240)
        #expect(driver.heard[1]?.count == 1)
        driver.pass(milliseconds: 200)
        #expect(driver.heard[1]?.last == Self.diff(2, count: 2, joined: [state(2)]))
        // What its state said already isn't said again.
        #expect(driver.heard[2]?.count == 1)
    }

    @Test func `a user is there from the first connection to the last`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        driver.set(3, user: 2)
        driver.set(4, user: 2)
        driver.leave(2, user: 2)
        driver.leave(4, user: 2)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1] == nil)
        driver.leave(3, user: 2)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1] == [Self.diff(2, count: 1, left: [2])])
    }

    @Test func `the state is the most active connection's`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2, away: true)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        driver.set(3, user: 2)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1] == [Self.diff(2, count: 2, changed: [state(2)])])
        driver.set(2, user: 2, away: true)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1]?.count == 1)
        driver.set(3, user: 2, away: true)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1]?.last == Self.diff(3, count: 2, changed: [state(2, "away")]))
    }

    @Test func `who asks for the number is seen, and told the number`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2, .count)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[2]?.last == Self.whole(1, count: 2, truncated: true))
        #expect(driver.heard[1].map { PresenceView($0).users.count } == 2)
        driver.forgetHeard()
        // Who is away counts as before.
        driver.set(1, user: 1, away: true)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[2] == nil)
        driver.set(3, user: 3)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[2] == [Self.whole(3, count: 3, truncated: true)])
    }

    @Test func `nobody sees an invisible user, who sees everybody`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2, invisible: true)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1]?.count == 1)
        #expect(driver.heard[2] == [Self.whole(1, count: 1, users: [state(1)])])
        #expect(driver.isHidden(2) == true)
        driver.set(3, user: 3)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[2]?.last == Self.diff(2, count: 2, joined: [state(3)]))
        driver.leave(2, user: 2)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1]?.count == 2)
    }

    @Test func `one invisible connection hides the user, for a while after it is lost too`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        driver.set(3, user: 2, invisible: true)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1] == [Self.diff(2, count: 1, left: [2])])
        driver.leave(3, user: 2, within: 15)
        driver.pass(milliseconds: 14_000)
        #expect(driver.heard[1]?.count == 1)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1]?.last == Self.diff(3, count: 2, joined: [state(2)]))
        driver.set(2, user: 2, invisible: true)
        driver.pass(milliseconds: 3_000)
        driver.set(2, user: 2)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1]?.last == Self.diff(5, count: 2, joined: [state(2)]))
    }

    @Test
    func `who was invisible alone, and is lost, stays hidden until a presence says otherwise`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        for user in 2...4 { driver.set(ClientIndex(user), user: user, invisible: true) }
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        for user in 2...4 {
            driver.leave(ClientIndex(user), user: user, within: user == 4 ? nil : 15)
        }
        driver.pass(milliseconds: 3_000)
        #expect(driver.isHidden(2) == true)
        #expect(driver.isHidden(3) == true)
        #expect(driver.isHidden(4) == false)
        driver.set(5, user: 3)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1] == [Self.diff(2, count: 2, joined: [state(3)])])
        driver.pass(milliseconds: 11_000)
        #expect(driver.isHidden(2) == false)
        driver.leave(5, user: 3)
        driver.leave(1, user: 1)
        driver.pass(milliseconds: 3_000)
        #expect(driver.userCount == 0)
    }

    @Test func `who leaves without a goodbye is there for a while, and who comes back never left`()
    {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        driver.leave(2, user: 2, within: 15)
        driver.pass(milliseconds: 14_900)
        driver.set(3, user: 2)
        driver.pass(milliseconds: 20_000)
        #expect(driver.heard[1] == nil)
        #expect(driver.heard[3] == [Self.whole(1, count: 2, users: [state(1), state(2)])])
        driver.leave(3, user: 2, within: 15)
        driver.pass(milliseconds: 14_990)
        #expect(driver.heard[1] == nil)
        driver.pass(milliseconds: 1_000)
        #expect(driver.heard[1] == [Self.diff(2, count: 1, left: [2])])
    }

    @Test func `changes come at most once a second, and each user in one list`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        for step in 0..<1_000 {
            let user = 2 + step % 7
            if step % 3 == 0 {
                driver.leave(ClientIndex(user), user: user)
            } else {
                driver.set(ClientIndex(user), user: user, away: step % 2 == 0)
            }
            driver.turn()
        }
        // Ten seconds of it.
        #expect((9...10).contains(driver.heard[1]?.count ?? 0))
        driver.pass(milliseconds: 2_000)
        let view = PresenceView(
            [Self.whole(1, count: 1, users: [state(1)])] + (driver.heard[1] ?? []))
        #expect(view.faults == [])
    }

    @Test func `what was taken back before it was told isn't told`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        driver.set(2, user: 2)
        driver.leave(2, user: 2)
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[1] == nil)
    }

    @Test func `with more than two hundred there is only their number, more seldom`() {
        var driver = PresenceDriver()
        for user in 0..<200 { driver.set(ClientIndex(user), user: user) }
        driver.pass(milliseconds: 3_000)
        #expect(driver.heard[0].map { PresenceView($0).users.count } == 200)
        driver.forgetHeard()
        driver.set(200, user: 200)
        driver.tell()
        #expect(driver.heard[200] == [Self.whole(2, count: 201, truncated: true)])
        driver.pass(milliseconds: 500)
        #expect(driver.heard[0] == [Self.whole(2, count: 201, truncated: true)])
        for user in 201..<400 {
            driver.set(ClientIndex(user), user: user)
            driver.pass(milliseconds: 50)
        }
        // Ten seconds of it.
        #expect((2...3).contains(driver.heard[0]?.count ?? 0))
        for user in 200..<400 { driver.leave(ClientIndex(user), user: user) }
        driver.pass(milliseconds: 6_000)
        let view = PresenceView(driver.heard[0] ?? [])
        #expect(view.users.count == 200 && !view.isTruncated && view.faults == [])
        #expect(driver.userCount == 200)
    }

    @Test func `without lists there is only the number`() {
        var driver = PresenceDriver(listsUsers: false)
        driver.set(1, user: 1)
        driver.set(2, user: 2)
        driver.pass(milliseconds: 1_000)
        #expect(driver.heard[1] == [Self.whole(1, count: 2, truncated: true)])
    }

    @Test func `who asks again gets the state again, at most once a second`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        for _ in 0..<300 {
            driver.set(1, user: 1)
            driver.turn()
        }
        let heard = driver.heard[1] ?? []
        #expect((3...4).contains(heard.count))
        #expect(heard.allSatisfy { $0 == Self.whole(1, count: 1, users: [state(1)]) })
    }

    @Test func `a slow client's changes become one state`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2)
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        driver.blocked = [1]
        for user in 3..<20 {
            driver.set(ClientIndex(user), user: user)
            driver.pass(milliseconds: 1_500)
        }
        #expect(driver.heard[1] == nil)
        #expect(driver.heard[2]?.count == 17)
        driver.unblock(1, user: 1)
        #expect(driver.heard[1]?.count == 1)
        #expect(driver.heard[1].map { PresenceView($0).users.count } == 19)
        driver.set(20, user: 20)
        driver.pass(milliseconds: 2_000)
        #expect(PresenceView(driver.heard[1] ?? []).faults == [])
        #expect(driver.heard[1]?.count == 2)
    }

    @Test func `a removed member is gone at once, and so is one who only lingers`() {
        var driver = PresenceDriver()
        for user in 1...3 { driver.set(ClientIndex(user), user: user) }
        driver.pass(milliseconds: 3_000)
        driver.forgetHeard()
        driver.presence.suspend(PresenceDriver.user(2), in: PresenceDriver.project, driver.now)
        driver.tell()
        #expect(driver.heard[1] == [Self.diff(2, count: 2, left: [2])])
        driver.presence.readmit(PresenceDriver.user(2), in: PresenceDriver.project, driver.now)
        driver.pass(milliseconds: 1_500)
        #expect(driver.heard[1]?.last == Self.diff(3, count: 3, joined: [state(2)]))
        driver.leave(3, user: 3, within: 15)
        driver.pass(milliseconds: 1_500)
        driver.presence.dropLingering(
            PresenceDriver.user(3), in: PresenceDriver.project, driver.now)
        driver.tell()
        #expect(driver.heard[1]?.last == Self.diff(4, count: 2, left: [3]))
    }

    @Test func `ten thousand who come back in time make no change at all`() {
        var driver = PresenceDriver()
        for user in 0..<10_000 { driver.set(ClientIndex(user), user: user) }
        driver.pass(milliseconds: 8_000)
        driver.forgetHeard()
        for user in 0..<10_000 { driver.leave(ClientIndex(user), user: user, within: 15) }
        driver.pass(milliseconds: 10_000)
        #expect(driver.heard.isEmpty)
        for user in 0..<10_000 { driver.set(ClientIndex(10_000 + user), user: user) }
        driver.pass(milliseconds: 20_000)
        // Each gets its state, and nothing more.
        #expect(driver.heard.count == 10_000)
        #expect(driver.heard.values.allSatisfy { $0.count == 1 })
    }

    @Test func `nothing is left of those who are gone`() {
        var driver = PresenceDriver()
        for user in 0..<300 {
            driver.set(ClientIndex(user), user: user % 100, in: ProjectID(high: 1, low: 2))
            driver.set(ClientIndex(user), user: user % 100)
        }
        driver.pass(milliseconds: 2_000)
        for user in 0..<300 {
            let seconds: UInt64? = user % 2 == 0 ? 15 : nil
            driver.leave(ClientIndex(user), user: user % 100, within: seconds)
            driver.leave(
                ClientIndex(user), user: user % 100, within: seconds, ProjectID(high: 1, low: 2))
        }
        driver.pass(milliseconds: 17_000)
        #expect(driver.userCount == 0)
        #expect(driver.projectCount == 0)
        #expect(driver.hasWorkLeft == false)
        #expect(driver.takesPart(7) == false)
    }

    @Test func `users of other processes beyond the room of a project are counted as refused`() {
        var driver = PresenceDriver()
        driver.set(0, user: 1)
        for user in 2...Limits.presentUsersPerProjectMax + 3 {
            driver.presence.setElsewhere(
                PresenceDriver.user(user), in: PresenceDriver.project, .active, driver.now)
        }
        let refused = driver.presence.refusedElsewhere
        #expect(refused == 3)
    }

    @Test func `a user has so many connections in a project, and no more`() {
        var driver = PresenceDriver()
        for client in 0..<256 {
            let outcome = driver.set(ClientIndex(client), user: 1)
            #expect(outcome == .done)
        }
        let refused = driver.set(256, user: 1)
        #expect(refused == .full)
        #expect(driver.takesPart(256) == false)
        let changed = driver.set(255, user: 1, away: true)
        #expect(changed == .done)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `whatever happens, everybody has the same list in the end`(seed: UInt64) {
        var random = Jitter(seed: seed)
        var driver = PresenceDriver()
        var model = PresenceModel()
        for _ in 0..<400 {
            let client = Int(random.next() % 24)
            let user = client % 9
            switch random.next() % 10 {
            case 0..<4:
                let away = random.next() % 2 == 0
                let invisible = random.next() % 6 == 0
                let mode: PresenceWish.Mode = random.next() % 5 == 0 ? .count : .users
                driver.set(
                    ClientIndex(client), user: user, mode, away: away, invisible: invisible)
                model.set(client, PresenceDriver.wish(mode, away: away, invisible: invisible))
            case 4, 5:
                driver.leave(
                    ClientIndex(client), user: user, within: random.next() % 2 == 0 ? 15 : nil)
                driver.blocked.remove(ClientIndex(client))
                driver.forget(ClientIndex(client))
                model.leave(client)
            case 6: driver.blocked.insert(ClientIndex(client))
            case 7: driver.unblock(ClientIndex(client), user: user)
            case 8 where random.next() % 12 == 0: driver.rest()
            default: driver.pass(milliseconds: Int(random.next() % 800))
            }
        }
        for client in 0..<24 { driver.unblock(ClientIndex(client), user: client % 9) }
        driver.pass(milliseconds: 20_000)
        for client in 0..<24 {
            guard let wish = model.wishes[client] else {
                #expect(driver.heard[ClientIndex(client)] == nil)
                continue
            }
            let view = PresenceView(driver.heard[ClientIndex(client)] ?? [])
            #expect(view.faults == [])
            #expect(view.count == model.seen.count)
            #expect(view.users == (wish.mode == .users ? model.seen : [:]))
        }
    }
}

/// What each client last said, and so who is seen at rest.
private struct PresenceModel {
    var wishes: [Int: PresenceWish] = [:]

    mutating func set(_ client: Int, _ wish: PresenceWish) { wishes[client] = wish }
    mutating func leave(_ client: Int) { wishes[client] = nil }

    var seen: [String: String] {
        var seen: [String: String] = [:]
        for user in 0..<9 {
            let own = wishes.filter { $0.key % 9 == user }.values
            guard !own.isEmpty, !own.contains(where: \.isInvisible) else { continue }
            seen[id(user)] = own.contains { !$0.isAway } ? "active" : "away"
        }
        return seen
    }
}
