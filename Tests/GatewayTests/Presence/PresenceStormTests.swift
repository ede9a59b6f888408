import Gateway
import Reactor
import Testing

/// Crowds in one project, by a simulated clock: ten in each turn of ten milliseconds.
@Suite struct PresenceStormBehaviour {
    private static let crowd = 10_000
    private static let perTurn = 10

    @Test(arguments: [150, 9_990])
    func `ten thousand who reconnect within ten seconds make no change, whoever listens`(
        present: Int
    ) {
        var driver = PresenceDriver()
        let listeners = 0..<10
        for listener in listeners {
            driver.set(
                ClientIndex(listener), user: listener, listener < 5 ? .users : .count)
        }
        let users = 10..<(present + 10)
        for user in users { driver.set(ClientIndex(user), user: user) }
        driver.pass(milliseconds: 8_000)
        driver.forgetHeard()
        // Some are back before the loss of their first connection is noticed.
        let early = users.filter { $0 % 10 == 0 }
        for user in early { driver.set(ClientIndex(Self.crowd + user), user: user) }
        for user in users { driver.leave(ClientIndex(user), user: user, within: 15) }
        var waiting = users.filter { $0 % 10 != 0 }
        let perTurn = (waiting.count + 999) / 1_000
        while !waiting.isEmpty {
            for user in waiting.suffix(perTurn) {
                driver.set(ClientIndex(Self.crowd + user), user: user)
            }
            waiting.removeLast(min(perTurn, waiting.count))
            driver.turn()
        }
        driver.pass(milliseconds: 20_000)
        // The answer to each who came back, and not one message more.
        let disturbed = listeners.filter { driver.heard[ClientIndex($0)] != nil }
        #expect(disturbed == [])
        #expect(driver.heard.count == present)
        #expect(driver.heard.values.allSatisfy { $0.count == 1 })
        #expect(driver.userCount == present + listeners.count)
    }

    @Test
    func `ten thousand who join within ten seconds are one message a second to each, at most`() {
        var driver = PresenceDriver()
        for user in 0..<Self.crowd {
            driver.set(ClientIndex(user), user: user, user % 3 == 0 ? .count : .users)
            if user % Self.perTurn == 0 { driver.turn() }
        }
        driver.pass(milliseconds: 10_000)
        Self.expectPace(driver, listeners: 0..<Self.crowd)
        // With so many there is only the number, every five seconds.
        let most = driver.heard.values.map(\.count).max() ?? 0
        #expect(most <= 7)
        let last = driver.heard[0]?.last ?? ""
        #expect(PresenceView([last]).count == Self.crowd)
    }

    @Test func `ten thousand who pass by within ten seconds are one message a second to each`() {
        var driver = PresenceDriver()
        for listener in 0..<3 { driver.set(ClientIndex(listener), user: listener) }
        driver.pass(milliseconds: 3_000)
        // Never more than two hundred of them are there, so their names are told.
        let stay = 150
        for step in 3..<(Self.crowd + stay) {
            if step < Self.crowd { driver.set(ClientIndex(step), user: step) }
            if step - stay >= 3 {
                driver.leave(ClientIndex(step - stay), user: step - stay)
            }
            if step % Self.perTurn == 0 { driver.turn() }
        }
        driver.pass(milliseconds: 5_000)
        Self.expectPace(driver, listeners: 0..<Self.crowd)
        for listener in 0..<3 as Range<ClientIndex> {
            let heard = driver.heard[listener] ?? []
            #expect((10...16).contains(heard.count))
            let view = PresenceView(heard)
            #expect(view.faults == [] && view.users.count == 3 && view.count == 3)
        }
        #expect(driver.userCount == 3)
    }

    /// Behind the answer to its own wish nobody is told more than once in a second.
    private static func expectPace(_ driver: borrowing PresenceDriver, listeners: Range<Int>) {
        var hasted = 0
        for listener in listeners {
            let told = (driver.heardAt[ClientIndex(listener)] ?? []).dropFirst()
            for (earlier, later) in zip(told, told.dropFirst()) where later - earlier < 1_000 {
                hasted += 1
            }
        }
        #expect(hasted == 0)
    }
}
