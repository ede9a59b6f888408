internal import Gateway
internal import GatewayHarness
internal import Reactor

// What each action does to the world; the gateway hears of it in its next turn.
extension World {
    mutating func act(_ action: Action) throws(Violation) {
        switch action {
        case .connect(let seat, let greeting): connect(seat, greeting)
        case .say(let seat, let utterance, let frames): say(utterance, frames, seat)
        case .arrive(let seat, let bytes): change(seat) { $0.arrivingBytes = bytes }
        case .read(let seat, let bytes):
            change(seat) {
                $0.readingBytes = bytes
                // What the socket has room for already it doesn't lose.
                $0.room = max($0.room, bytes)
            }
        case .end(let seat): change(seat) { $0.isEnded = true }
        case .reset(let seat): change(seat) { $0.isReset = true }
        case .vanish(let seat): change(seat) { $0.isVanished = true }
        case .commit(let change): database.ledger.commit(change)
        case .burst(let project, let count):
            for _ in 0..<count { database.ledger.commit(.event(project: project)) }
        case .forge(let forgery): database.ledger.forge(forgery)
        case .loseChange(let project): loseChange(project)
        case .silence(let project): silence(project)
        case .removeUnheard(let user, let project):
            if facts.recheckSeconds != nil { database.ledger.removeUnheard(user, project) }
        case .malformed(let kind): database.ledger.addMalformed(Malformed.payload(kind))
        case .holdNotifications(let holds): database.holdsNotifications = holds
        case .loseListener: loseListener()
        case .regainListener: regainListener()
        case .holdAnswers(let holds): database.holdsAnswers = holds
        case .look: database.look()
        case .answer(let position): answer(position, isRefused: false)
        case .refuse(let position): answer(position, isRefused: true)
        case .loseQueries: loseQueries()
        case .regainQueries:
            database.answersQueries = true
            core.database.answersQueries = true
        case .sendDirect(let sender, let recipient):
            references += 1
            _ = database.direct.beginApplication(
                from: Names.user(sender), to: Names.user(recipient),
                id: Names.message(1_000_000 + references), ttlSeconds: 60)
        case .commitDirect:
            let open = database.direct.openTransactions
            if !open.isEmpty { database.direct.commit(open[directRandom.below(open.count)]) }
        case .executeDirect(let count): database.direct.execute(upTo: count)
        case .answerDirect:
            if database.answersQueries { database.direct.answerFirst(&core) }
        case .holdDirect(let holds): database.holdsDirect = holds
        case .forgeDirect(let number): forgeDirect(number)
        case .refuseDirect: database.direct.refuseFirst(&core)
        case .canary: database.ledger.addCanary()
        case .prune(let kept): database.ledger.prune(keeping: kept)
        case .at(_, let action): try act(action)
        case .carrier(_, let isLive): core.busCarrierIs(live: isLive)
        case .cut, .heal, .carry, .stop, .begin, .freeze, .thaw: break
        case .drain:
            if drainBegan == nil { drainBegan = now }
            core.beginDrain()
        case .turn(let milliseconds):
            try turn(milliseconds: UInt64(milliseconds))
        case .pass(let seconds):
            for _ in 0..<seconds * 2 { try turn(milliseconds: World.awakeMillisecondsMax) }
        }
    }

    private mutating func change(_ seat: Int, _ body: (inout Peer) -> Void) {
        guard let number = seats[seat] else { return }
        body(&kernel.peers[number])
    }

    // MARK: Clients

