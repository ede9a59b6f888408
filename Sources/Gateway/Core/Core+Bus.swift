package import Reactor

// Other processes that serve the same clients: what they are told, what they ask, and statuses that wait
// for them. A process on its own has no bus, and nothing of this to do.
extension Core {
    // MARK: Receiving

    /// Takes a frame that the carrier brought. Returns how many members were looked at for it.
    package mutating func receiveBusFrame(_ bytes: borrowing Span<UInt8>) -> Int {
        let wish = bus?.receive(bytes, clock.now) ?? .nothing
        switch wish {
        case .nothing: return 0
        case .users(let wanted, let asker):
            let members = hub.room(of: wanted.project).map { hub.memberCount(of: $0) } ?? 0
            let users = users(of: wanted.project)
            bus?.answer(wanted, of: asker, with: users, clock.now)
            return members
        case .people(let count):
            mergePeople()
            return count * Limits.busPeopleWeight
        case .typing(let changes):
            hearTyping(changes)
            return changes.count * Limits.busPeopleWeight
        case .sends(let counts):
            for count in counts { direct.noteElsewhere(count, clock.now) }
            return counts.count
        }
    }

    // MARK: Sending

    /// Hands the next frame that waits to `send`, which says whether the carrier took it. Returns whether
    /// one was taken.
    package mutating func sendBusFrame(by send: (borrowing Span<UInt8>) -> Bool) -> Bool {
        guard let count = bus?.waiting.removeFirst(if: send) else { return false }
        bus?.sent(count)
        return true
    }

    package var hasBusFrames: Bool {
        switch bus {
        case .some(let bus): !bus.waiting.isEmpty
        case .none: false
        }
    }

    /// Nobody takes frames any more.
    package mutating func dropBusFrames() { bus?.waiting.removeAll() }

    // MARK: The carrier to other hosts

    /// It is there from now on, or isn't any more, for a reason that operators are shown.
    package mutating func busCarrierIs(live isLive: Bool, because reason: String? = nil) {
        bus?.carrierIs(live: isLive, because: reason, clock.now)
    }

    /// A process that doesn't know this one asks who it is.
    package mutating func greetOnBus() { bus?.greet() }

    /// Appends the frame that tells the others that this process ends.
    package func writeGoodbye(into buffer: inout ByteBuffer) {
        switch bus {
        case .some(let bus):
            bus.goodbye(windowMilliseconds: reconnectWindowLeft).write(into: &buffer)
        case .none: break
        }
    }

    // MARK: Time

    /// When `runBusTimers` or `answerStatuses` has something to do; `nil` without a bus.
    package var busDeadline: Instant? {
        switch bus {
        case .some(let bus):
            bus.deadline(hasChanges: hasBusNews, clients: metrics.connections)
        case .none: nil
        }
    }

    private var hasBusNews: Bool {
        hub.hasChanges || presence.hasNews || typing.hasNews || direct.hasNews
    }

    package mutating func runBusTimers() {
        let isDue = bus?.isBatchDue(
            hasChanges: hasBusNews, clients: metrics.connections, clock.now)
        if isDue == true {
            let hubChanges = hub.dequeueChanges(atMost: Limits.busChangesPerBatch)
            let present = presence.dequeueNews(atMost: Limits.busPeoplePerBatch)
            let changes = countVisible(hubChanges, present)
            bus?.publish(changes, clients: metrics.connections, present: present, clock.now)
            if typing.hasNews { bus?.publish(typing: typing.dequeueNews()) }
            if direct.hasNews { bus?.publish(sends: direct.dequeueNews()) }
        }
        tellOfUsers()
        bus?.check(clock.now)
        mergePeople()
    }

    /// Connections of invisible users aren't counted, and a user may hide, or not hide any more, while nobody
    /// comes or goes. Who hides has to be looked for among all members: projects for which no looks are left wait for
    /// the next batch, and in one with too many for any batch all are counted.
    private mutating func countVisible(
        _ changes: [ProjectCount], _ present: [PresenceChange]
    ) -> [ProjectCount] {
        guard presence.projectCount > 0 || !present.isEmpty else { return changes }
        var projects = Set(changes.map(\.project))
        for change in present { projects.insert(change.pair.project) }
        var looksLeft = Limits.busHidingLooksPerBatch
        var counts: [ProjectCount] = []
        counts.reserveCapacity(projects.count)
        for project in projects {
            let members = hub.room(of: project).map { hub.memberCount(of: $0) } ?? 0
            guard members <= Limits.busHidingLooksPerBatch else {
                counts.append(ProjectCount(project, UInt32(clamping: members)))
                continue
            }
            guard members <= looksLeft else {
                hub.noteChange(of: project)
                continue
            }
            looksLeft -= members
            counts.append(ProjectCount(project, UInt32(clamping: visibleCount(of: project))))
        }
        return counts
    }

