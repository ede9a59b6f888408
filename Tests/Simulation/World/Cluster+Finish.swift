internal import Gateway
internal import GatewayHarness
internal import Reactor

// The end of several gateways: all are there and hear each other, and after a while all say the same of
// who is present; then everybody goes, and nothing is left at any.
extension Cluster {
    mutating func finish() throws(Violation) {
        bus.heal()
        for node in nodes {
            thaw(node)
            // Who is being drained ends first.
            if node.world.drainBegan != nil { end(node.number, saysGoodbye: true) }
            begin(node.number)
            if !bus.isLive[node.number] { try act(.carrier(node: node.number, isLive: true)) }
            node.world.releaseAll()
        }
        try settle()
        try commitEverywhere()
        try waitForRechecks()
        for node in nodes { try node.world.checkRestOfHearings() }
        try checkPeople()
        for node in nodes {
            for number in node.world.live { node.world.kernel.peers[number].isReset = true }
        }
        try settle()
        try wait(seconds: 24)
        try settle()
        for node in nodes {
            try node.world.checkNothingLeft()
            let people = node.world.core.peopleOfBus
            guard people == (0, 0) else {
                throw Violation(.remains, "\(people) present elsewhere and here")
            }
            try node.world.checkMetrics()
        }
    }

    private mutating func settle() throws(Violation) {
        var turns = 0
        repeat {
            try turn(milliseconds: 20)
            turns += 1
            if turns > World.turnsMax { throw Violation(.rest, "it never comes to rest") }
        } while !nodes.allSatisfy { $0.world.isAtRest }
    }

    private mutating func wait(seconds: Int) throws(Violation) {
        for _ in 0..<seconds * 2 { try turn(milliseconds: World.awakeMillisecondsMax) }
    }

    private mutating func commitEverywhere() throws(Violation) {
        for project in 0..<facts.projects { try act(.commit(.event(project: project))) }
        try settle()
    }

    private mutating func waitForRechecks() throws(Violation) {
        guard facts.checksMembership, let seconds = facts.recheckSeconds else { return }
        try wait(seconds: Int(seconds) * 2 + 4)
        try settle()
        for node in nodes { node.world.database.ledger.endUnheard() }
        try commitEverywhere()
    }

    // MARK: Who is present

    /// Seconds after which whoever was shunned because of a lost frame is believed again, and told of.
    private static var restSeconds: Int { 66 }

    private mutating func checkPeople() throws(Violation) {
        // Of others it isn't known what they take part in.
        for node in nodes {
            for number in node.world.live where !node.world.kernel.peers[number].isPrompt {
                node.world.kernel.peers[number].isReset = true
            }
        }
        try settle()
        try wait(seconds: Self.restSeconds)
        // Until nobody has been closed meanwhile.
        var count: Int
        repeat {
            count = openCount
            try wait(seconds: 20)
        } while count != openCount
        try settle()
        guard nodes.allSatisfy({ $0.world.areAllPrompt }) else { return }
        if facts.presence != .off {
            for node in nodes { try check(node) }
            try checkWholeness()
        }
        for node in nodes { try checkStatus(at: node) }
    }

    private var openCount: Int {
        nodes.reduce(0) { sum, node in
            sum + node.world.live.count { node.world.kernel.peers[$0].hearing.isOpen }
        }
    }

    private func check(_ node: Node) throws(Violation) {
        for project in 0..<facts.projects {
            let seen = seen(in: project, at: node)
            for number in node.world.live {
                let hearing = node.world.kernel.peers[number].hearing
                guard hearing.isOpen else { continue }
                do throws(Violation) {
                    try hearing.checkPresence(in: project, seen: seen, doubtful: [])
                } catch {
                    throw Violation(
                        error.rule, "node \(node.number), connection \(number): \(error.what)")
                }
            }
        }
    }