    private mutating func connect(_ seat: Int, _ greeting: Greeting) {
        guard seats[seat] == nil else { return }
        let expiresAt: Int64
        switch greeting.token {
        case .valid(let seconds): expiresAt = wall.unixSeconds + Int64(seconds)
        case .expired: expiresAt = wall.unixSeconds - 1_000
        case .forged, .none: expiresAt = wall.unixSeconds + 1_000
        }
        let hearing = Hearing(
            greeting, facts, heardCommit: database.ledger.heardCommit, expiresAt: expiresAt)
        let number = kernel.peers.count
        let source = SocketAddress(ipv4: 0xC000_0200 + UInt32(greeting.address), port: 40_000)
        guard let index = core.admit(descriptor: Int32(number), from: source, at: .public) else {
            tally.dropped += 1
            return
        }
        kernel.peers.append(Peer(seat: seat, greeting, hearing, now: now))
        kernel.peers[number].lastArrivalAwake = awakeNanoseconds
        kernel.peers[number].index = index
        kernel.peers[number].interest = .read
        if greeting.speaksTLS { core.beginTLS(index) }
        let request = Self.firstBytes(greeting, expiresAt: expiresAt)
        kernel.peers[number].outbox = Array(request.prefix(greeting.bytesMax ?? .max))
        if kernel.peers[number].outbox.count < request.count || greeting.statusRequests > 0 {
            kernel.peers[number].hearing.breakTheLaw()
        }
        seats[seat] = number
        live.append(number)
    }

    private static func firstBytes(_ greeting: Greeting, expiresAt: Int64) -> [UInt8] {
        guard greeting.statusRequests > 0 else { return handshake(greeting, expiresAt: expiresAt) }
        let token = Tokens.make(
            user: greeting.user, expiresAt: expiresAt, isForged: greeting.token == .forged)
        let request =
            "GET /api/v1/projects/\(Names.project(greeting.project ?? 0))/ws/status?token=\(token)"
            + " HTTP/1.1\r\nHost: gateway\r\n\r\n"
        return Array(String(repeating: request, count: greeting.statusRequests).utf8)
    }

