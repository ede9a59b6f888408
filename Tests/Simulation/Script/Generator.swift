internal import Gateway
internal import Reactor

/// Makes scripts up. Some seeds dwell on slow clients, others on memberships, others on nonsense:
/// what is rare in an even mixture is common in one of them.
struct Generator {
    private enum Mood: CaseIterable {
        case even, slow, members, nonsense, crowd, people
    }

    private let facts: WorldFacts
    private var random: Jitter
    private let mood: Mood
    /// What is said and done about direct messages has chances of its own, in some worlds, so that all others are as
    /// they are without.
    private var messages: Jitter
    private let sendsMessages: Bool
    /// What happens between several gateways.
    private var several: Jitter

    init(_ facts: WorldFacts, _ random: Jitter) {
        self.facts = facts
        self.random = random
        let others = Mood.allCases.filter { $0 != .people }
        let chosen = others[self.random.below(others.count)]
        // By a chance of its own, so that all other worlds are as they are without.
        var people = Jitter(seed: facts.seed ^ 0x9E0B1E)
        let isOfPeople = people.once(in: 4) || facts.nodes > 1 && !people.once(in: 3)
        mood = isOfPeople ? .people : chosen
        several = Jitter(seed: facts.seed ^ 0x5E7E4A)
        messages = Jitter(seed: facts.seed ^ 0xD12EC7)
        // Nothing of them goes by the bus.
        sendsMessages = messages.once(in: 3) && facts.nodes == 1
    }

    mutating func makeActions() -> [Action] {
        var actions: [Action] = []
        for user in 0..<facts.users {
            for project in 0..<facts.projects where !random.once(in: 4) {
                actions.append(.commit(.addMember(user: user, project: project)))
            }
        }
        for seat in 0..<facts.seats where !random.once(in: 4) {
            actions.append(.connect(seat: seat, greeting()))
        }
        actions.append(.turn(milliseconds: 1))
        if facts.nodes > 1 { actions += gathering() }
        for _ in 0..<(60 + random.below(140)) {
            if facts.nodes > 1 {
                if several.once(in: 6) { actions += nodeActions() }
                if !several.once(in: 4) {
                    actions += meetingActions()
                } else {
                    actions.append(placed(action()))
                }
            } else {
                actions.append(action())
            }
            if sendsMessages, messages.once(in: 2) { actions.append(messageAction()) }
            if random.once(in: 2) { actions.append(.turn(milliseconds: turnMilliseconds())) }
            if random.once(in: 160) { actions.append(.pass(seconds: 5 + random.below(80))) }
        }
        return actions
    }

    private mutating func seat() -> Int { random.below(facts.seats) }
    private mutating func project() -> Int { random.below(facts.projects) }
    private mutating func user() -> Int { random.below(facts.users) }

    /// Mostly short; at times so long that deadlines pass.
    private mutating func turnMilliseconds() -> Int {
        switch random.below(40) {
        case 0: 1_000 + random.below(10_000)
        case 1: random.once(in: 4) ? 60_000 + random.below(60_000) : 20_000
        case 2...6: 128 + random.below(400)
        default: 1 + random.below(20)
        }
    }

    private mutating func action() -> Action {
        switch (mood, random.below(100)) {
        case (.slow, 0..<30): return random.once(in: 2) ? reading() : commitMany()
        case (.members, 0..<40): return memberAction()
        case (.nonsense, 0..<30): return .say(seat: seat(), nonsense(), frames: frames())
        case (.crowd, 0..<30): return .connect(seat: seat(), greeting())
        case (.people, 0..<24): return .say(seat: seat(), presence(), frames: frames())
        case (.people, 24..<28):
            return .say(seat: seat(), .join(project: 0, keep: true), frames: 1)
        case (.people, 28..<34): return .turn(milliseconds: 250 + random.below(250))
        case (_, 30..<48): return .commit(.event(project: project()))
        case (_, 48..<64): return .say(seat: seat(), utterance(), frames: frames())
        case (_, 64..<72): return .connect(seat: seat(), greeting())
        case (_, 72..<80): return clientAction()
        case (_, 80..<88): return memberAction()
        case (_, 88..<92): return commitMany()
        case (_, 92..<98): return databaseAction()
        case (_, 98): return random.once(in: 12) ? .drain : .malformed(random.below(7))
        default: return .commit(.event(project: project()))
        }
    }