    // MARK: Limits of users

    /// Connections that the user has at other processes.
    func connectionsElsewhere(of user: UserID) -> Int {
        switch bus {
        case .some(let bus): bus.users.connections(of: user)
        case .none: 0
        }
    }

    /// Looks for users with many connections, a portion at a time, and tells the others.
    private mutating func tellOfUsers() {
        guard let most = admission.limits.connectionsPerUser,
            let position = bus?.userLookPosition(clock.now),
            let least = bus?.busyCount(limit: most)
        else { return }
        let busy = admission.busyUsers(
            from: position, looks: Limits.busUsersLooksPerTurn, least: least)
        bus?.users.add(busy.users, next: busy.next)
        guard busy.next == nil else { return }
        let asked = bus?.users.askedFor ?? []
        let own = asked.map { user in
            UserCount(user, UInt32(clamping: admission.connectionCount(of: user)))
        }
        bus?.users.add(own, next: nil)
        if let telling = bus?.users.endLook(clock.now) { bus?.publish(connections: telling) }
    }

    // MARK: The status of a project

    /// Lets the client wait for who looks at the project elsewhere.
    mutating func awaitUsers(
        of project: ProjectID, _ form: ResponseForm, _ index: ClientIndex
    ) -> Bus.Waiting {
        let waiter = StatusWaiter(client: clients.handle(of: index), form: form)
        guard let waiting = bus?.awaitUsers(of: project, waiter, clock.now) else {
            return .nothing
        }
        if waiting == .waits { pause(index) }
        return waiting
    }

    /// Whether some of them still wait for a turn.
    var hasStatusAnswers: Bool {
        switch bus {
        case .some(let bus): bus.hasAnswers
        case .none: false
        }
    }

    /// Answers those for whom all has come, or whose time is up, within the turn's budget.
    package mutating func answerStatuses() {
        bus?.expireQuestions(clock.now)
        for _ in 0..<Limits.busStatusesPerTurn {
            guard let answer = bus?.dequeueAnswer() else { return }
            // It may have been closed meanwhile.
            guard let index = clients.index(of: answer.waiter.client),
                clients[index].flags.contains(.awaitsMembership)
            else { continue }
            endWait(of: index)
            guard !outbox.isCrowded else {
                refuse(index, .outboxCrowded, as: answer.waiter.form)
                continue
            }
            respondStatus(
                of: answer.project, others: answer.users, isPartial: answer.isPartial,
                as: answer.waiter.form, to: index)
        }
    }

    // MARK: For operators

    func writeNodes(into text: inout ByteBuffer) {
        switch bus {
        case .some(let bus):
            Self.writeNodes(of: bus, clock.now, into: &text)
            guard let carrier = metrics.carrier else { return }
            Self.writeCarrier(carrier.isLive ? nil : bus.carrierFault ?? "", into: &text)
        case .none: return
        }
    }

    /// - Parameter fault: why it is lost, which may have a server's words in it; `nil` where it is there.
    private static func writeCarrier(_ fault: String?, into text: inout ByteBuffer) {
        guard let fault else { return text.append("[i] bus reaches other hosts\n") }
        text.append("[i] bus doesn't reach other hosts")
        if !fault.isEmpty { text.append(": ") }
        text.append(visible: fault)
        text.append("\n")
    }

    private static func writeNodes(
        of bus: borrowing Bus, _ now: Instant, into text: inout ByteBuffer
    ) {
        let report = bus.report(now)
        text.append("[i] bus hears")
        if report.isEmpty { text.append(" nobody") }
        for (position, node) in report.enumerated() {
            text.append(position == 0 ? " " : ", ")
            if bus.isOfOwnHost(node.node) {
                text.append("worker ")
                text.append(decimal: UInt64(BusIdentity.worker(of: node.node)))
            } else {
                text.append("node ")
                text.append(text: BusIdentity.name(of: node.node))
            }
            if node.isFrozen { text.append(" (silent)") }
        }
        text.append("\n")
    }
}