    private static func handshake(_ greeting: Greeting, expiresAt: Int64) -> [UInt8] {
        var query: [String] = []
        if greeting.token != .none {
            let token = Tokens.make(
                user: greeting.user, expiresAt: expiresAt, isForged: greeting.token == .forged)
            query.append("token=\(token)")
        }
        if let project = greeting.project { query.append("projectId=\(Names.project(project))") }
        let parameters = query.isEmpty ? "" : "?" + query.joined(separator: "&")
        return Array(
            ("GET /api/v1/messages/ws\(parameters) HTTP/1.1\r\nHost: gateway\r\n"
                + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                + (greeting.deflates ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "")
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").utf8)
    }

    mutating func say(_ utterance: Utterance, _ frames: Int, _ seat: Int) {
        guard let number = seats[seat], !kernel.peers[number].isEnded else { return }
        references += 1
        let speech = Speech(
            utterance, reference: references, frames: frames,
            isCompressed: kernel.peers[number].greeting.deflates && references % 2 == 0,
            wallSeconds: wall.unixSeconds,
            heardCommit: database.ledger.heardCommit, commits: database.ledger.commits,
            gotten: kernel.peers[number].hearing.gotten)
        kernel.peers[number].outbox += speech.bytes
        if facts.nodes > 1 { kernel.peers[number].note(utterance) }
        if speech.isLawful {
            if let expectation = speech.expectation {
                kernel.peers[number].hearing.expect(expectation, database.ledger)
            }
        } else {
            kernel.peers[number].hearing.breakTheLaw()
        }
    }

    // MARK: The database

    /// The next canary's answer shows that something was lost, and whoever wrote it has ended.
    private mutating func loseChange(_ project: Int) {
        database.ledger.loseChange(of: project, seenByTrigger: true)
        database.losses += 1
        isLossDue = true
    }

    /// The look at the catalogue behind it finds other triggers than before.
    private mutating func silence(_ project: Int) {
        database.ledger.loseChange(of: project, seenByTrigger: false)
        database.switchings += 1
        isLossDue = true
    }

    /// What the server asks every few seconds, and every minute.
    mutating func lookAtDatabase() {
        guard isLossDue, database.answersQueries else { return }
        let end = Cursor(transaction: UInt64(database.ledger.commits + 1))
        core.tablesAre(database.tables)
        core.databaseIs(
            DatabaseState(
                eventLog: facts.hasEventLog ? .usable : .absent, direct: .usable,
                triggerLosses: database.losses,
                begin: end, end: end))
        isLossDue = core.database.watch.owesResync
    }

    private mutating func loseListener() {
        guard database.isListening else { return }
        database.isListening = false
        core.listenerWasLost()
        database.direct.announced = []
        database.loseBacklog()
    }

    mutating func regainListener() {
        guard !database.isListening else { return }
        database.isListening = true
        database.ledger.losePending()
        // Nobody heard it.
        database.direct.announced = []
        core.listenerBecameLive()
    }

    /// Answers the oldest question to the event log.
    mutating func answerRead(isRefused: Bool) {
        database.look()
        guard !database.reads.isEmpty else { return }
        let read = database.reads.removeFirst()
        lastAnswer = awakeNanoseconds
        guard !isRefused, let found = read.found else {
            let error = PostgresError(message: "refused")
            core.eventsFailed(tag: read.tag, isRefused ? .refused(error) : .lost)
            return
        }
        core.receiveEvents(
            Self.rows(of: found.records, found.nextCommit, database.ledger), tag: read.tag)
    }

    private static func rows(
        of records: [Ledger.Record], _ nextCommit: Int, _ ledger: Ledger
    ) -> EventsAnswer {
        let count = records.reduce(0) { $0 + $1.rowCount }
        var answer = EventsAnswer(
            cursor: Cursor(transaction: UInt64(nextCommit)),
            last: Cursor(transaction: UInt64(nextCommit)), isCut: count >= EventsQuery.rowsMax)
        for (project, record) in records.enumerated() {
            for (row, payload) in rows(of: record, ledger) where answer.count < EventsQuery.rowsMax
            {
                answer.append(row, project: project, payload: payload.span)
            }
        }
        return answer
    }

    private static func rows(
        of record: Ledger.Record, _ ledger: Ledger
    ) -> [(EventsAnswer.Row, [UInt8])] {
        switch record {
        case .expired: [(.expired, [])]
        case .tooMany: [(.tooMany, [])]
        case .events([]): [(.event, [])]
        case .events(let numbers): numbers.map { (.event, ledger.events[$0].logged) }
        }
    }

    /// Answers one question, of those that there are the one at `position`.
    mutating func answer(_ position: Int, isRefused: Bool) {
        if position == 2 || database.queries.isEmpty {
            answerRead(isRefused: isRefused)
            return
        }
        database.look()
        let query = database.queries.remove(at: position % database.queries.count)
        lastAnswer = awakeNanoseconds
        guard !isRefused else {
            core.failMembershipBatch(query.number)
            return
        }
        for (position, isMember) in (query.found ?? []).enumerated() where isMember {
            _ = core.noteMember(Int64(position + 1), inMembershipBatch: query.number)
        }
        core.finishMembershipBatch(query.number)
    }

    private mutating func loseQueries() {
        database.answersQueries = false
        core.database.answersQueries = false
        while !database.queries.isEmpty { answer(0, isRefused: true) }
        for read in database.reads { core.eventsFailed(tag: read.tag, .lost) }
        database.reads.removeAll()
        database.direct.lose(&core)
    }

    /// Whoever may connect says that something was sent, or acknowledged.
    private mutating func forgeDirect(_ number: Int) {
        let users = [Names.user(number % 3), Names.user(number % 5)]
        // Now and then it knows what is under way.
        if number % 3 == 0,
            let send = database.direct.sendsUnderWay.randomElement(using: &directRandom)
        {
            database.direct.announced.append(
                Array("m \(send.recipient) \(send.sender) \(1 + number % 40) \(send.id)".utf8))
            return
        }
        let letter = number % 2 == 0 ? "m" : "a"
        database.direct.announced.append(
            Array("\(letter) \(users[0]) \(users[1]) \(1 + number % 40)".utf8))
    }
}

/// Payloads that the triggers never write.
enum Malformed {
    /// Whether the gateway can tell for whom it would be.
    static func namesProject(_ payload: [UInt8]) -> Bool {
        String(decoding: payload, as: UTF8.self).contains("\(Names.project(0))")
    }

    static func payload(_ kind: Int) -> [UInt8] {
        let project = Names.project(0)
        let texts = [
            "", "not JSON", "[]", "{\"resource\":\"tasks\"}", "\u{0}\u{1}",
            #"{"resource":"tasks","id":"1","action":"UPDATE","project_id":"nobody","timestamp":"t"}"#,
            #"{"resource":"","id":"1","action":"UPDATE","project_id":"\#(project)","timestamp":"t"}"#,
        ]
        return Array(texts[kind % texts.count].utf8)
    }
}
