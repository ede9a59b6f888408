internal import Reactor

// The session that reads the event log, beside the one that everybody's membership waits for.
extension Server {
    mutating func readsReady() {
        guard sessions.logins.admits(sessions.reads.phase, core.clock.now) else { return }
        readsDid(sessions.reads.ready(core.clock.now))
    }

    mutating func readsDid(_ event: DatabaseEvent) {
        actOnReads(event)
        while sessions.eventsReadAt != core.clock.now, let answer = sessions.reads.dequeueAnswer() {
            if answer.query == .events { sessions.eventsReadAt = core.clock.now }
            handle(answer)
            actOnReads(sessions.reads.continueReading(core.clock.now))
        }
        applyReads()
        sessions.resolveIfNeeded()
    }

    /// Reads on behind the answer of an earlier turn.
    mutating func continueReads() {
        guard let turn = sessions.eventsReadAt, turn != core.clock.now else { return }
        sessions.eventsReadAt = nil
        readsDid(sessions.reads.continueReading(core.clock.now))
    }

    /// Tells epoll what the session wants to be told.
    mutating func applyReads() {
        apply(sessions.reads.registration, instead: sessions.readsRegistration, kind: .readSession)
        sessions.readsRegistration = sessions.reads.registration
    }

    /// What it finds in the catalogue is for its own statements: the query session tells the core.
    private mutating func actOnReads(_ event: DatabaseEvent) {
        switch event {
        case .none, .resources: break
        case .live: relayStatus()
        case .lost(let loss):
            relayStatus()
            core.log.readsLost(error: loss.description, advice: loss.advice, at: core.clock.now)
        case .refused(let error):
            core.log.refused("a statement of the read session", error, at: core.clock.now)
        }
    }
}
