internal import Reactor

// Direct messages, on their way to the database and back: by the session that reads the event log, behind
// which nobody's membership waits.
extension Server {
    /// Asks all that is to be asked in this turn, each in one statement: what is sent, then what is announced,
    /// then inboxes, which so have what was announced before.
    mutating func askDirect() {
        guard !core.direct.isEmpty else { return }
        guard sessions.reads.isLive else {
            core.failWaitingDirect()
            return
        }
        askSends()
        ask(.directAck) { core, parameters in core.beginDirectAcks(into: &parameters) }
        ask(.directRead) { core, parameters in core.beginDirectRows(into: &parameters) }
        ask(.directInbox) { core, parameters in core.beginDirectPages(into: &parameters) }
    }

    /// Most statements have one message when there is little to do, and are answered the sooner.
    private mutating func askSends() {
        while sessions.reads.hasRoom(for: .directSend), sessions.reads.hasRoom(for: .directSendOne),
            let tag = core.beginDirectSends(into: &sessions.parameters)
        {
            let isOne = core.direct.asked(sends: tag).count == 1
            guard ask(isOne ? .directSendOne : .directSend, tag) else { return }
        }
    }

    private mutating func ask(
        _ query: DatabaseQuery,
        _ begin: (inout Core, inout QueryParameters) -> UInt64?
    ) {
        while sessions.reads.hasRoom(for: query),
            let tag = begin(&core, &sessions.parameters)
        {
            guard ask(query, tag) else { return }
        }
    }

    private mutating func ask(_ query: DatabaseQuery, _ tag: UInt64) -> Bool {
        let outcome = sessions.reads.ask(query, sessions.parameters, tag: tag, core.clock.now)
        guard outcome == .asked else {
            fail(query, tag, .lost)
            return false
        }
        return true
    }

    mutating func pruneDirect() {
        guard core.database.direct == .usable else { return }
        sessions.parameters.removeAll()
        // Nothing is lost when it can't be asked now: the next time will do.
        _ = sessions.reads.ask(.directPrune, sessions.parameters, tag: 0, core.clock.now)
    }

    mutating func handleDirect(_ answer: consuming QueryAnswer) {
        let query = answer.query
        let tag = answer.tag
        switch answer.outcome {
        case .rows(let rows):
            if !receive(rows, of: query, tag) {
                fail(query, tag, .refused(PostgresError(message: "rows of another shape")))
            }
        case .succeeded: fail(query, tag, .lost)
        case .failed(let failure): fail(query, tag, failure)
        }
    }

    /// False when the rows aren't what the statement returns.
    private mutating func receive(
        _ rows: borrowing PostgresRows, of query: DatabaseQuery, _ tag: UInt64
    ) -> Bool {
        switch query {
        case .directSend, .directSendOne:
            core.finishDirectSends(tag, outcomes(rows), timestamp: timestamp(rows))
        case .directAck:
            core.finishDirectAcks(tag)
        case .directRead:
            guard let count = core.directRowCount(of: tag) else { return true }
            guard let answer = DirectAnswer(rows, positions: count) else { return false }
            core.receiveDirectRows(answer, tag: tag)
        case .directInbox:
            guard let count = core.directPageCount(of: tag) else { return true }
            guard let answer = DirectAnswer(rows, positions: count) else { return false }
            core.receiveDirectPages(answer, tag: tag)
        case .directPrune: notePruned(rows)
        case .path, .resources, .members, .canary, .events, .prune, .expire:
            preconditionFailure("not about direct messages")
        }
        return true
    }

    /// By their places; what the server leaves out isn't known to be sent.
    private func outcomes(_ rows: borrowing PostgresRows) -> [DirectOutcome] {
        var outcomes: [DirectOutcome] = []
        for row in 0..<rows.count {
            guard rows.integer(row: row, column: 0) == Int64(row + 1) else { break }
            outcomes.append(DirectOutcome(rows.bytes(row: row, column: 1)) ?? .unavailable)
        }
        return outcomes
    }

    /// When they were sent, for clients: it is that of the transaction, so any row has it.
    private func timestamp(_ rows: borrowing PostgresRows) -> [UInt8] {
        guard rows.count > 0, rows.columnCount == DirectQueries.sentColumnCount else { return [] }
        let bytes = rows.bytes(row: 0, column: 2)
        guard bytes.count <= DirectQueries.timestampBytesMax else { return [] }
        return bytes.indices.map { bytes[$0] }
    }

    private mutating func notePruned(_ rows: borrowing PostgresRows) {
        guard let count = rows.integer(row: 0, column: 0), count > 0 else { return }
        core.metrics.directPruned &+= UInt64(count)
        if count >= PruneQuery.rowsMax {
            sessions.pruneAt = core.clock.now.advanced(
                byNanoseconds: DatabaseLimits.pruneAgainNanoseconds)
        }
    }

    private mutating func fail(_ query: DatabaseQuery, _ tag: UInt64, _ failure: QueryFailure) {
        switch query {
        case .directSend, .directSendOne: core.directSendsFailed(tag, failure)
        case .directAck: core.directAcksFailed(tag, failure)
        case .directRead: core.directRowsFailed(tag, failure)
        case .directInbox: core.directPagesFailed(tag, failure)
        case .directPrune:
            guard case .refused(let error) = failure else { return }
            core.log.refused("deleting direct messages", error, at: core.clock.now)
        case .path, .resources, .members, .canary, .events, .prune, .expire:
            preconditionFailure("not about direct messages")
        }
    }
}