    // MARK: Clients

    private mutating func greeting() -> Greeting {
        let token: Greeting.Token
        switch random.below(16) {
        case 0: token = .expired
        case 1: token = .forged
        case 2...4: token = .none
        case 5, 6: token = .valid(seconds: random.below(60))
        default: token = .valid(seconds: 36_000)
        }
        var greeting = Greeting(
            user: user(), project: random.once(in: 4) ? nil : project(), token: token,
            address: random.below(3),
            bytesMax: random.once(in: 20) ? random.below(300) : nil)
        greeting.speaksTLS = random.once(in: 4)
        greeting.deflates = facts.compresses && !random.once(in: 3)
        if random.once(in: 16) { greeting.statusRequests = 1 + random.below(30) }
        return greeting
    }

    private mutating func frames() -> Int { random.once(in: 5) ? 2 + random.below(4) : 1 }

    private mutating func utterance() -> Utterance {
        if facts.hasEventLog, random.once(in: 3) { return resume() }
        if mood == .people, random.once(in: 4) { return presence() }
        return switch random.below(20) {
        case 0..<9: .join(project: project(), keep: !random.once(in: 3))
        case 9, 10: .leave(project: random.once(in: 2) ? nil : project())
        case 11, 12:
            .initialize(
                user: random.once(in: 4) ? nil : user(),
                project: random.once(in: 2) ? nil : project(),
                seconds: random.once(in: 8) ? -60 : 10 + random.below(600))
        case 13: .ping
        case 14: .pong
        case 15: .pingFrame(bytes: random.below(126))
        case 16: .pongFrame
        case 17: .unknownType
        default: random.once(in: 6) ? nonsense() : .join(project: project(), keep: true)
        }
    }

    /// Mostly in one project, so that they meet.
    private mutating func presence() -> Utterance {
        let project = random.once(in: 4) ? project() : 0
        if random.once(in: 4) {
            return .typing(
                project: project, topic: random.below(6), stops: random.once(in: 4))
        }
        var wish = PresenceWish()
        switch random.below(8) {
        case 0: wish.mode = .off
        case 1: wish.mode = .count
        default: wish.mode = .users
        }
        wish.isAway = random.once(in: 3)
        wish.isInvisible = random.once(in: 6)
        return .presence(project: project, wish)
    }

    private mutating func resume() -> Utterance {
        let commitsAgo =
            switch random.below(8) {
            case 0: -1_000_000  // Of the future.
            case 1: 1_000
            case 2...3: random.below(100)
            default: random.below(8)
            }
        if random.once(in: 8) {
            return .resumeSilently(
                project: project(), commitsAgo: commitsAgo, times: 1 + random.below(40))
        }
        return .resume(project: project(), commitsAgo: commitsAgo)
    }

    private mutating func nonsense() -> Utterance {
        switch random.below(8) {
        case 0: .close(code: random.once(in: 3) ? nil : 1_000 + random.below(20))
        case 1: .violation(random.below(Utterance.violationCount))
        case 2: .noise(random.next())
        case 3, 4: .notJSON
        case 5: .pingFrame(bytes: random.below(126))
        default: .unknownType
        }
    }

    private mutating func clientAction() -> Action {
        switch random.below(12) {
        case 0: .end(seat: seat())
        case 1, 2: .reset(seat: seat())
        case 3: .vanish(seat: seat())
        case 4, 5: .arrive(seat: seat(), bytes: 1 + random.below(3))
        case 6: .arrive(seat: seat(), bytes: 0)
        case 7, 8: .arrive(seat: seat(), bytes: .max)
        default: reading()
        }
    }

