internal import Gateway
internal import GatewayHarness
internal import Reactor

// The phases of a turn, and the clock's way to the next one.
extension World: TurnPhases {
    package typealias Failure = Violation

    mutating func turn(milliseconds: UInt64) throws(Violation) {
        try runTurn()
        pass(milliseconds: milliseconds)
        core.beginTurn(now: now, wall: wall)
    }

    mutating func runTurn() throws(Violation) {
        try runInboundPhases()
        try runOutboundPhases()
        try listen()
        try checkTurn()
    }

    mutating func pass(milliseconds: UInt64) {
        now = now.advanced(byMilliseconds: milliseconds)
        if milliseconds <= Self.awakeMillisecondsMax {
            awakeNanoseconds += milliseconds * 1_000_000
        }
    }

    // MARK: Readiness

    /// Chunks that arrive from one client in one turn.
    private static var arrivalsPerTurn: Int { 64 }

    package mutating func receiveReady() {
        // epoll reports in no order that can be relied on.
        let first = random.below(max(live.count, 1))
        let hearsOthersFirst = !busArrivals.isEmpty && random.once(in: 2)
        if hearsOthersFirst { receiveFrames() }
        for offset in live.indices { takeClient(live[(first + offset) % live.count]) }
        if !hearsOthersFirst { receiveFrames() }
        receiveAnswers()
    }

    private mutating func receiveFrames() {
        for frame in busArrivals { _ = core.receiveBusFrame(frame.span) }
        busArrivals = []
    }

    private mutating func takeClient(_ number: Int) {
        let index = kernel.peers[number].index
        // Where nothing could be written in the last turn, there is still as much room.
        let room = waitsForItsTurn(kernel.peers[number]) ? kernel.peers[number].room : 0
        kernel.peers[number].room = max(room, kernel.peers[number].readingBytes)
        guard !kernel.peers[number].isFreed else { return }
        if kernel.peers[number].interest.contains(.write), kernel.peers[number].room > 0 {
            core.becameWritable(index)
            // What it took before is with the peer, though nothing may be sent at once.
            kernel.peers[number].lastTaken = now
        }
        if kernel.peers[number].isReset {
            core.connectionLost(index)
            return
        }
        var arrivals = 0
        while arrivals < Self.arrivalsPerTurn, canArrive(number) {
            arrive(number)
            arrivals += 1
        }
        guard kernel.peers[number].isEnded, kernel.peers[number].outbox.isEmpty,
            kernel.peers[number].interest.contains(.read), !core.isPaused(index)
        else { return }
        core.receiveEnd(from: index)
    }

    private func hasArrived(_ number: Int) -> Bool {
        !kernel.peers[number].outbox.isEmpty && kernel.peers[number].arrivingBytes > 0
    }

    private mutating func canArrive(_ number: Int) -> Bool {
        hasArrived(number) && kernel.peers[number].interest.contains(.read)
            && !core.isPaused(kernel.peers[number].index)
            && core.mayReceive(from: kernel.peers[number].index)
    }

    private mutating func arrive(_ number: Int) {
        let count = min(
            kernel.peers[number].outbox.count, kernel.peers[number].arrivingBytes, 65_536)
        let bytes = Array(kernel.peers[number].outbox.prefix(count))
        kernel.peers[number].outbox.removeFirst(count)
        kernel.peers[number].hear(at: now, awake: awakeNanoseconds)
        tally.receivedBytes += count
        receive(bytes, from: kernel.peers[number].index)
    }

    /// What a client costs is what the core says that it costs.
    private mutating func receive(_ bytes: [UInt8], from index: ClientIndex) {
        core.restoreLeftover(of: index, to: &area)
        var all = area.copy() + bytes
        var span = all.mutableSpan
        let share = core.share(of: index)
        let work = core.receive(&span, received: bytes.count, from: index)
        core.spend(work, of: share)
    }

    // MARK: The database

    private mutating func receiveAnswers() {
        if !database.holdsAnswers {
            // Each takes its time, and they come in any order.
            for _ in database.queries.indices where random.once(in: 2) {
                answer(random.below(database.queries.count), isRefused: false)
            }
        }
        if !database.holdsAnswers, !database.reads.isEmpty, random.once(in: 2) {
            answerRead(isRefused: false)
        }
        receiveDirect()
    }

    /// Statements may be executed long before their answers arrive.
    private mutating func receiveDirect() {
        guard database.answersQueries, !database.holdsDirect else { return }
        if directRandom.once(in: 2) {
            database.direct.execute(upTo: directRandom.below(database.direct.statementCount + 1))
        }
        if directRandom.once(in: 2) { database.direct.answerFirst(&core) }
    }

    package mutating func handleMembershipAnswers() {
        core.handleMembershipAnswers()
        core.answerStatuses()
    }

    package mutating func answerResumes() { core.answerResumes() }

