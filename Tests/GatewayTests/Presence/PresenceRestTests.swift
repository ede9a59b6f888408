import Gateway
import Reactor
import Testing

/// Small rooms in which nothing happens are packed, and unpacked when something does.
@Suite struct PresenceRestBehaviour {
    private static func project(_ number: Int) -> ProjectID {
        ProjectID(high: 3, low: UInt64(number))
    }

    @Test(arguments: [1, 2, 3, 16, 17, 63, 64])
    func `a small room rests after some seconds, and goes on where it was`(users: Int) {
        var driver = PresenceDriver()
        for user in 0..<users { driver.set(ClientIndex(user), user: user, away: user % 2 == 1) }
        driver.pass(milliseconds: 3_000)
        #expect(driver.restingCount == 0)
        driver.rest()
        #expect(driver.restingCount == 1)
        #expect(driver.hasWorkLeft == false)
        #expect(driver.userCount(in: PresenceDriver.project) == users)
        let before = PresenceView(driver.heard[0] ?? [])
        #expect(before.users.count == users)
        driver.forgetHeard()
        driver.set(1_000, user: 1_000)
        driver.pass(milliseconds: 2_000)
        #expect(driver.restingCount == 0)
        // Who had a state gets nothing but the change, with the next number.
        let last = driver.heard[0] ?? []
        #expect(last.count == 1)
        #expect(last.first?.contains("presence_diff") == true)
        let newcomer = PresenceView(driver.heard[1_000] ?? [])
        var all = before.users
        all["\(PresenceDriver.user(1_000))"] = "active"
        #expect(newcomer.users == all)
        #expect(newcomer.faults == [])
    }

    @Test func `a room of more users than that never rests, until some have gone`() {
        var driver = PresenceDriver()
        for user in 0..<65 { driver.set(ClientIndex(user), user: user) }
        driver.rest()
        #expect(driver.restingCount == 0)
        driver.leave(64, user: 64)
        driver.rest()
        #expect(driver.restingCount == 1)
        #expect(PresenceView(driver.heard[0] ?? []).count == 64)
    }

    @Test func `a room in which somebody may come back doesn't rest`() {
        var driver = PresenceDriver()
        driver.set(1, user: 1)
        driver.set(2, user: 2)
        driver.leave(2, user: 2, within: 60)
        driver.rest()
        driver.rest()
        #expect(driver.restingCount == 0)
        for _ in 0..<5 { driver.rest() }
        #expect(driver.restingCount == 1)
        #expect(driver.userCount == 1)
    }

    @Test func `other connections, those who hide and those who are suspended are kept at rest`() {
        var driver = PresenceDriver()
        for user in 0..<4 { driver.set(ClientIndex(user), user: user) }
        for tab in 10..<20 { driver.set(ClientIndex(tab), user: 1, away: true) }
        driver.set(2, user: 2, invisible: true)
        driver.presence.suspend(PresenceDriver.user(3), in: PresenceDriver.project, driver.now)
        driver.rest()
        #expect(driver.restingCount == 1)
        var hidden: [Int] = []
        for user in 0..<10 where driver.isHidden(user) { hidden.append(user) }
        #expect(hidden == [2, 3])
        #expect(driver.restingCount == 1)
        driver.forgetHeard()
        driver.leave(1, user: 1)
        driver.presence.readmit(PresenceDriver.user(3), in: PresenceDriver.project, driver.now)
        driver.pass(milliseconds: 2_000)
        let view = driver.heard[0]?.last ?? ""
        #expect(view.contains("\(PresenceDriver.user(3))"))
        #expect(view.contains(#"{"user_id":"\#(PresenceDriver.user(1))","state":"away"}"#))
        #expect(!view.contains("\(PresenceDriver.user(2))"))
        // Each of the tabs was told.
        let told = (10..<20).map { ClientIndex($0) }
        #expect(
            driver.heard.filter { told.contains($0.key) }.map(\.value.count) == told.map { _ in 1 })
    }

    @Test func `where only the number is told it is told after a rest too`() {
        var driver = PresenceDriver(listsUsers: false)
        driver.set(1, user: 1)
        driver.set(2, user: 2)
        driver.rest()
        #expect(driver.restingCount == 1)
        driver.forgetHeard()
        driver.leave(2, user: 2)
        driver.pass(milliseconds: 2_000)
        #expect(PresenceView(driver.heard[1] ?? []).count == 1)
        #expect(driver.heard[1]?.count == 1)
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `many projects come, rest, wake and go, and each keeps its own`(seed: UInt64) {
        var random = Jitter(seed: seed)
        var driver = PresenceDriver()
        var users: [[Int]] = Array(repeating: [], count: 400)
        for step in 0..<3_000 {
            // Mostly growing, then mostly shrinking, so that the tables do both.
            let grows = random.next() % 10 < (step < 1_800 ? 7 : 2)
            let number = Int(random.next() % 400)
            let project = Self.project(number)
            if grows {
                let user = Int(random.next() % 90)
                guard !users[number].contains(user) else { continue }
                driver.set(ClientIndex(user), user: user, in: project)
                users[number].append(user)
            } else if let user = users[number].popLast() {
                driver.leave(ClientIndex(user), user: user, project)
            }
            if step % 500 == 499 { driver.rest() }
        }
        driver.rest()
        #expect(driver.projectCount == users.count { !$0.isEmpty })
        #expect(driver.userCount == users.reduce(0) { $0 + $1.count })
        #expect(driver.restingCount == driver.projectCount)
        for number in users.indices {
            #expect(driver.userCount(in: Self.project(number)) == users[number].count)
        }
        for number in users.indices {
            for user in users[number] {
                driver.leave(ClientIndex(user), user: user, Self.project(number))
            }
        }
        driver.rest()
        #expect(driver.projectCount == 0)
        #expect(driver.userCount == 0)
    }
}