    private mutating func reading() -> Action {
        switch random.below(4) {
        case 0: .read(seat: seat(), bytes: 0)
        case 1: .read(seat: seat(), bytes: 1 + random.below(200))
        case 2: .read(seat: seat(), bytes: 200 + random.below(20_000))
        default: .read(seat: seat(), bytes: .max)
        }
    }

    // MARK: Several gateways

    /// Most are there, mostly in the same project.
    private mutating func gathering() -> [Action] {
        var actions: [Action] = []
        for seat in 0..<facts.seats { actions += coming(seat) }
        return actions + [.pass(seconds: 2)]
    }

    private mutating func coming(_ seat: Int) -> [Action] {
        let project = several.once(in: 6) ? several.below(facts.projects) : 0
        let greeting = Greeting(
            user: several.below(facts.users), project: project, token: .valid(seconds: 36_000),
            address: seat)
        return [
            .connect(seat: seat, greeting), .turn(milliseconds: 1 + several.below(50)),
            .turn(milliseconds: 1 + several.below(50)),
            .say(seat: seat, .join(project: project, keep: true)),
            .say(seat: seat, .presence(project: project, wish())),
        ]
    }

    private mutating func wish() -> PresenceWish {
        var wish = PresenceWish()
        if several.once(in: 12) { wish.mode = several.once(in: 2) ? .off : .count }
        wish.isAway = several.once(in: 4)
        wish.isInvisible = several.once(in: 16)
        return wish
    }

    /// People come, go, come back elsewhere, are away, and now and then removed.
    private mutating func meetingActions() -> [Action] {
        let seat = several.below(facts.seats)
        let (user, project) = (several.below(facts.users), several.once(in: 4) ? project() : 0)
        switch several.below(24) {
        case 0..<6: return coming(seat)
        case 6..<9: return [.say(seat: seat, .presence(project: 0, wish()))]
        case 9: return [.reset(seat: seat)]
        case 10: return [.say(seat: seat, .close(code: several.once(in: 2) ? 1_000 : 1_001))]
        case 11: return [.say(seat: seat, .leave(project: 0))]
        case 12: return [.vanish(seat: seat)]
        case 13, 14:
            return [
                .say(seat: seat, .typing(project: 0, topic: several.below(4), stops: false))
            ]
        case 15: return [.commit(.addMember(user: user, project: project))]
        case 16 where several.once(in: 2):
            return [
                .at(node: several.below(facts.nodes), .holdNotifications(true)),
                .commit(.removeMember(user: user, project: project)),
                .pass(seconds: 1 + several.below(14)), .holdNotifications(false),
            ]
        case 17 where several.once(in: 3):
            return [.commit(.replaceMember(user: user, project: project))]
        case 18: return [.commit(.event(project: project))]
        default: return [.pass(seconds: 1 + several.below(4))]
        }
    }

    /// What happens at gateways happens at one of them, mostly.
    private mutating func placed(_ action: Action) -> Action {
        guard facts.nodes > 1, !several.once(in: 5) else { return action }
        switch action {
        case .holdNotifications, .loseListener, .regainListener, .holdAnswers, .look, .answer,
            .refuse, .loseQueries, .regainQueries, .drain:
            return .at(node: several.below(facts.nodes), action)
        default: return action
        }
    }