    package mutating func receiveUnpaused() {
        while let index = core.dequeueTurn() {
            if core.hasUnread(index) {
                receive([], from: index)
            } else if let number = live.first(where: { kernel.peers[$0].index == index }),
                hasArrived(number)
            {
                arrive(number)
            }
        }
    }

    package mutating func runTimers() {
        while core.runTimers(heardEveryone: true) {}
        core.runBusTimers()
        if core.drain != nil { isDrained = core.continueDrain() == nil }
        core.expireReads()
        lookAtDatabase()
    }

    /// Notifications in one turn, as in the server.
    private static var notificationsPerTurn: Int { 512 }

    package mutating func receiveNotifications() {
        for _ in 0..<Self.notificationsPerTurn {
            // What was kept while missed events were read is older than what comes.
            if !core.isCatchingUp, !database.backlog.isEmpty {
                notify(database.backlog.removeFirst())
                continue
            }
            guard database.isListening, !database.holdsNotifications,
                let notification = database.ledger.announceNext()
            else { break }
            take(notification)
        }
        if facts.plantedFault == .losesDirect { database.direct.announced = [] }
        if database.isListening, !database.holdsNotifications { database.direct.announce(&core) }
        core.continueResync()
    }

    private mutating func take(_ notification: Ledger.Notification) {
        if case .canary(let nextCommit) = notification {
            let canary = CanaryPayload(Array("1 \(nextCommit)".utf8).span)
            if let canary { core.receiveCanary(canary) }
        } else if core.isCatchingUp {
            database.backlog.append(notification)
            if database.backlog.count >= Self.backlogMax { core.giveUpCatchingUp() }
        } else {
            notify(notification)
        }
    }

    /// Notifications that are kept while older ones are read: fewer than in the server, so that there
    /// are too many at times.
    private static var backlogMax: Int { 400 }

    private mutating func notify(_ notification: Ledger.Notification) {
        guard !loses(notification) else { return }
        tally.notifications += 1
        switch notification {
        case .canary: return
        case .event(let number):
            if facts.nodes > 1, let ending = database.ledger.ending(of: number) {
                endings.append(ending)
            }
            let payload = database.ledger.events[number].payload
            core.notify(payload.span)
        case .malformed(let payload):
            if Malformed.namesProject(payload) {
                tally.malformedOfProjects += 1
            } else {
                tally.malformed += 1
            }
            core.notify(payload.span)
        }
    }

    package mutating func askReads() {
        var projects = ByteBuffer()
        var cursors = ByteBuffer()
        while core.wantsReads, database.answersQueries, database.reads.count < Self.readsMax,
            let tag = core.askReads(&projects, &cursors)
        {
            database.read(tag, projects: projects.copy(), cursors: cursors.copy())
            if random.once(in: 2) { database.look() }
        }
        database.direct.isLive = database.answersQueries
        database.direct.now = wall.unixSeconds
        database.direct.ask(&core)
    }

    /// Questions to the event log that may be under way.
    private static var readsMax: Int { 2 }

    package mutating func askMemberships() {
        core.recheckMemberships()
        core.continueVerifications()
        while core.isMembershipBatchDue {
            var parameters = QueryParameters()
            let number = core.beginMembershipBatch(into: &parameters)
            database.take(number, parameters)
            // The answer may be found long before it arrives.
            if random.once(in: 2) { database.look() }
        }
        if !core.database.answersQueries { core.failMembershipQuestions() }
    }

    // MARK: Everything goes out

    package mutating func flush() {
        kernel.now = now
        var limits = DeliveryLimits()
        limits.perTurn = facts.deliveriesPerTurn
        limits.perRoomShare = max(1, facts.deliveriesPerTurn / 2)
        limits.writesPerTurn = facts.writesPerTurn
        limits.writtenBytesPerTurn = facts.writtenBytesPerTurn
        let collapsedBefore = core.metrics.collapsedClients
        core.flush(to: &kernel, limits)
        leak(collapsedBefore: collapsedBefore)
    }

    package mutating func applyInterests() throws(Violation) {
        while let index = core.dequeueInterestChange() {
            guard let number = live.first(where: { kernel.peers[$0].index == index }) else {
                throw Violation(.core, "the interest of nobody has changed")
            }
            kernel.peers[number].interest = core.interest(of: index)
        }
    }

    package mutating func freeClosed() throws(Violation) {
        for _ in 0..<facts.closesPerTurn {
            guard let descriptor = core.freeNext() else { break }
            let number = Int(descriptor)
            guard !kernel.peers[number].isFreed else {
                throw Violation(.core, "connection \(number) was closed twice")
            }
            kernel.peers[number].isFreed = true
        }
        let freed = live.filter { kernel.peers[$0].isFreed }
        guard !freed.isEmpty else { return }
        try listen()
        for number in freed {
            try checkFreed(kernel.peers[number])
            let seat = kernel.peers[number].seat
            if seats[seat] == number { seats[seat] = nil }
        }
        live.removeAll { kernel.peers[$0].isFreed }
    }
}