    /// Who is seen by whom at one node. Nobody is who hides there, or at the only one where he is.
    private func seen(in project: Int, at viewer: Node) -> [Int: String] {
        var seen: [Int: String] = [:]
        var hidden: Set<Int> = []
        for node in nodes {
            for (user, wishes) in node.world.wishes(in: project) {
                if wishes.contains(where: \.isInvisible) {
                    if node === viewer { hidden.insert(user) }
                } else if wishes.contains(where: { !$0.isAway }) || seen[user] == "active" {
                    seen[user] = "active"
                } else {
                    seen[user] = "away"
                }
            }
        }
        return seen.filter { !hidden.contains($0.key) }
    }

    /// Whoever asks anew is told that nobody is missing.
    private mutating func checkWholeness() throws(Violation) {
        for node in nodes {
            for number in node.world.live {
                let peer = node.world.kernel.peers[number]
                for (project, wish) in peer.hearing.wishes.sorted(by: { $0.key < $1.key }) {
                    try node.world.act(
                        .say(seat: peer.seat, .presence(project: project, wish)))
                }
            }
        }
        for _ in 0..<6 {
            try turn(milliseconds: World.awakeMillisecondsMax)
            for node in nodes {
                for number in node.world.live
                where node.world.kernel.peers[number].hearing.partials.contains(true) {
                    throw Violation(.partial, "node \(node.number) isn't whole at rest")
                }
            }
        }
    }

    // MARK: The status

    private mutating func checkStatus(at node: Node) throws(Violation) {
        for project in 0..<facts.projects {
            let ledger = node.world.database.ledger
            let member = (0..<facts.users).first {
                !facts.checksMembership || ledger.isMember($0, of: project)
            }
            guard let member else { continue }
            var greeting = Greeting(
                user: member, project: project, token: .valid(seconds: 600), address: 77)
            greeting.statusRequests = 1
            let count = node.world.kernel.peers.count
            try node.world.act(.connect(seat: facts.seats, greeting))
            guard node.world.kernel.peers.count > count else { continue }
            for _ in 0..<6 { try turn(milliseconds: 100) }
            let hearing = node.world.kernel.peers[count].hearing
            guard hearing.statuses == [200] else { continue }
            try compare(hearing.statusBody, project, node)
        }
    }

    private func compare(
        _ body: [UInt8], _ project: Int, _ node: Node
    ) throws(Violation) {
        var users: Set<Int> = []
        var connections = 0
        for other in nodes {
            let wishes = other.world.wishes(in: project)
            for number in other.world.live {
                let hearing = other.world.kernel.peers[number].hearing
                guard hearing.isOpen, hearing.subscriptions[project] != nil,
                    let user = hearing.user,
                    wishes[user]?.contains(where: \.isInvisible) != true
                else { continue }
                users.insert(user)
                connections += 1
            }
        }
        let ids = users.sorted().map { #""\#(Names.user($0))""# }.joined(separator: ",")
        let expected =
            #"{"total_clients":\#(openCount),"project_clients":\#(connections),"#
            + #""user_ids":[\#(ids)],"nodes":\#(nodes.count),"partial":false}"#
        let text = String(decoding: body, as: UTF8.self)
        guard text == expected else {
            throw Violation(
                .status, "node \(node.number), project \(project): \(text) for \(expected)")
        }
    }
}

extension World {
    func checkRestOfHearings() throws(Violation) {
        for number in live where !kernel.peers[number].isVanished {
            try kernel.peers[number].hearing.checkRest(database.ledger)
        }
    }

    /// Whether of all who are open it is known what they take part in.
    var areAllPrompt: Bool {
        live.allSatisfy { !kernel.peers[$0].hearing.isOpen || kernel.peers[$0].isPrompt }
    }

    /// How users take part in the project here.
    func wishes(in project: Int) -> [Int: [PresenceWish]] {
        var wishes: [Int: [PresenceWish]] = [:]
        for number in live {
            let hearing = kernel.peers[number].hearing
            guard hearing.isOpen, let user = hearing.user, let wish = hearing.wishes[project]
            else { continue }
            wishes[user, default: []].append(wish)
        }
        return wishes
    }
}