    private mutating func nodeActions() -> [Action] {
        let node = several.below(facts.nodes)
        let other = (node + 1 + several.below(facts.nodes - 1)) % facts.nodes
        switch several.below(12) {
        case 0...2: return [.cut(node, other), .pass(seconds: absence()), .heal(node, other)]
        case 3: return [.cut(node, other)]
        case 4: return [.heal(node, other)]
        case 5:
            var weather = Weather()
            if several.once(in: 2) { weather.losesOneIn = 4 + several.below(8) }
            if several.once(in: 2) { weather.repeatsOneIn = 1 + several.below(8) }
            if several.once(in: 2) { weather.millisecondsMax = several.below(2_000) }
            return [.carry(weather)]
        case 6:
            return [
                .stop(node: node, saysGoodbye: several.once(in: 2)), .pass(seconds: absence()),
                .begin(node: node),
            ]
        case 7:
            return [.stop(node: node, saysGoodbye: several.once(in: 2)), .begin(node: node)]
        case 8: return [.freeze(node: node), .pass(seconds: absence()), .thaw(node: node)]
        case 9:
            return [
                .carrier(node: node, isLive: false), .pass(seconds: absence()),
                .carrier(node: node, isLive: true),
            ]
        case 10 where several.once(in: 3):
            return [.at(node: node, .drain), .pass(seconds: 16), .begin(node: node)]
        default: return [.pass(seconds: 1 + several.below(12))]
        }
    }

    /// Seconds after which nothing has happened, one is silent, or gone.
    private mutating func absence() -> Int {
        switch several.below(3) {
        case 0: 1 + several.below(9)
        case 1: 10 + several.below(19)
        default: 31 + several.below(20)
        }
    }

    // MARK: The database

    private mutating func commitMany() -> Action {
        let count =
            switch random.below(12) {
            case 0: 300 + random.below(500)
            case 1...3: 30 + random.below(100)
            default: 2 + random.below(12)
            }
        return .burst(project: project(), count: count)
    }

    private mutating func memberAction() -> Action {
        switch random.below(20) {
        case 0..<4: .commit(.removeMember(user: user(), project: project()))
        case 4..<8: .commit(.addMember(user: user(), project: project()))
        case 8: .commit(.replaceMember(user: user(), project: project()))
        case 9: .commit(.removeSomeMembers(project: project()))
        case 10 where random.once(in: 2): .commit(.deleteProject(project()))
        case 10..<13: .holdAnswers(random.once(in: 2))
        case 13: .look
        case 14 where facts.recheckSeconds != nil && random.once(in: 2):
            .removeUnheard(user: user(), project: project())
        case 15...17: random.once(in: 6) ? .refuse(random.below(3)) : .answer(random.below(3))
        case 18: .forge(forgery())
        case 14: .look
        default: .holdNotifications(random.once(in: 2))
        }
    }

    private mutating func messageAction() -> Action {
        let seat = messages.below(facts.seats)
        let user = messages.below(facts.users)
        switch messages.below(27) {
        case 0..<7:
            return .say(
                seat: seat,
                .direct(
                    to: user, id: messages.below(60),
                    bytes: messages.once(in: 3) ? messages.below(4_000) : messages.below(100)))
        case 7..<12: return .say(seat: seat, .inbox)
        case 12, 13: return .say(seat: seat, .acknowledge)
        case 14..<17: return .sendDirect(from: messages.below(facts.users), to: user)
        case 17..<20: return .commitDirect
        case 20: return .executeDirect(1 + messages.below(4))
        case 21: return .answerDirect
        case 22: return .holdDirect(messages.once(in: 3))
        case 23, 24: return .refuseDirect
        default: return .forgeDirect(messages.below(1_000))
        }
    }

    private mutating func forgery() -> Forgery {
        switch random.below(5) {
        case 0: .removal(user: user(), project: project())
        case 1: .removals(project: project())
        case 2: .end(project: project())
        default: .event(project: project(), ahead: random.below(1_000))
        }
    }

    private mutating func databaseAction() -> Action {
        if facts.hasEventLog, random.once(in: 4) {
            return random.once(in: 6) ? .prune(kept: random.below(60)) : .canary
        }
        return switch random.below(15) {
        case 12: .loseChange(project: project())
        case 13: .silence(project: project())
        case 14: .forge(forgery())
        case 0: .loseListener
        case 1...3: .regainListener
        case 4: .loseQueries
        case 5...7: .regainQueries
        case 8: .malformed(random.below(7))
        case 9: .holdNotifications(true)
        default: .holdNotifications(false)
        }
    }
}
