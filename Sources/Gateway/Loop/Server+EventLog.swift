internal import Reactor

// What the database is asked besides the members: canaries, missed events, and to prune.
extension Server {
    // MARK: Canary

    /// Sends a canary when it is time, and gives the listener up when none comes back.
    mutating func runCanary() {
        switch sessions.canary.due(core.clock.now) {
        case .nothing: return
        case .send: sendCanary()
        case .silence:
            core.metrics.canarySilences += 1
            listenerDid(sessions.listener.giveUp(.silent, core.clock.now))
        }
    }

    private mutating func sendCanary() {
        sessions.parameters.removeAll()
        sessions.parameters.append(text: sessions.canary.channel)
        sessions.parameters.append(text: String(sessions.canary.number &+ 1))
        let outcome = sessions.queries.ask(
            .canary, sessions.parameters, tag: 0, core.clock.now)
        if outcome == .asked { sessions.canary.sent(core.clock.now) }
        core.database.isCanaryInTime = sessions.canary.isInTime(core.clock.now)
    }

    /// The listener has heard something that isn't a change.
    mutating func receiveCanary(_ canary: CanaryPayload?) {
        guard let canary else { return }
        guard !sessions.isRelayed else {
            core.receiveCanary(canary)
            return
        }
        let wasInTime = core.database.isCanaryInTime
        if let nanoseconds = sessions.canary.heard(number: canary.number, core.clock.now) {
            core.metrics.canaryRoundTrip.observe(nanoseconds: nanoseconds)
        }
        core.database.isCanaryInTime = sessions.canary.isInTime(core.clock.now)
        if core.database.isCanaryInTime != wasInTime { relayStatus() }
        core.receiveCanary(canary)
    }

    mutating func handleCanary(_ outcome: consuming QueryOutcome) {
        switch consume outcome {
        case .rows(let rows):
            guard let state = DatabaseState(rows) else { return }
            relayState(rows)
            guard core.databaseIs(state) else { return }
            act(on: sessions.queries.refreshResources(core.clock.now))
        case .succeeded: break
        case .failed(let failure):
            // Of a loss the session tells itself.
            guard case .refused(let error) = failure else { return }
            sessions.canary.forget()
            core.log.refused("canary", error, at: core.clock.now)
        }
    }

    // MARK: Missed events

    /// Asks for what clients have missed, as much as may be under way at once.
    package mutating func askReads() {
        defer { applyReads() }
        if sharing.followersReadFirst {
            sharing.followersReadFirst = !askForFollowers(aboutMembers: false)
            askOwnReads()
        } else {
            askOwnReads()
            sharing.followersReadFirst = true
        }
        _ = askForFollowers(aboutMembers: false)
    }

    private mutating func askOwnReads() {
        askDirect()
        expireCursors()
        while core.wantsReads, sessions.reads.hasRoom(for: .events) {
            guard let tag = core.askReads(&sessions.projects, &sessions.cursors) else { return }
            sessions.parameters.removeAll()
            sessions.parameters.append(text: sessions.projects)
            sessions.parameters.append(text: sessions.cursors)
            switch sessions.reads.ask(.events, sessions.parameters, tag: tag, core.clock.now) {
            case .asked: continue
            case .full, .notLive:
                core.eventsFailed(tag: tag, .lost)
                return
            }
        }
    }

    mutating func handleEvents(_ outcome: consuming QueryOutcome, tag: UInt64) {
        switch consume outcome {
        case .rows(let rows):
            guard let projects = core.projectCount(of: tag) else { return }
            guard let answer = EventsAnswer(rows, projects: projects) else {
                let error = PostgresError(message: "rows of another shape")
                core.eventsFailed(tag: tag, .refused(error))
                return
            }
            core.receiveEvents(answer, tag: tag)
        case .succeeded: core.eventsFailed(tag: tag, .lost)
        case .failed(let failure): core.eventsFailed(tag: tag, failure)
        }
    }

    // MARK: Cursors that say nothing any more

    /// Raises the log's horizon when what was committed below it wasn't all announced.
    private mutating func expireCursors() {
        if let due = sessions.expireAt {
            guard due <= core.clock.now else { return }
            sessions.expireAt = nil
        }
        guard sessions.reads.isLive, sessions.reads.hasRoom(for: .expire),
            let cursor = core.takeExpiry()
        else { return }
        sessions.parameters.removeAll()
        sessions.parameters.append(decimal: Int64(clamping: cursor.transaction))
        let outcome = sessions.reads.ask(
            .expire, sessions.parameters, tag: cursor.transaction, core.clock.now)
        if outcome != .asked { core.expireAgain(cursor) }
    }

    /// A role that may not change the horizon leaves it: then the others find out for themselves. A table that is
    /// locked, or not known to be ours at present, can be written to later.
    mutating func handleExpired(_ outcome: consuming QueryOutcome, tag: UInt64) {
        guard case .failed(let failure) = outcome else { return }
        switch failure {
        case .lost: core.expireAgain(Cursor(transaction: tag))
        case .refused(let error):
            core.log.refused("expiring cursors", error, at: core.clock.now)
            guard !error.isAboutRights else { return }
            core.expireAgain(Cursor(transaction: tag))
            sessions.expireAt = core.clock.now.advanced(
                byNanoseconds: DatabaseLimits.pruneAgainNanoseconds)
        }
    }

    // MARK: Pruning

    /// Has old events deleted, when it is time.
    mutating func prune() {
        guard let next = sessions.pruneAt, next <= core.clock.now else { return }
        sessions.pruneAt = core.clock.now.advanced(
            byNanoseconds: DatabaseLimits.pruneIntervalNanoseconds)
        pruneDirect()
        guard core.database.eventLog == .usable else { return }
        sessions.parameters.removeAll()
        sessions.parameters.append(decimal: Int64(sessions.retentionSeconds))
        // Nothing is lost when it can't be asked now: the next time will do.
        _ = sessions.reads.ask(.prune, sessions.parameters, tag: 0, core.clock.now)
    }

    mutating func handlePruned(_ outcome: consuming QueryOutcome) {
        switch consume outcome {
        case .rows(let rows):
            let answer = PruneAnswer(rows)
            core.eventLogIsOverdue(seconds: answer.overdueSeconds)
            core.metrics.prunedEvents &+= answer.count
            if answer.count >= PruneQuery.rowsMax {
                sessions.pruneAt = core.clock.now.advanced(
                    byNanoseconds: DatabaseLimits.pruneAgainNanoseconds)
            }
        case .succeeded: break
        case .failed(let failure):
            guard case .refused(let error) = failure else { return }
            core.log.refused("pruning", error, at: core.clock.now)
        }
    }
}
