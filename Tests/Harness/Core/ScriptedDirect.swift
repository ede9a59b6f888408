package import Gateway
internal import Reactor

/// The database as far as direct messages go: a table, announcements on their way, and statements that are
/// executed and answered when a test says so, in their order.
package struct ScriptedDirect {
    package struct Row: Equatable, Sendable {
        package var place: InboxPlace
        package let id: UUID
        package let sender: UserID
        package let recipient: UserID
        package let data: [UInt8]
        package var wantsReceipt: Bool
        package let expiresAt: Int64
        package let origin: UUID?
        package var acknowledger: UUID?
        package var isAcknowledged = false
    }

    private enum Wish {
        case send([DirectSend])
        case acknowledge([DirectAck])
        case read([WaitingHints.Row])
        case page([(user: UserID, place: InboxPlace)])
    }

    private struct Statement {
        let tag: UInt64
        let wish: Wish
        /// What was found or done, once it is executed.
        var outcomes: [DirectOutcome]?
        var found: [(position: Int, row: Row)]?
        var end: UInt64 = 0
    }

    package private(set) var rows: [Row] = []
    /// Announced, and not heard yet.
    package var announced: [[UInt8]] = []
    private var statements: [Statement] = []
    /// What applications have sent in transactions that go on, by their numbers.
    private var open: [UInt64: [Row]] = [:]
    private var nextTransaction: UInt64 = 100
    private var nextSequence: Int64 = 1

    /// Seconds.
    package var now: Int64 = 0
    /// Users who share no project with anybody.
    package var strangers: Set<UserID> = []
    package var inboxCountMax = 1_000
    package var isLive = true
    package var answersAtOnce = true
    package var announcesAtOnce = true
    /// Users whose messages no statement can have.
    package var poisoned: Set<UserID> = []

    package init() {}

    package var isBusy: Bool { !statements.isEmpty || !announced.isEmpty }
    package var statementCount: Int { statements.count }

    // MARK: The gateway's statements

    /// Takes what the core has to ask, in the server's order.
    package mutating func ask(_ core: inout Core) {
        guard !core.direct.isEmpty else { return }
        guard isLive else {
            core.failWaitingDirect()
            return
        }
        var parameters = QueryParameters()
        while count(where: { if case .send = $0 { true } else { false } }) < 2,
            let tag = core.beginDirectSends(into: &parameters)
        {
            statements.append(Statement(tag: tag, wish: .send(core.direct.asked(sends: tag))))
        }
        while count(where: { if case .acknowledge = $0 { true } else { false } }) < 2,
            let tag = core.beginDirectAcks(into: &parameters)
        {
            statements.append(
                Statement(tag: tag, wish: .acknowledge(core.direct.asked(acks: tag))))
        }
        while count(where: { if case .read = $0 { true } else { false } }) < 2,
            let tag = core.beginDirectRows(into: &parameters)
        {
            statements.append(Statement(tag: tag, wish: .read(core.direct.asked(rows: tag))))
        }
        while count(where: { if case .page = $0 { true } else { false } }) < 2,
            let tag = core.beginDirectPages(into: &parameters)
        {
            let pages = core.direct.asked(pages: tag).map {
                (core.direct.user(of: $0.index) ?? $0.nobody, core.direct.place(of: $0.index))
            }
            statements.append(Statement(tag: tag, wish: .page(pages)))
        }
    }

    private func count(where isOfKind: (Wish) -> Bool) -> Int {
        statements.count { isOfKind($0.wish) }
    }

    /// The oldest statements up to `position` are executed.
    package mutating func execute(upTo position: Int) {
        for position in 0..<min(position, statements.count)
        where statements[position].outcomes == nil && statements[position].found == nil {
            var statement = statements[position]
            execute(&statement)
            statements[position] = statement
        }
    }

    private mutating func execute(_ statement: inout Statement) {
        statement.end = open.keys.min() ?? nextTransaction
        switch statement.wish {
        case .send(let sends):
            let transaction = begin()
            statement.outcomes = sends.map { send in
                insert(
                    Row(
                        place: InboxPlace(transaction: transaction, sequence: 0), id: send.id,
                        sender: send.sender, recipient: send.recipient, data: send.data,
                        wantsReceipt: send.wantsReceipt, expiresAt: now + Int64(send.ttlSeconds),
                        origin: send.origin))
            }
        case .acknowledge(let acks):
            for ack in acks { acknowledge(ack) }
            statement.outcomes = []
        case .read(let hints):
            statement.found = hints.enumerated().flatMap { position, hint in
                rows.filter {
                    $0.place.sequence == hint.sequence && $0.expiresAt > now
                }.map { (position, $0) }
            }
        case .page(let pages):
            statement.found = pages.enumerated().flatMap { position, page in
                inbox(of: page.user, behind: page.place).prefix(Limits.inboxPageMax + 1)
                    .map { (position, $0) }
            }
        }
    }

    private mutating func begin() -> UInt64 {
        defer { nextTransaction += 1 }
        return nextTransaction
    }

    private mutating func insert(_ row: Row) -> DirectOutcome {
        if rows.contains(where: { $0.sender == row.sender && $0.id == row.id }) { return .repeated }
        guard !strangers.contains(row.sender), !strangers.contains(row.recipient) else {
            return .notAllowed
        }
        let held = rows.count {
            $0.recipient == row.recipient && !$0.isAcknowledged && $0.expiresAt > now
        }
        guard held < inboxCountMax else { return .inboxFull }
        var row = row
        row.place = InboxPlace(transaction: row.place.transaction, sequence: nextSequence)
        nextSequence += 1
        rows.append(row)
        announced.append(
            Array("m \(row.recipient) \(row.sender) \(row.place.sequence) \(row.id)".utf8))
        return .sent
    }

    private mutating func acknowledge(_ ack: DirectAck) {
        for position in rows.indices
        where rows[position].recipient == ack.user && ack.ids.contains(rows[position].id)
            && !rows[position].isAcknowledged
        {
            rows[position].isAcknowledged = true
            rows[position].acknowledger = ack.origin
            if !ack.isVisible { rows[position].wantsReceipt = false }
            let row = rows[position]
            announced.append(
                Array("a \(row.recipient) \(row.sender) \(row.place.sequence)".utf8))
        }
    }

    /// What isn't acknowledged and not over, in its order.
    package func inbox(of user: UserID, behind place: InboxPlace = .start) -> [Row] {
        rows.filter {
            $0.recipient == user && !$0.isAcknowledged && $0.expiresAt > now
                && ($0.place.transaction, $0.place.sequence) > (place.transaction, place.sequence)
        }.sorted {
            ($0.place.transaction, $0.place.sequence) < ($1.place.transaction, $1.place.sequence)
        }
    }

    // MARK: Answers

    /// The oldest statement's answer arrives; it is executed now if it wasn't.
    package mutating func answerFirst(_ core: inout Core) {
        guard !statements.isEmpty else { return }
        if case .send(let sends) = statements[0].wish, statements[0].outcomes == nil,
            sends.contains(where: { poisoned.contains($0.sender) })
        {
            let tag = statements.removeFirst().tag
            core.directSendsFailed(
                tag, .refused(PostgresError(sqlstate: "22P05", message: "no such character")))
            return
        }
        execute(upTo: 1)
        let statement = statements.removeFirst()
        let tag = statement.tag
        var answer = DirectAnswer(end: Cursor(transaction: statement.end))
        let time = Array("2026-01-02T03:04:05.000006Z".utf8)
        for (position, row) in statement.found ?? [] {
            answer.append(
                DirectAnswer.Row(
                    position: position, place: row.place,
                    message: ServerMessage.DirectHeader(
                        id: row.id, sender: row.sender, recipient: row.recipient),
                    origin: row.origin, acknowledger: row.acknowledger,
                    isAcknowledged: row.isAcknowledged, wantsReceipt: row.wantsReceipt),
                data: row.data.span, timestamp: time.span)
        }
        switch statement.wish {
        case .send: core.finishDirectSends(tag, statement.outcomes ?? [], timestamp: time)
        case .acknowledge: core.finishDirectAcks(tag)
        case .read: core.receiveDirectRows(answer, tag: tag)
        case .page: core.receiveDirectPages(answer, tag: tag)
        }
    }

    /// What clients send in statements that aren't answered.
    package var sendsUnderWay: [DirectSend] {
        var all: [DirectSend] = []
        for statement in statements {
            if case .send(let sends) = statement.wish { all += sends }
        }
        return all
    }

    /// The oldest statement fails at its commit, if it sends something and isn't committed.
    package mutating func refuseFirst(_ core: inout Core) {
        guard let first = statements.first, case .send = first.wish, first.outcomes == nil else {
            return
        }
        statements.removeFirst()
        core.directSendsFailed(
            first.tag, .refused(PostgresError(sqlstate: "40001", message: "try again")))
    }

    package mutating func answerAll(_ core: inout Core) {
        while !statements.isEmpty { answerFirst(&core) }
    }

    /// The session is lost: of what was executed nobody learns.
    package mutating func lose(_ core: inout Core) {
        isLive = false
        let lost = statements
        statements = []
        for statement in lost {
            switch statement.wish {
            case .send: core.directSendsFailed(statement.tag, .lost)
            case .acknowledge: core.directAcksFailed(statement.tag, .lost)
            case .read: core.directRowsFailed(statement.tag, .lost)
            case .page: core.directPagesFailed(statement.tag, .lost)
            }
        }
    }

    // MARK: Announcements and applications

    /// Everything that was announced is heard.
    package mutating func announce(_ core: inout Core) {
        for payload in announced { core.noteDirect(payload.span) }
        announced = []
    }

    /// An application begins a transaction, and sends something in it. Returns its number.
    package mutating func beginApplication(
        from sender: UserID, to recipient: UserID, id: UUID, ttlSeconds: Int64 = 600
    ) -> UInt64 {
        let transaction = begin()
        open[transaction] = [
            Row(
                place: InboxPlace(transaction: transaction, sequence: 0), id: id, sender: sender,
                recipient: recipient, data: Array("{}".utf8), wantsReceipt: false,
                expiresAt: now + ttlSeconds, origin: nil)
        ]
        return transaction
    }

    package mutating func commit(_ transaction: UInt64) {
        for row in open.removeValue(forKey: transaction) ?? [] { _ = insert(row) }
    }

    package var openTransactions: [UInt64] { open.keys.sorted() }
}

extension Handle {
    fileprivate var nobody: UserID { UserID(high: 0, low: 0) }
}
