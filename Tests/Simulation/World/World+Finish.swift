internal import Gateway
internal import GatewayHarness
internal import Reactor

// The end of the world: everything comes to rest, everybody has heard everything, everybody goes,
// and nothing is left.
extension World {
    /// Turns that it may take to come to rest: so many that it never should.
    static var turnsMax: Int { 4_000 }

    mutating func finish() throws(Violation) {
        releaseAll()
        try settle()
        for project in 0..<facts.projects {
            database.ledger.commit(.event(project: project))
        }
        try settle()
        try waitForRechecks()
        for number in live where !kernel.peers[number].isVanished {
            try kernel.peers[number].hearing.checkRest(database.ledger)
            let hearing = kernel.peers[number].hearing
            if hearing.isOpen, !hearing.isLawless { try hearing.checkDirect(database.direct) }
        }
        try checkPresence()
        for number in live { kernel.peers[number].isReset = true }
        try settle()
        try waitForPresence()
        try checkNothingLeft()
        try checkMetrics()
    }

    /// Nothing is held back any more.
    mutating func releaseAll() {
        regainListener()
        database.holdsNotifications = false
        database.holdsAnswers = false
        database.holdsDirect = false
        database.answersQueries = true
        core.database.answersQueries = true
        for number in live {
            kernel.peers[number].readingBytes = .max
            kernel.peers[number].arrivingBytes = .max
        }
    }

    /// Who has gone is given up by then, also during a drain, and what has changed is told.
    private mutating func waitForPresence() throws(Violation) {
        for _ in 0..<44 { try turn(milliseconds: World.awakeMillisecondsMax) }
        try settle()
    }

    /// Everybody who wants to knows who is present.
    private mutating func checkPresence() throws(Violation) {
        guard facts.presence != .off else { return }
        var count: Int
        repeat {
            // So that they aren't closed for being silent.
            for number in live where !kernel.peers[number].hearing.isLawless {
                try act(.say(seat: kernel.peers[number].seat, .pongFrame))
            }
            count = live.count { kernel.peers[$0].hearing.isOpen }
            try waitForPresence()
        } while count != live.count { kernel.peers[$0].hearing.isOpen }
        for project in 0..<facts.projects {
            let (seen, doubtful) = self.seen(in: project)
            for number in live where !kernel.peers[number].isVanished {
                let hearing = kernel.peers[number].hearing
                guard hearing.isOpen, !hearing.isLawless else { continue }
                try hearing.checkPresence(in: project, seen: seen, doubtful: doubtful)
            }
        }
    }

    /// Who is seen in the project, and of whom that isn't known: of what those take part in who have
    /// sent what no client sends, and whether others are there at all who have vanished.
    private func seen(in project: Int) -> (seen: [Int: String], doubtful: Set<Int>) {
        var wishes: [Int: [PresenceWish]] = [:]
        var doubtful: Set<Int> = []
        for number in live {
            let hearing = kernel.peers[number].hearing
            guard hearing.isOpen else { continue }
            guard !hearing.isLawless, !kernel.peers[number].isVanished else {
                // Whose it is may not be known either.
                doubtful.formUnion(hearing.user.map { [$0] } ?? Array(0..<facts.users))
                continue
            }
            guard let user = hearing.user, let wish = hearing.wishes[project] else { continue }
            wishes[user, default: []].append(wish)
        }
        var seen: [Int: String] = [:]
        for (user, wishes) in wishes where !wishes.contains(where: \.isInvisible) {
            seen[user] = wishes.contains { !$0.isAway } ? "active" : "away"
        }
        return (seen, doubtful)
    }

    /// What nobody announced is found out by then.
    private mutating func waitForRechecks() throws(Violation) {
        guard facts.checksMembership, let seconds = facts.recheckSeconds else { return }
        // One that was under way before began with what was so then.
        for _ in 0..<(seconds * 4 + 8) { try turn(milliseconds: World.awakeMillisecondsMax) }
        try settle()
        database.ledger.endUnheard()
        for project in 0..<facts.projects {
            database.ledger.commit(.event(project: project))
        }
        try settle()
    }

    private mutating func settle() throws(Violation) {
        var turns = 0
        repeat {
            try turn(milliseconds: 20)
            turns += 1
            if turns > Self.turnsMax { throw Violation(.rest, "it never comes to rest") }
        } while !isAtRest
    }

    var isAtRest: Bool {
        guard !core.hasWorkLeft, core.membershipDeadline == nil, database.queries.isEmpty,
            !core.wantsReads, !isLossDue, !core.isCatchingUp, database.reads.isEmpty,
            database.backlog.isEmpty, database.ledger.pending.isEmpty, !database.direct.isBusy,
            !core.direct.hasWaiting
        else { return false }
        return live.allSatisfy { number in
            let peer = kernel.peers[number]
            return !peer.isReset && peer.outbox.isEmpty && !peer.interest.contains(.write)
        }
    }

    func checkNothingLeft() throws(Violation) {
        guard live.isEmpty else { throw Violation(.remains, "\(live.count) connections") }
        for remain in core.remains() where remain.count != 0 {
            throw Violation(.remains, "\(remain.count) of \(remain.what)")
        }
    }

    func checkMetrics() throws(Violation) {
        let closed = CloseLabel.allCases.reduce(0) { $0 + core.metrics.connectionsClosed[$1] }
        let outcomes = MembershipLabel.allCases.reduce(0) {
            $0 + core.metrics.membershipOutcomes[$1]
        }
        let dropped = DropLabel.allCases.reduce(0) { $0 + core.metrics.connectionsDropped[$1] }
        let opened = kernel.peers.count { $0.hearing.statuses.first == 101 }
        let heard = kernel.peers.reduce(0) { $0 + $1.hearing.eventCount }
        try compare("bytes sent", core.metrics.sentBytes, kernel.takenBytes)
        try compare("bytes received", core.metrics.receivedBytes, tally.receivedBytes)
        // What an audience missed is taken in like notifications.
        if !facts.hasEventLog || core.metrics.notificationsReceived < tally.notifications {
            try compare("notifications", core.metrics.notificationsReceived, tally.notifications)
        }
        try compare("connections dropped", dropped, tally.dropped)
        try compare("membership queries", core.metrics.membershipQueries, database.queryCount)
        try compare("membership outcomes", outcomes, Int(core.metrics.membershipChecks))
        try compare("connections closed", closed, Int(core.metrics.connectionsOpened))
        let malformed = Int(core.metrics.notificationsInvalid) - tally.malformed
        if !(0...tally.malformedOfProjects).contains(malformed) {
            throw Violation(.metrics, "\(malformed) malformed notifications too many")
        }
        if opened > Int(core.metrics.connectionsOpened) {
            throw Violation(.metrics, "\(opened) opened, more than were counted")
        }
        if heard > Int(core.metrics.deliveries) {
            throw Violation(.metrics, "\(heard) events heard, more than were delivered")
        }
    }

    private func compare(_ what: String, _ counted: UInt64, _ count: Int) throws(Violation) {
        if counted != UInt64(count) {
            throw Violation(.metrics, "\(what): counted \(counted) of \(count)")
        }
    }
}
