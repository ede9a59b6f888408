internal import Reactor

// What the query session is asked besides the members: canaries, missed events, and to prune.
extension Server {
    // MARK: Canary

    /// Sends a canary when it is time, and gives the listener up when none comes back.
    mutating func runCanary() {
        switch database.canary.due(core.now) {
        case .nothing: return
        case .send: sendCanary()
        case .silence:
            core.metrics.canarySilences += 1
            listenerDid(database.listener.giveUp(.silent, core.now))
        }
    }

    private mutating func sendCanary() {
        database.parameters.removeAll()
        database.parameters.append(text: database.canary.channel)
        database.parameters.append(text: String(database.canary.number &+ 1))
        let outcome = database.queries.ask(
            .canary, database.parameters, tag: 0, core.now)
        if outcome == .asked { database.canary.sent(core.now) }
        core.isCanaryInTime = database.canary.isInTime(core.now)
    }

    /// The listener has heard something that isn't a change.
    mutating func heardCanary(_ payload: borrowing Span<UInt8>) {
        guard let song = CanarySong(payload) else { return }
        if let nanoseconds = database.canary.heard(number: song.number, core.now) {
            core.metrics.canaryRoundTrip.observe(nanoseconds: nanoseconds)
        }
        core.isCanaryInTime = database.canary.isInTime(core.now)
        core.heardCanary(song)
    }

    mutating func takeCanary(_ outcome: consuming QueryOutcome) {
        switch consume outcome {
        case .rows(let rows):
            guard let state = DatabaseState(rows) else { return }
            core.eventLogIs(state.eventLog)
            watchQueue(state.queueUsageMillionths)
        case .succeeded: break
        case .failed(let failure):
            // Of a loss the session tells itself.
            guard case .refused(let error) = failure else { return }
            database.canary.forget()
            core.log.refused("canary", error, at: core.now)
        }
    }

    private mutating func watchQueue(_ usage: UInt64) {
        core.metrics.queueUsageMillionths = usage
        if usage >= DatabaseLimits.queueUsageWarning {
            core.log.queueFillsUp(percent: usage / 10_000, at: core.now)
        }
    }

    // MARK: Missed events

    /// Asks for what clients have missed, as much as may be under way at once.
    mutating func askReads() {
        while core.wantsReads, database.queries.hasRoom(for: .events) {
            guard let tag = core.askReads(&database.projects, &database.cursors) else { return }
            database.parameters.removeAll()
            database.parameters.append(text: database.projects)
            database.parameters.append(text: database.cursors)
            switch database.queries.ask(.events, database.parameters, tag: tag, core.now) {
            case .asked: continue
            case .full, .notLive:
                core.eventsFailed(tag: tag, .lost)
                return
            }
        }
    }

    mutating func takeEvents(_ outcome: consuming QueryOutcome, tag: UInt64) {
        switch consume outcome {
        case .rows(let rows):
            guard let projects = core.projectCount(of: tag) else { return }
            guard let answer = EventsAnswer(rows, projects: projects) else {
                let error = PostgresError(message: "rows of another shape")
                core.eventsFailed(tag: tag, .refused(error))
                return
            }
            core.takeEvents(answer, tag: tag)
        case .succeeded: core.eventsFailed(tag: tag, .lost)
        case .failed(let failure): core.eventsFailed(tag: tag, failure)
        }
    }

    // MARK: Pruning

    /// Has old events deleted, when it is time.
    mutating func prune() {
        guard let next = database.pruneAt, next <= core.now else { return }
        database.pruneAt = core.now.advanced(
            byNanoseconds: DatabaseLimits.pruneIntervalNanoseconds)
        guard core.eventLog == .usable else { return }
        database.parameters.removeAll()
        database.parameters.append(decimal: Int64(database.retentionSeconds))
        // Nothing is lost when it can't be asked now: the next time will do.
        _ = database.queries.ask(.prune, database.parameters, tag: 0, core.now)
    }

    mutating func takePruned(_ outcome: consuming QueryOutcome) {
        switch consume outcome {
        case .rows(let rows):
            guard let count = rows.integer(row: 0, column: 0), count > 0 else { return }
            core.metrics.prunedEvents += UInt64(count)
            if count >= PruneQuery.rowsMax {
                database.pruneAt = core.now.advanced(
                    byNanoseconds: DatabaseLimits.pruneAgainNanoseconds)
            }
        case .succeeded: break
        case .failed(let failure):
            guard case .refused(let error) = failure else { return }
            core.log.refused("pruning", error, at: core.now)
        }
    }
}
