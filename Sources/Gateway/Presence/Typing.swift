package import Reactor

/// Who types where, and until when: a sign is good for seven seconds, so nobody types for ever.
///
/// A value without IO, beside `Presence`, which says who is told of it. A message has the whole list,
/// so that one that is lost is made good by the next.
package struct Typing: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    var topics: [TypingTopic] = []
    private var freeTopics: [UInt32] = []
    private var topicsOfProject: [ProjectID: [UInt32]] = [:]
    private var timers: TimerWheel?
    var queued = IndexQueue()
    /// Whether `news` are noted.
    private let tellsOthers: Bool
    /// What clients of this process have said, or what has ended with them, for other processes.
    private var news: [TypingChange] = []

    /// - Parameter tellsOthers: whether other processes have to know who types here.
    package init(tellsOthers: Bool = false) {
        self.tellsOthers = tellsOthers
    }

    package var isEmpty: Bool { topicsOfProject.isEmpty }
    package var topicCount: Int { topics.count - freeTopics.count }

    // MARK: What is said

    /// The user types in the topic.
    package mutating func sign(
        of user: UserID, by client: ClientIndex, in project: ProjectID,
        _ topic: borrowing ByteBuffer, _ now: Instant
    ) -> TypingOutcome {
        let outcome = take(user, client, project, topic, now)
        if outcome == .counted, tellsOthers { note(user, project, topic.copy(), isOver: false) }
        return outcome
    }

    /// The user types in the topic, or doesn't any more, as another process says.
    package mutating func hear(
        _ change: TypingChange, _ topic: borrowing ByteBuffer, _ now: Instant
    ) {
        let (user, project) = (change.pair.user, change.pair.project)
        guard change.isOver else {
            _ = take(user, Typist.elsewhere, project, topic, now)
            return
        }
        guard let raw = find(project, topic) else { return }
        end(in: raw, now) { $0.user == user && $0.client == Typist.elsewhere }
    }

    private mutating func note(
        _ user: UserID, _ project: ProjectID, _ topic: [UInt8], isOver: Bool
    ) {
        guard news.count < Limits.busTypingMax else { return }
        news.append(
            TypingChange(MembershipPair(project: project, user: user), topic, isOver: isOver))
    }

    package var hasNews: Bool { !news.isEmpty }

    package mutating func dequeueNews() -> [TypingChange] {
        defer { news = [] }
        return news
    }

    private mutating func take(
        _ user: UserID, _ client: ClientIndex, _ project: ProjectID,
        _ topic: borrowing ByteBuffer, _ now: Instant
    ) -> TypingOutcome {
        guard let raw = find(project, topic) ?? make(project, topic, by: user, now) else {
            return .full
        }
        guard let position = topics[Int(raw)].typist(of: user) else {
            guard topics[Int(raw)].typists.count < Limits.typistsPerTopicMax,
                count(of: user, in: project) < Limits.topicsPerUserMax
            else { return .full }
            topics[Int(raw)].typists.append(Typist(user: user, client: client, signedAt: now))
            noteDue(raw, now)
            return .counted
        }
        let typist = topics[Int(raw)].typists[position]
        if !typist.hasEnded,
            now.nanoseconds(since: typist.signedAt) < Limits.typingSignNanoseconds
        {
            return .swallowed
        }
        topics[Int(raw)].typists[position].client = client
        topics[Int(raw)].typists[position].signedAt = now
        topics[Int(raw)].typists[position].hasEnded = false
        noteDue(raw, now)
        return .counted
    }

    /// The user says that it is over.
    package mutating func stop(
        _ user: UserID, in project: ProjectID, _ topic: borrowing ByteBuffer, _ now: Instant
    ) {
        guard let raw = find(project, topic) else { return }
        end(in: raw, now) { $0.user == user }
    }

    /// The user is gone, or hides.
    package mutating func end(of user: UserID, in project: ProjectID, _ now: Instant) {
        for raw in topicsOfProject[project] ?? [] { end(in: raw, now) { $0.user == user } }
    }

    /// The connection is gone, by which some signs came.
    package mutating func end(by client: ClientIndex, in project: ProjectID, _ now: Instant) {
        guard !isEmpty else { return }
        for raw in topicsOfProject[project] ?? [] { end(in: raw, now) { $0.client == client } }
    }

    /// - Parameter isExpiry: whether their time is up, of which others take care themselves.
    private mutating func end(
        in raw: UInt32, isExpiry: Bool = false, _ now: Instant, _ isConcerned: (Typist) -> Bool
    ) {
        var hasEnded = false
        for position in topics[Int(raw)].typists.indices.reversed() {
            let typist = topics[Int(raw)].typists[position]
            guard !typist.hasEnded, isConcerned(typist) else { continue }
            hasEnded = true
            if tellsOthers, !isExpiry, typist.client != Typist.elsewhere {
                let topic = topics[Int(raw)]
                note(typist.user, topic.project, topic.bytes, isOver: true)
            }
            topics[Int(raw)].typists[position].hasEnded = true
            topics[Int(raw)].typists[position].client = Typist.elsewhere
        }
        if hasEnded { noteDue(raw, now) }
    }

    // MARK: Topics

    private func find(_ project: ProjectID, _ topic: borrowing ByteBuffer) -> UInt32? {
        for raw in topicsOfProject[project] ?? [] where topics[Int(raw)].bears(topic) {
            return raw
        }
        return nil
    }

    /// Topics of the project in which the user types.
    private func count(of user: UserID, in project: ProjectID) -> Int {
        (topicsOfProject[project] ?? []).count { topics[Int($0)].typist(of: user) != nil }
    }

    private mutating func make(
        _ project: ProjectID, _ topic: borrowing ByteBuffer, by user: UserID, _ now: Instant
    ) -> UInt32? {
        guard topicCount < Limits.topicsMax,
            topicsOfProject[project]?.count ?? 0 < Limits.topicsPerProjectMax,
            count(of: user, in: project) < Limits.topicsPerUserMax
        else { return nil }
        if timers == nil {
            timers = TimerWheel(capacity: Limits.topicsMax, now: TimerWheel.tick(now))
        }
        let made = TypingTopic(project, topic)
        let raw = freeTopics.popLast() ?? UInt32(topics.count)
        if Int(raw) < topics.count { topics[Int(raw)] = made } else { topics.append(made) }
        topicsOfProject[project, default: []].append(raw)
        return raw
    }

    private mutating func discard(_ raw: UInt32) {
        let project = topics[Int(raw)].project
        topicsOfProject[project]?.removeAll { $0 == raw }
        if topicsOfProject[project]?.isEmpty == true { topicsOfProject[project] = nil }
        timers?.cancel(raw)
        topics[Int(raw)] = .free
        freeTopics.append(raw)
    }

    // MARK: Time

    /// When a topic has to be looked at; `nil` when none has.
    package mutating func nanosecondsUntilNext(_ now: Instant) -> UInt64? {
        timers?.nanosecondsUntilNext(now: now)
    }

    /// Looks at the topics whose time has come: there are few.
    package mutating func runTimers(_ clock: TurnClock) {
        while let raw = timers?.popDue(now: clock.tick) {
            end(in: raw, isExpiry: true, clock.now) {
                clock.now.nanoseconds(since: $0.signedAt) >= Limits.typingNanoseconds
            }
            update(raw, clock.now)
        }
    }

    private mutating func noteDue(_ raw: UInt32, _ now: Instant) {
        topics[Int(raw)].isDue = true
        update(raw, now)
    }

    /// Queues it when it is due, forgets it when nothing is left of it, else waits.
    mutating func update(_ raw: UInt32, _ now: Instant) {
        let topic = topics[Int(raw)]
        guard topic.cursor == nil else { return }
        if topic.isDue, topic.mayBeTold(now) {
            requeue(raw)
        } else if topic.typists.isEmpty, topic.mayBeTold(now) {
            discard(raw)
            return
        }
        if let deadline = topics[Int(raw)].deadline {
            timers?.schedule(raw, at: TimerWheel.tick(0, after: deadline))
        }
    }
}
