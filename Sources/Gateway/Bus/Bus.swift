package import Reactor

/// What this process tells others that serve the same clients, and what it knows of them.
///
/// A value: frames and instants come in, frames to be sent wait in `waiting`, and what only the core
/// knows is asked for by what `receive` returns. Which carrier brings the frames it doesn't know. No
/// invalidation goes this way: each process hears PostgreSQL itself.
package struct Bus: ~Copyable {
    private let identity: BusIdentity
    /// From when on others would have been heard; `nil` while the carrier to other hosts is lost.
    private var hearsSince: Instant?
    /// Why that carrier was lost the last time; `nil` while it is there and before.
    package private(set) var carrierFault: String?
    private var own: OwnCounts
    private var nodes: NodeTable
    private var questions = StatusQuestions()
    private var lists = UserLists()
    /// Who is present where, and whether that is heard.
    package var people: People
    private let hearsPeople: Bool
    /// Connections of users at other nodes, where their number has a limit.
    package var users: UserCounts
    private let countsUsers: Bool
    package var waiting = WaitingFrames()
    private var counted = BusFigures()

    /// - Parameter seed: for tables that nobody shall fill.
    /// - Parameter hearsPeople: whether anybody here is told who is present.
    /// - Parameter countsUsers: whether a user's connections have a limit.
    package init(
        _ identity: BusIdentity, seed: UInt64 = 0, hearsPeople: Bool = true,
        countsUsers: Bool = false, now: Instant
    ) {
        self.hearsPeople = hearsPeople
        self.countsUsers = countsUsers
        users = UserCounts(now: now)
        self.identity = identity
        people = People(own: identity, seed: seed)
        hearsSince = now
        own = OwnCounts(now: now)
        nodes = NodeTable(own: identity.node)
    }

    // MARK: Receiving

    /// What is wanted of whoever owns the bus.
    package enum Wish: Equatable, Sendable {
        case nothing
        /// Who looks at this project, for `answer`.
        case users(UsersWanted, asker: UInt64)
        /// To look at those of so many users who may be seen otherwise: `people` has them.
        case people(Int)
        case typing([TypingChange])
        /// To count that these users have sent so many direct messages.
        case sends([UserCount])
    }

    package mutating func receive(_ bytes: borrowing Span<UInt8>, _ now: Instant) -> Wish {
        counted.framesReceived &+= 1
        counted.bytesReceived &+= UInt64(bytes.count)
        let frame: BusFrame
        do throws(BusFrameFault) {
            frame = try BusFrame(bytes)
        } catch {
            counted.framesInvalid &+= 1
            return .nothing
        }
        nodes.heard(frame.sender, now)
        let wish = act(on: frame, now)
        sendWanted()
        return wish
    }

    private mutating func act(on frame: BusFrame, _ now: Instant) -> Wish {
        let sender = frame.sender
        switch frame.content {
        case .counts(let counts):
            switch nodes.receive(counts, number: frame.number, from: sender, now) {
            case .taken: break
            case .newcomer:
                // One that follows another in its place takes its clients along.
                questions.forget(sender.node)
                users.remove(sender.node)
                people.succeed(sender, now)
                own.isGreetingDue = true
            case .stale: counted.framesStale &+= 1
            case .full: counted.framesRefused &+= 1
            }
        case .snapshotWanted(let wanted):
            guard wanted.target == identity else { break }
            let part = own.counts.snapshot(from: wanted.shard)
            send(
                .snapshot(
                    SnapshotFrame(target: sender.node, shards: part.shards, counts: part.counts)))
        case .snapshot(let snapshot):
            guard snapshot.target == identity.node else { break }
            if !nodes.receive(snapshot, number: frame.number, from: sender, now) {
                counted.framesStale &+= 1
            }
        case .usersWanted(let wanted):
            guard wanted.target == identity.node else { break }
            guard let part = lists.part(wanted, of: sender.node) else {
                return .users(wanted, asker: sender.node)
            }
            send(.users(part))
        case .users(let part):
            guard part.target == identity.node else { break }
            if let next = questions.receive(part, from: sender.node) { send(.usersWanted(next)) }
        case .goodbye(let goodbye):
            guard nodes.receiveGoodbye(of: sender, now) else { break }
            questions.forget(sender.node)
            users.remove(sender.node)
            people.end(sender.node, windowMilliseconds: goodbye.windowMilliseconds, now)
        case .people, .peopleWanted, .peoplePart, .typing:
            return actOnPeople(frame, now)
        case .connections, .sends:
            return actOnUsers(frame, now)
        }
        return .nothing
    }

    /// So has who says something of limits.
    private mutating func actOnUsers(_ frame: BusFrame, _ now: Instant) -> Wish {
        guard nodes.knows(frame.sender) else {
            counted.framesStale &+= 1
            return .nothing
        }
        switch frame.content {
        case .connections(let counts):
            if countsUsers { users.receive(counts, from: frame.sender, now) }
        case .sends(let counts): return .sends(counts)
        default: break
        }
        return .nothing
    }

    /// Who says something of people has to be heard of before.
    private mutating func actOnPeople(_ frame: BusFrame, _ now: Instant) -> Wish {
        guard hearsPeople else { return .nothing }
        let sender = frame.sender
        guard nodes.knows(sender) else {
            counted.framesStale &+= 1
            return .nothing
        }
        switch frame.content {
        case .people(let told):
            switch people.receive(told, number: frame.number, from: sender, now) {
            case .taken, .newcomer: return .people(told.changes.count)
            case .stale: counted.framesStale &+= 1
            case .full: break
            }
        case .peoplePart(let part):
            guard part.target == identity.node else { break }
            guard people.receive(part, number: frame.number, from: sender, now) else {
                counted.framesStale &+= 1
                break
            }
            return .people(part.entries.count)
        case .peopleWanted(let wanted):
            guard wanted.target == identity else { break }
            let answer = people.part(wanted, for: sender.node)
            send(.peoplePart(answer.part), number: answer.number)
        case .typing(let typing): return .typing(typing.changes)
        default: break
        }
        return .nothing
    }

    /// - Parameter users: in order, each once.
    package mutating func answer(
        _ wanted: UsersWanted, of asker: UInt64, with users: [UserID], _ now: Instant
    ) {
        lists.keep(users, for: wanted, of: asker, now)
        if let part = lists.part(wanted, of: asker) { send(.users(part)) }
    }

    private mutating func sendWanted() {
        while let wanted = nodes.dequeueWanted() { send(.snapshotWanted(wanted)) }
        while let wanted = people.dequeueWanted() { send(.peopleWanted(wanted)) }
    }

    private mutating func send(_ content: BusFrame.Content, number: UInt64? = nil) {
        let frame = BusFrame(sender: identity, number: number ?? own.number, content)
        if !waiting.append(frame) { counted.framesDropped &+= 1 }
    }

    /// The carrier took a frame.
    package mutating func sent(_ byteCount: Int) {
        counted.framesSent &+= 1
        counted.bytesSent &+= UInt64(byteCount)
    }

    // MARK: Time

    /// When `runTimers` or `expire` has something to do.
    package func deadline(hasChanges: Bool, clients: UInt64) -> Instant {
        var nearest = own.due(hasChanges: hasChanges, clients: clients)
        if let due = nodes.checkDue { nearest = min(nearest, due) }
        if let due = questions.deadline { nearest = min(nearest, due) }
        if let due = people.sweepDue { nearest = min(nearest, due) }
        if looksAtUsers { nearest = min(nearest, users.lookDue) }
        return nearest
    }

    package func isBatchDue(hasChanges: Bool, clients: UInt64, _ now: Instant) -> Bool {
        own.due(hasChanges: hasChanges, clients: clients) <= now
    }

    /// Tells the others what has changed, or that this node is there.
    ///
    /// - Parameter present: users who may be seen otherwise than was told, and how they are.
    package mutating func publish(
        _ changes: [ProjectCount], clients: UInt64, present: [PresenceChange] = [], _ now: Instant
    ) {
        let isGreeting = own.isGreetingDue
        for batch in own.publish(changes, clients: clients, now) {
            send(.counts(batch.frame), number: batch.number)
        }
        for batch in people.publish(present, isGreeting: isGreeting, now) {
            send(.people(batch.frame), number: batch.number)
        }
    }

    /// Tells the others who types.
    package mutating func publish(typing changes: [TypingChange]) {
        var rest = changes[...]
        while !rest.isEmpty {
            send(.typing(TypingFrame(changes: Array(rest.prefix(BusFrame.typingMax)))))
            rest = rest.dropFirst(BusFrame.typingMax)
        }
    }

    // MARK: Limits of users

    /// Without others there is nobody to be told.
    private var looksAtUsers: Bool { countsUsers && nodes.presentCount > 0 }

    /// Where to look on for users with many connections; `nil` when it isn't time.
    package func userLookPosition(_ now: Instant) -> Int? {
        looksAtUsers ? users.lookPosition(now) : nil
    }

    /// From how many connections on a user is told of, so that no sum reaches the limit unseen.
    package func busyCount(limit: Int) -> Int { max(1, limit / nodeCount) }

    package mutating func publish(connections counts: [UserCount]) {
        send(counts) { .connections($0) }
    }

    package mutating func publish(sends counts: [UserCount]) {
        send(counts) { .sends($0) }
    }

    private mutating func send(
        _ counts: [UserCount], as content: ([UserCount]) -> BusFrame.Content
    ) {
        var rest = counts[...]
        while !rest.isEmpty {
            send(content(Array(rest.prefix(BusFrame.userCountsMax))))
            rest = rest.dropFirst(BusFrame.userCountsMax)
        }
    }

    /// Looks at who is silent.
    package mutating func check(_ now: Instant) {
        people.sweep(now)
        guard let due = nodes.checkDue, due <= now else { return }
        for node in nodes.check(now) {
            questions.forget(node)
            users.remove(node)
            people.remove(node, now)
        }
        people.check(now)
        users.check(now)
        lists.check(now)
        sendWanted()
    }

    // MARK: The carrier to other hosts

    /// It is there from now on, or isn't any more. Those who came meanwhile have to be told of this node.
    package mutating func carrierIs(live isLive: Bool, because reason: String?, _ now: Instant) {
        hearsSince = isLive ? now : nil
        carrierFault = isLive ? nil : reason
        if isLive { greet() }
    }

    /// Somebody who doesn't know this node is there.
    package mutating func greet() { own.isGreetingDue = true }

    /// What tells the others that this process ends.
    ///
    /// - Parameter windowMilliseconds: within which its clients shall come back, from now on.
    package func goodbye(windowMilliseconds: UInt32 = 0) -> BusFrame {
        let goodbye = GoodbyeFrame(windowMilliseconds: windowMilliseconds)
        return BusFrame(sender: identity, number: 0, .goodbye(goodbye))
    }

    // MARK: The status of a project

    package enum Waiting: Equatable, Sendable {
        /// Nobody looks at the project elsewhere.
        case nothing
        case waits
        /// There is no room for another one that waits.
        case full
    }

    /// Lets a request for the status wait for who looks at the project elsewhere.
    package mutating func awaitUsers(
        of project: ProjectID, _ waiter: StatusWaiter, _ now: Instant
    ) -> Waiting {
        let asked = nodes.nodes(with: project, now)
        guard !asked.isEmpty else { return .nothing }
        switch questions.ask(about: project, asked, for: waiter, now) {
        case .new(let wanted):
            for one in wanted { send(.usersWanted(one)) }
            return .waits
        case .shared: return .waits
        case .full: return .full
        }
    }

    package mutating func expireQuestions(_ now: Instant) { questions.expire(now) }

    package var hasAnswers: Bool { questions.hasAnswers }

    package mutating func dequeueAnswer() -> StatusAnswer? { questions.dequeueAnswer() }

    /// The connections of all other nodes, and those of them that look at the project.
    package func clients(of project: ProjectID) -> (all: UInt64, project: UInt64) {
        (nodes.clients, nodes.clients(of: project))
    }

    /// Nodes whose clients are counted, this one among them.
    package var nodeCount: Int { nodes.presentCount + 1 }

    /// Whether what is known of others may be less, or older, than what is.
    package func isPartial(_ now: Instant) -> Bool {
        guard let hearsSince else { return true }
        return now.nanoseconds(since: hearsSince) < Limits.busSettleNanoseconds
            || nodes.isPartial(now)
    }

    /// The same of who is present.
    package func isPartialOfPeople(_ now: Instant) -> Bool {
        guard let hearsSince else { return true }
        return now.nanoseconds(since: hearsSince) < Limits.busSettleNanoseconds
            || nodes.hasFrozen(now) || people.isPartial
    }

    package mutating func countPartialStatus() { counted.partialStatuses &+= 1 }

    // MARK: For operators

    /// The other nodes, and whether each is silent.
    package func report(_ now: Instant) -> [(node: UInt64, isFrozen: Bool)] {
        nodes.report(now)
    }

    /// Whether a node is a worker of this host.
    package func isOfOwnHost(_ node: UInt64) -> Bool {
        BusIdentity(node: node, epoch: 0).isOfHost(of: identity)
    }

    package func figures(_ now: Instant) -> BusFigures {
        var figures = counted
        figures.framesRefused &+= nodes.refusals &+ people.refusals &+ users.refusals
        figures.gaps = nodes.gaps &+ people.gaps
        figures.snapshots = nodes.snapshots &+ people.snapshots
        figures.presentElsewhere = UInt64(people.elsewhereCount)
        figures.usersElsewhere = UInt64(users.count)
        figures.nodesGone = nodes.ends
        let report = nodes.report(now)
        figures.nodes = UInt64(report.count)
        figures.nodesFrozen = UInt64(report.count { $0.isFrozen })
        return figures
    }
}
