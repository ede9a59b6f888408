package import Reactor

/// The reads of the event log that are wanted or under way: at most two for a project, one that was
/// asked and one that waits.
///
/// **No gap.** A client that resumes isn't subscribed before its read is answered. Everything that
/// was heard before the read was asked had been committed before, so the read's snapshot has it;
/// everything that is heard from then on is kept beside the read; and from the answer on the client
/// is a member. So it gets the answer, then what was kept, then what comes. Both the answer and what
/// was kept may hold an event: once too often, never not at all.
///
/// Whoever comes while the read is under way may share its answer, because what is kept begins with
/// the asking; unless its own cursor is lower: then it waits for the next read. A client waits for a
/// project once.
///
/// Answering everybody may take several turns. A read that is answered stays here until then: what comes
/// goes on being kept beside it, and whoever gets its answer later gets more of what was kept. Nobody
/// joins those who wait for it any more.
///
/// When the listener is lost, what is heard has a gap: reads under way are asked again when it is
/// back, and so are those that haven't been given to everybody.
package struct ReadTable: ~Copyable {
    /// Reads by project, the one that was asked first.
    private var asked: [ProjectID: ProjectRead] = [:]
    private var wanted: [ProjectID: ProjectRead] = [:]
    private var waiters = WaiterLists()
    /// The order in which wanted reads are asked. May hold projects that are no longer wanted.
    package private(set) var order: [ProjectID] = []
    private var orderStart = 0
    /// The projects of the statements under way, in their order.
    private var statements: [UInt64: [ProjectID]] = [:]
    private var lastStatement: UInt64 = 0
    /// The reads that are answered, the first first. All are among `asked`.
    private var answered: [ProjectID] = []
    private var answeredStart = 0

    /// Projects whose audience waits.
    package private(set) var audienceCount = 0

    package init() {}

    /// Clients that wait.
    package var waiterCount: Int { waiters.count }

    /// Hot path. Whether nothing is wanted or under way.
    package var isEmpty: Bool { asked.isEmpty && wanted.isEmpty }
    package var hasWanted: Bool { !wanted.isEmpty }

    /// Whether events of the project must be looked at although it may have no subscriber.
    package func concerns(_ project: ProjectID) -> Bool {
        asked[project] != nil || wanted[project] != nil
    }

    // MARK: Wanting

    /// False when there are as many waiters as there may be. The client doesn't wait for the project.
    package mutating func add(_ waiter: ReadWaiter, for project: ProjectID) -> Bool {
        guard waiterCount < Limits.resumesWaitingMax else { return false }
        if let under = asked[project], under.answer == nil, under.since <= waiter.from,
            !under.isOverflown
        {
            waiters.append(waiter, of: project, to: under.waiters)
        } else {
            waiters.append(waiter, of: project, to: want(project, since: waiter.from))
        }
        return true
    }

    /// Wants a read for those who are subscribed already.
    package mutating func addAudience(of project: ProjectID, since: Cursor) {
        _ = want(project, since: since)
        guard wanted[project]?.isForAudience == false else { return }
        wanted[project]?.isForAudience = true
        audienceCount += 1
    }

    /// Returns the list of those who wait for it.
    private mutating func want(_ project: ProjectID, since: Cursor) -> UInt32 {
        guard let present = wanted[project] else {
            let list = waiters.makeList()
            wanted[project] = ProjectRead(project: project, since: since, waiters: list)
            if order.count > 2 * wanted.count + Self.orderSlack { compactOrder() }
            order.append(project)
            return list
        }
        if since < present.since { wanted[project]?.since = since }
        return present.waiters
    }

    /// Projects in the order that may be wanted no longer, before they are looked for.
    private static var orderSlack: Int { 64 }

    /// Whoever comes and goes before a read is asked must not make the order longer each time.
    private mutating func compactOrder() {
        var seen: Set<ProjectID> = []
        order = order.dropFirst(orderStart).filter { project in
            wanted[project] != nil && seen.insert(project).inserted
        }
        orderStart = 0
    }

    // MARK: Asking

    /// The reads for the next statement, at most `EventsQuery.projectsMax`, and its number. A
    /// project whose last read is under way has to wait for that one's end.
    package mutating func ask() -> AskedReads? {
        var reads: [ProjectID] = []
        var postponed: [ProjectID] = []
        lastStatement += 1
        while orderStart < order.count, reads.count < EventsQuery.projectsMax {
            let project = order[orderStart]
            orderStart += 1
            guard wanted[project] != nil else { continue }
            guard asked[project] == nil, var read = wanted.removeValue(forKey: project) else {
                postponed.append(project)
                continue
            }
            read.statement = lastStatement
            asked[project] = read
            reads.append(project)
        }
        order.removeFirst(orderStart)
        orderStart = 0
        order.append(contentsOf: postponed)
        guard !reads.isEmpty else { return nil }
        statements[lastStatement] = reads
        return AskedReads(statement: lastStatement, projects: reads)
    }

    /// The cursor of a read that was asked.
    package func since(of project: ProjectID) -> Cursor? { asked[project]?.since }

    // Hot path while a read is under way.
    /// Keeps an event of the project for those who wait for its read.
    package mutating func keep(_ frame: borrowing ByteBuffer, of project: ProjectID) {
        asked[project]?.keep(frame)
    }

    // MARK: Answers

    /// The projects of a statement that is answered or failed; `nil` when they were asked anew
    /// meanwhile.
    package mutating func removeStatement(_ number: UInt64) -> [ProjectID]? {
        statements.removeValue(forKey: number)
    }

    /// How many projects a statement asks about.
    package func projectCount(of statement: UInt64) -> Int? { statements[statement]?.count }

    /// Takes a read that was asked out of the table. Those who wait for it go on waiting, until `give` or
    /// `drop`.
    package mutating func take(_ project: ProjectID) -> ProjectRead? {
        guard var read = asked[project], read.answer == nil else { return nil }
        asked[project] = nil
        if read.isForAudience { audienceCount -= 1 }
        read.statement = nil
        return read
    }

    /// Puts a read back that was taken, with its answer for those who wait for it.
    package mutating func give(_ answer: ReadAnswer, of read: ProjectRead) {
        var read = read
        read.isForAudience = false
        read.answer = answer
        asked[read.project] = read
        answered.append(read.project)
    }

    /// Forgets a read that was taken, if nobody waits for it.
    package mutating func dropUnlessAwaited(_ read: ProjectRead) -> Bool {
        guard waiters.isEmpty(read.waiters) else { return false }
        waiters.freeList(read.waiters)
        return true
    }

    /// Whether somebody waits whose read is answered.
    package var hasAnswered: Bool { answeredStart < answered.count }

    /// The first read that is answered; it is among the answered until `finishFirstAnswered`.
    package var firstAnswered: ProjectRead? {
        hasAnswered ? asked[answered[answeredStart]] : nil
    }

    /// The next of those who wait for a read that is answered, who waits no more.
    package mutating func removeFirstWaiter(of read: ProjectRead) -> ReadWaiter? {
        waiters.removeFirst(of: read.waiters)
    }

    /// The frames that were kept are in a segment now, for the next ones as well.
    package mutating func noteKept(_ segment: SegmentIndex, of read: ProjectRead) {
        asked[read.project]?.answer?.kept = segment
        asked[read.project]?.answer?.keptFrameCount = read.frameCount
    }

    /// Everybody who waited for the first read that is answered has been given it. Returns what has to be
    /// released.
    package mutating func finishFirstAnswered() -> [SegmentIndex] {
        guard let read = firstAnswered else { return [] }
        asked[read.project] = nil
        waiters.freeList(read.waiters)
        answeredStart += 1
        if !hasAnswered { forgetAnswered() }
        return read.answer?.segments ?? []
    }

    private mutating func forgetAnswered() {
        answered.removeAll(keepingCapacity: true)
        answeredStart = 0
    }

    /// Gives everybody a resync: nothing can be read any more. Late answers are still known as such.
    package mutating func answerAll(_ reason: ResyncReason) -> UnreadableProjects {
        var result = UnreadableProjects()
        for read in asked.values { result.segments += read.answer?.segments ?? [] }
        for read in Array(wanted.values) {
            if let earlier = asked[read.project] {
                waiters.join(read.waiters, to: earlier.waiters)
                if read.isForAudience { asked[read.project]?.isForAudience = true }
            } else {
                asked[read.project] = read
            }
        }
        wanted = [:]
        order = []
        orderStart = 0
        statements = [:]
        audienceCount = 0
        forgetAnswered()
        for read in Array(asked.values) {
            if read.isForAudience { result.audiences.append(read.project) }
            asked[read.project] = nil
            if !dropUnlessAwaited(read) { give(ReadAnswer(resync: reason), of: read) }
        }
        return result
    }

    /// Wants a read again that was asked and isn't answered.
    package mutating func askAgain(_ project: ProjectID) {
        guard let read = asked[project], read.answer == nil else { return }
        wantAgain(read)
    }

    private mutating func wantAgain(_ read: ProjectRead) {
        var read = read
        let project = read.project
        asked[project] = nil
        read.unask()
        guard let later = wanted[project] else {
            wanted[project] = read
            order.append(project)
            return
        }
        if later.isForAudience, read.isForAudience { audienceCount -= 1 }
        read.since = min(read.since, later.since)
        waiters.join(later.waiters, to: read.waiters)
        read.isForAudience = read.isForAudience || later.isForAudience
        wanted[project] = read
    }

    /// Wants everything again that was asked: there was a gap in what is heard. Returns what has to be
    /// released.
    package mutating func askAllAgain() -> [SegmentIndex] {
        let segments = asked.values.flatMap { $0.answer?.segments ?? [] }
        statements.removeAll()
        forgetAnswered()
        for read in Array(asked.values) { wantAgain(read) }
        return segments
    }

    // MARK: Unverified memberships

    /// The clients that wait for the project.
    package func clients(in project: ProjectID) -> [Handle] {
        lists(of: project).flatMap { waiters.waiters(of: $0) }.map(\.client)
    }

    /// A removal was announced that may concern the client.
    package mutating func unverify(_ client: Handle, in project: ProjectID) {
        waiters.unverify(client, in: project)
    }

    /// The same for all who wait for the project.
    package mutating func unverify(_ project: ProjectID) {
        for list in lists(of: project) { waiters.unverify(list) }
    }

    /// The same for all.
    package mutating func unverifyAll() {
        for read in asked.values { waiters.unverify(read.waiters) }
        for read in wanted.values { waiters.unverify(read.waiters) }
    }

    private func lists(of project: ProjectID) -> [UInt32] {
        [asked[project]?.waiters, wanted[project]?.waiters].compactMap(\.self)
    }

    // MARK: Giving up

    /// Takes a client out that waits for the project; `nil` when it doesn't.
    package mutating func remove(_ client: Handle, from project: ProjectID) -> ReadWaiter? {
        guard let waiter = waiters.remove(client, from: project) else { return nil }
        dropIfUnwanted(project)
        return waiter
    }

    /// Whether the client waits for something that it missed.
    func isAwaited(by client: Handle) -> Bool {
        waiterCount > 0 && waiters.isWaiting(client)
    }

    /// The client waits for nothing any more.
    package mutating func removeAll(of client: Handle) {
        for project in projects(of: client) { _ = remove(client, from: project) }
    }

    /// The projects for which a client waits.
    package func projects(of client: Handle) -> [ProjectID] {
        waiterCount == 0 ? [] : waiters.projects(of: client)
    }

    /// Takes out those who should have been answered by now, as many as may be answered in a turn.
    /// Returns whether it has looked at everybody.
    package mutating func removeExpired(_ now: Instant, _ expired: inout [RemovedWaiter]) -> Bool {
        let isComplete = waiters.findExpired(now, &expired)
        for one in expired { _ = remove(one.waiter.client, from: one.project) }
        return isComplete
    }

    /// The audiences get a resync instead: what was to be read for them is no longer wanted.
    package mutating func dropAudiences() {
        for project in Array(asked.keys) { asked[project]?.isForAudience = false }
        for project in Array(wanted.keys) {
            wanted[project]?.isForAudience = false
            dropIfUnwanted(project)
        }
        audienceCount = 0
    }

    /// Nobody waits any more for a read that wasn't asked yet.
    private mutating func dropIfUnwanted(_ project: ProjectID) {
        guard let read = wanted[project], !read.isForAudience, waiters.isEmpty(read.waiters)
        else { return }
        wanted[project] = nil
        waiters.freeList(read.waiters)
    }
}

/// What one statement asks.
package struct AskedReads {
    package let statement: UInt64
    package let projects: [ProjectID]
}

/// What follows from nothing being readable any more.
package struct UnreadableProjects {
    /// The projects whose audience gets a resync.
    package var audiences: [ProjectID] = []
    /// What has to be released.
    package var segments: [SegmentIndex] = []
}

/// A waiter that isn't waiting any more.
package struct RemovedWaiter {
    package let waiter: ReadWaiter
    package let project: ProjectID
}
