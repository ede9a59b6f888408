package import Reactor

/// Whom questions of one kind of session go to: a session of our own, or the leader's. The calls are those of
/// `QuerySession`.
package struct QueryLane: ~Copyable {
    package var session: QuerySession
    package var relayed = RelayedQuestions()
    /// Whether the leader is asked. What was asked before is still answered as it was asked.
    package var isRelayed = false

    package init(_ session: consuming QuerySession) { self.session = session }

    package var isLive: Bool { isRelayed ? relayed.isLive : session.isLive }
    package var tables: AnnouncedTables {
        isRelayed ? relayed.tables.tables : session.tables
    }
    package var membersFault: String? {
        isRelayed ? relayed.tables.membersFault : session.membersFault
    }

    package var registration: DatabaseRegistration? { session.registration }
    package var phase: LinkLifecycle.Phase { session.phase }
    package var needsResolution: Bool { session.needsResolution }
    package var deadline: Instant? { isRelayed ? nil : session.deadline }

    package mutating func start(_ now: Instant) -> DatabaseEvent { timer(now) }

    package mutating func timer(_ now: Instant) -> DatabaseEvent {
        isRelayed ? .none : session.timer(now)
    }

    package mutating func resolved(_ hosts: [ResolvedHost], _ now: Instant) -> DatabaseEvent {
        session.resolved(hosts, now)
    }

    package mutating func ready(_ now: Instant) -> DatabaseEvent {
        isRelayed ? .none : session.ready(now)
    }

    package mutating func refreshResources(_ now: Instant) -> DatabaseEvent {
        isRelayed ? .none : session.refreshResources(now)
    }

    package func pendingCount(of query: DatabaseQuery) -> Int {
        isRelayed ? relayed.pendingCount(of: query) : session.pendingCount(of: query)
    }

    package func hasRoom(for query: DatabaseQuery) -> Bool {
        isRelayed ? relayed.hasRoom(for: query) : session.hasRoom(for: query)
    }

    package mutating func ask(
        _ query: DatabaseQuery, _ parameters: borrowing QueryParameters, tag: UInt64, _ now: Instant
    ) -> AskOutcome {
        guard isRelayed else { return session.ask(query, parameters, tag: tag, now) }
        return relayed.ask(query, parameters, tag: tag)
    }

    package mutating func dequeueAnswer() -> QueryAnswer? {
        if let answer = session.dequeueAnswer() { return answer }
        return relayed.dequeueAnswer()
    }

    package mutating func continueReading(_ now: Instant) -> DatabaseEvent {
        isRelayed ? .none : session.continueReading(now)
    }
}
